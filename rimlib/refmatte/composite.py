"""Alpha blending of cut-outs over a background, with the alpha of each that stays visible.

Paper: Sec. 3.2. With entity i over all that lie behind it, C = a_i F_i + (1 - a_i) C; what is visible of an entity is its
alpha times (1 - alpha) of everything in front of it. The mattes on disk are these visible alphas.
"""
from __future__ import annotations

import numpy as np

from rimlib import images
from rimlib.refmatte.layout import Placement


def composite(background: np.ndarray, cutouts: list[tuple[np.ndarray, np.ndarray]], placements: list[Placement],
              canvas: tuple[int, int], mirrored: list[bool] | None = None) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blend cut-outs over a background.

    Args:
        background: uint8 (H, W, 3), cropped to the canvas's shape and resized to it.
        cutouts: (foreground uint8, alpha float32 in [0, 1]) of each entity.
        placements: box and depth of each entity, inside the canvas.
        canvas: (height, width).
        mirrored: which cut-outs are flipped from left to right first.

    Returns:
        The scene, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W), in the entities' order.
    """
    scene = fit_background(background, canvas).astype(np.float32)
    visible: list[np.ndarray | None] = [None] * len(cutouts)
    for index in sorted(range(len(cutouts)), key=lambda item: placements[item].depth):
        foreground, alpha = cutouts[index]
        if mirrored is not None and mirrored[index]:
            foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
        place = placements[index]
        foreground, alpha = images.resize_cutout(foreground, alpha, (place.height, place.width))
        window = (slice(place.top, place.top + place.height), slice(place.left, place.left + place.width))
        scene[window] += alpha[..., None] * (foreground - scene[window])
        for behind in visible:
            if behind is not None:
                behind[window] *= 1 - alpha
        visible[index] = np.zeros(canvas, np.float32)
        visible[index][window] = alpha
    return np.clip(np.round(scene), 0, 255).astype(np.uint8), visible


def fit_background(background: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Cut the largest centred window of the canvas's shape out of a background and resize it."""
    height, width = background.shape[:2]
    scale = min(height / canvas[0], width / canvas[1])
    tall, wide = min(height, round(canvas[0] * scale)), min(width, round(canvas[1] * scale))
    top, left = (height - tall) // 2, (width - wide) // 2
    return images.resize(np.ascontiguousarray(background[top:top + tall, left:left + wide]), canvas)
