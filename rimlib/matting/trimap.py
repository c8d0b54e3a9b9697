"""A trimap from an alpha matte: what is surely background, surely foreground, and the unknown between them.

Paper: Sec. 4.1 and 4.3, after GFM: dilate [alpha > 0], erode [alpha = 1] with an elliptical kernel; between the two is
unknown. GFM's kernel is 25 pixels wide on the full-size matte, before it is cropped and resized; a trimap that is made
at the model's size needs a smaller one, so it is a setting.
"""

from __future__ import annotations

import numpy as np

from rimlib.errors import RimError
from rimlib.matting import ellipse

FULL, EMPTY = 254.5 / 255, 0.5 / 255  # alpha is 8-bit on disk: what rounds to 255 is 1, what rounds to 0 is 0


def trimap_from_alpha(alpha: np.ndarray, kernel: int) -> np.ndarray:
    """The trimap of a matte.

    Args:
        alpha: float (H, W) in [0, 1], or its levels, uint8 (H, W).
        kernel: width of the ellipse in pixels, odd.

    Returns:
        uint8 (H, W) of {0, 128, 255}.

    Raises:
        RimError: a kernel without a centre.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise RimError(f"train.trimap_kernel {kernel}: must be odd and at least 1", setting="train.trimap_kernel")
    levels = alpha.dtype == np.uint8
    some, whole = (alpha > 0, alpha == 255) if levels else (alpha > EMPTY, alpha >= FULL)
    near, inside = (array.view(np.uint8) for array in (ellipse.dilate(some, kernel), ellipse.erode(whole, kernel)))
    return 128 * near + 127 * inside  # what is inside is near too


def kernel_for(width: float, least: int = 1) -> int:
    """The odd width in pixels for a kernel that is brought to another resolution.

    >>> kernel_for(7 * 640 / 128), kernel_for(0.4, least=3)
    (37, 3)
    """
    return max(least, 2 * round(width / 2) + 1)
