"""A trimap from an alpha matte: what is surely background, surely foreground, and the unknown between them.

Paper: Sec. 4.1 and 4.3, after GFM: dilate [alpha > 0], erode [alpha = 1] with an elliptical kernel; between the two is
unknown. GFM's kernel is 25 pixels wide at its own sizes; it must shrink with the resolution, so it is a setting.
`trimap_from_alpha` is for one matte on the data side, `trimaps_from_alphas` for batches on the model's device; both
give the same trimap, pixel for pixel.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from rimlib.errors import RimError

FULL, EMPTY = 254.5 / 255, 0.5 / 255  # alpha is 8-bit on disk: what rounds to 255 is 1, what rounds to 0 is 0


def trimap_from_alpha(alpha: np.ndarray, kernel: int) -> np.ndarray:
    """`alpha`: float32 (H, W) in [0, 1]; `kernel`: width of the ellipse in pixels, odd. Returns uint8 (H, W) of {0, 128, 255}."""
    import cv2

    check_kernel(kernel)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    near = cv2.dilate((alpha > EMPTY).astype(np.uint8), ellipse)
    inside = cv2.erode((alpha >= FULL).astype(np.uint8), ellipse)
    trimap = np.zeros(alpha.shape, np.uint8)
    trimap[near > 0] = 128
    trimap[inside > 0] = 255
    return trimap


def trimaps_from_alphas(alphas: torch.Tensor, kernel: int) -> torch.Tensor:
    """`alphas`: float (B, 1, H, W) in [0, 1], on any device. Returns classes, int64 (B, H, W): 0 background, 1 unknown,
    2 foreground.
    """
    check_kernel(kernel)
    near = dilate_by_ellipse((alphas > EMPTY).to(torch.float32), kernel)
    outside = dilate_by_ellipse((alphas < FULL).to(torch.float32), kernel)  # an erosion dilates what is not inside
    return (near + (1 - outside) * near).squeeze(1).long()


def dilate_by_ellipse(x: torch.Tensor, kernel: int) -> torch.Tensor:
    """The largest value under an elliptical kernel around each pixel; outside the map counts as nothing.

    `x`: (B, 1, H, W) of values of at least 0. Each line of the ellipse is a run of pixels: one running maximum along
    the rows for each of its different widths, shifted to the lines that have it.
    """
    widths = ellipse_widths(kernel)
    radius = kernel // 2
    height = x.shape[2]
    runs = {width: F.max_pool2d(x, (1, width), stride=1, padding=(0, width // 2)) for width in set(widths)}
    runs = {width: F.pad(run, (0, 0, radius, radius)) for width, run in runs.items()}
    result = x
    for line, width in enumerate(widths):
        result = torch.maximum(result, runs[width][:, :, line : line + height])
    return result


def ellipse_widths(kernel: int) -> list[int]:
    """Pixels in each line of OpenCV's elliptical kernel, all odd and centred."""
    radius = kernel // 2
    return [
        2 * round(radius * max(0.0, 1 - (line / radius) ** 2) ** 0.5) + 1 if radius else 1
        for line in range(-radius, radius + 1)
    ]


def check_kernel(kernel: int) -> None:
    if kernel < 1 or kernel % 2 == 0:
        raise RimError(f"train.trimap_kernel {kernel}: must be odd and at least 1")
