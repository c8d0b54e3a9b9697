"""Alpha blending: a foreground over a background, and a background brought to the shape of a canvas.

A cut-out is blended plainly (`over`), or carried as a premultiplied layer, alpha times foreground and alpha, in 16 bits
(`premultiply`). A layer can be resized as it is, since what lies under alpha 0 is black, and blending it needs no
division.
"""

from __future__ import annotations

import cv2
import numpy as np

FULL = 65535  # alpha 1 of a layer
CROP_ONLY = 1.3  # a background of less than this times the canvas is cropped and not shrunk
STRIP = 64  # rows that `over` blends at a time: its float arrays stay small at any size


def over(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray | tuple | int) -> np.ndarray:
    """Blend a foreground over a background.

    Args:
        foreground: uint8 or float (H, W, 3), 0 to 255.
        alpha: float (H, W) in [0, 1].
        background: as the foreground, or a colour, or one grey level.

    Returns:
        uint8 (H, W, 3).

    >>> over(np.full((1, 1, 3), 200, np.uint8), np.full((1, 1), 0.5, np.float32), (0, 100, 200))
    array([[[100, 150, 200]]], dtype=uint8)
    """
    background = np.broadcast_to(np.asarray(background), foreground.shape)
    result = np.empty(foreground.shape, np.uint8)
    for start in range(0, len(alpha), STRIP):
        strip = slice(start, start + STRIP)
        under = background[strip].astype(np.float32)
        blended = under + alpha[strip][..., None] * (foreground[strip] - under)
        result[strip] = np.clip(np.rint(blended), 0, 255)
    return result


def premultiply(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A cut-out as a layer, uint16 (h, w, 4): 257 times its colours times alpha, and alpha.

    Args:
        foreground: uint8 (h, w, 3).
        alpha: float32 (h, w) in [0, 1].
    """
    alpha = np.ascontiguousarray(alpha, np.float32)
    rounded = cv2.multiply(alpha, float(FULL), dtype=cv2.CV_16U)  # type: ignore[call-overload]
    return cv2.merge([*cv2.split(attenuate(foreground, rounded)), rounded])


def attenuate(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours, uint8 (h, w, 3), times alpha, uint16 (h, w): uint16 (h, w, 3), where 257 is one level."""
    return cv2.multiply(colors * np.uint16(257), cv2.merge([alpha] * 3), scale=1 / FULL)


def fit_background(background: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Cut the largest centred window of the canvas's shape out of a background and resize it; always a copy.

    Of a background that is only a little too large the window is as large as the canvas: little is lost, and nothing is
    blurred.

    Args:
        background: uint8 (H, W, 3).
        canvas: (height, width).
    """
    height, width = background.shape[:2]
    scale = 1 / enlargement((height, width), canvas)
    if 1 <= scale < CROP_ONLY:
        scale = 1.0
    tall, wide = min(height, round(canvas[0] * scale)), min(width, round(canvas[1] * scale))
    top, left = (height - tall) // 2, (width - wide) // 2
    window = background[top : top + tall, left : left + wide]
    return np.array(window) if (tall, wide) == tuple(canvas) else resize_by_halving(window, canvas)


def enlargement(size: tuple[int, int], canvas: tuple[int, int]) -> float:
    """How many times a background of this (height, width) is enlarged to fill the canvas; below 1 it shrinks."""
    return max(canvas[0] / size[0], canvas[1] / size[1])


def resize_by_halving(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a layer, or a background's uint8 (H, W, 3), to another (height, width).

    Halved until less than half is left to do, then linear: no pixel is skipped, and it is several times as fast as
    averaging. What grows is linear too, backgrounds cubic.
    """
    while pixels.shape[0] > 2 * size[0] and pixels.shape[1] > 2 * size[1]:
        half = ((pixels.shape[1] + 1) // 2, (pixels.shape[0] + 1) // 2)
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_LINEAR)
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size):
        return pixels
    if max(height / size[0], width / size[1]) > 2.1:  # much narrower than it was: halving would blur the other side
        method = cv2.INTER_AREA
    else:
        method = cv2.INTER_CUBIC if pixels.dtype == np.uint8 and height < size[0] else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size[1], size[0]), interpolation=method)
