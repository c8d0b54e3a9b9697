"""Dilation and erosion by OpenCV's ellipse, of masks and of mattes, in a time that hardly depends on its width.

`cv2.dilate` reads all of the ellipse for each pixel: 5,000 values at a width of 81. An ellipse is a union of
rectangles, each wider and lower than the one before. So the mask is widened from rectangle to rectangle, and what they
share in height is done for all of them at once, as Horner's scheme does it with powers. The results are equal, pixel
by pixel.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from rimlib.matting.boxes import visible_box

NARROW = 7  # up to this width OpenCV's own way takes less time


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
        result[inside] = _dilate(mask[inside].view(np.uint8), width) > 0
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
        # Nothing lies outside, so no pixel is eroded from there.
        result[inside] = _dilate((~mask[inside]).view(np.uint8), width) == 0
    return result


def largest(alpha: np.ndarray, width: int) -> np.ndarray:
    """The largest value in the ellipse around each pixel: `dilate` of a matte, float32 (H, W) in [0, 1].

    >>> largest(np.array([[0, 0, 0.5, 0, 0.25]], np.float32), 3)
    array([[0.  , 0.5 , 0.5 , 0.5 , 0.25]], dtype=float32)
    """
    return _dilate(np.ascontiguousarray(alpha, np.float32), width)


def _dilate(values: np.ndarray, width: int) -> np.ndarray:
    """values: uint8 or float32 (H, W), none below 0."""
    if width <= NARROW:
        return cv2.dilate(values, _ellipse(width))
    row, reach = values, 0
    done = np.zeros_like(row)
    for half_height, half_width, next_height in _rectangles(width):
        row = _by_line(row, half_width - reach, axis=1)
        done, reach = _by_line(cv2.max(done, row), half_height - next_height, axis=0), half_width
    return done


def _by_line(values: np.ndarray, reach: int, axis: int) -> np.ndarray:
    length = 2 * reach + 1
    return cv2.dilate(values, np.ones((length, 1) if axis == 0 else (1, length), np.uint8)) if reach else values


@cache
def _rectangles(width: int) -> list[tuple[int, int, int]]:
    """The rectangles of an ellipse from the highest on: half its height, half its width, half the next one's height."""
    middle = width // 2
    found: list[tuple[int, int]] = []
    for half_height, row in zip(range(middle, -1, -1), _ellipse(width)):
        half_width = (int(row.sum()) - 1) // 2
        if not found or half_width > found[-1][1]:
            found.append((half_height, half_width))
    lower = [height for height, _ in found[1:]] + [0]
    return [(*one, height) for one, height in zip(found, lower)]


def _ellipse(width: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
