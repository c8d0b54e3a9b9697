"""Dilation and erosion by OpenCV's ellipse, in a time that does not depend on its width.

`cv2.dilate` reads all of the ellipse for each pixel: 5,000 values at a width of 81. Above `NARROW` the distance to the
mask decides here, which is the same except in a ring as wide as the ellipse departs from a circle; the pixels in it are
looked up one by one. The results are equal, pixel by pixel.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from rimlib.matting.boxes import visible_box

NARROW = 25  # up to this width OpenCV's own way takes less time


def dilate(mask: np.ndarray, width: int) -> np.ndarray:
    """Where the ellipse around a pixel meets the mask; as `cv2.dilate` of it, nothing lies outside the image.

    Args:
        mask: bool (H, W).
        width: of the ellipse in pixels, odd.

    Returns:
        bool (H, W).

    >>> dilate(np.array([[0, 0, 0, 1, 0]], bool), 3)
    array([[False, False,  True,  True,  True]])
    """
    result = np.zeros(mask.shape, bool)
    inside = visible_box(mask, margin=width // 2 + 1)
    if inside is not None:
        result[inside] = _dilate(mask[inside], width)
    return result


def erode(mask: np.ndarray, width: int) -> np.ndarray:
    """Where the ellipse around a pixel stays in the mask; as `cv2.erode`, all outside the image counts as in it.

    Arguments and result as in `dilate`.

    >>> erode(np.array([[0, 1, 1, 1, 1]], bool), 3)
    array([[False, False,  True,  True,  True]])
    """
    result = np.zeros(mask.shape, bool)
    inside = visible_box(mask, margin=width // 2 + 1)
    if inside is not None:
        result[inside] = ~_dilate(~mask[inside], width)  # nothing lies outside, so no pixel is eroded from there
    return result


def _dilate(mask: np.ndarray, width: int) -> np.ndarray:
    if width <= NARROW:
        return cv2.dilate(mask.view(np.uint8), _ellipse(width)) > 0
    least, most, offsets = _ring(width)
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # (H, W)
    near = distance < np.sqrt(least - 0.5)  # squares of distances are whole numbers
    rows, columns = np.nonzero((distance < np.sqrt(most + 0.5)) & ~near)
    met = np.zeros(len(rows), bool)
    for down, right in offsets:
        y, x = rows + down, columns + right
        inside = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
        met[inside] |= mask[y[inside], x[inside]]
    near[rows[met], columns[met]] = True
    return near


@cache
def _ring(width: int) -> tuple[int, int, list[tuple[int, int]]]:
    """The least squared distance that the ellipse lacks, the largest that it has, its offsets from the least on."""
    radius = width // 2 + 1
    ellipse = np.pad(_ellipse(width), 1) > 0
    down, right = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    squared = down**2 + right**2
    least, most = int(squared[~ellipse].min()), int(squared[ellipse].max())
    ring = ellipse & (squared >= least)
    return least, most, list(zip(down[ring].tolist(), right[ring].tolist()))


def _ellipse(width: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
