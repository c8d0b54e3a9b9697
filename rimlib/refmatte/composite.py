"""Alpha blending of cut-outs over a background, with the alpha of each that stays visible.

Paper: Sec. 3.2. With entity i over all that lie behind it, C = a_i F_i + (1 - a_i) C; what is visible of an entity is its
alpha times (1 - alpha) of everything in front of it. The mattes on disk are these visible alphas.

A cut-out is carried as a `layer`, a_i F_i and a_i in 16 bits. It can be resized as it is, since what lies under alpha 0 is
black, and blending needs no division. The work is done inside each entity's box, in whole numbers.
"""

from __future__ import annotations

import numpy as np

from rimlib.refmatte.layout import Placement

FULL = 65535  # alpha 1 of a layer
LITTLE = 1.3  # times the canvas: a background below it is cropped and not made smaller


def composite(
    background: np.ndarray,
    cutouts: list[tuple[np.ndarray, np.ndarray]],
    placements: list[Placement],
    canvas: tuple[int, int],
    mirrored: list[bool] | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blend cut-outs over a background.

    Args:
        background: uint8 (H, W, 3), cropped to the canvas's shape and resized to it.
        cutouts: (foreground uint8 (h, w, 3), alpha float32 (h, w) in [0, 1]) of each entity.
        placements: box and depth of each entity, inside the canvas.
        canvas: (height, width).
        mirrored: which cut-outs are flipped from left to right first.

    Returns:
        The scene, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W), in the entities' order.
    """
    scene, visible = blend(background, [layer(*cutout) for cutout in cutouts], placements, canvas, mirrored)
    mattes = []
    for place, alpha in zip(placements, visible):
        matte = np.zeros(canvas, np.float32)
        matte[_window(place)] = alpha / np.float32(FULL)
        mattes.append(matte)
    return scene, mattes


def layer(foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A cut-out as uint16 (h, w, 4): 257 times its colours times alpha, and alpha.

    Args:
        foreground: uint8 (h, w, 3).
        alpha: float32 (h, w) in [0, 1].
    """
    import cv2

    alpha = cv2.multiply(np.ascontiguousarray(alpha, np.float32), float(FULL), dtype=cv2.CV_16U)  # rounded
    return cv2.merge([*cv2.split(_times(foreground, alpha)), alpha])


def blend(
    background: np.ndarray,
    layers: list[np.ndarray],
    placements: list[Placement],
    canvas: tuple[int, int],
    mirrored: list[bool] | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `composite`, from layers. The visible alphas are uint16, and each is of its placement's box only, (h, w)."""
    import cv2

    scene = fit_background(background, canvas)
    visible: list[np.ndarray | None] = [None] * len(layers)
    for index in sorted(range(len(layers)), key=lambda item: placements[item].depth):
        place = placements[index]
        small = resize(layers[index], (place.height, place.width))
        if mirrored is not None and mirrored[index]:
            small = cv2.flip(small, 1)
        alpha = cv2.extractChannel(small, 3)
        under = _times(scene[_window(place)], cv2.bitwise_not(alpha))
        scene[_window(place)] = cv2.convertScaleAbs(
            cv2.add(under, cv2.cvtColor(small, cv2.COLOR_BGRA2BGR)), alpha=1 / 257
        )
        for behind, other in zip(visible, placements):
            if behind is not None:
                _hide(behind, other, alpha, place)
        visible[index] = alpha
    return scene, visible


def matte(alpha: np.ndarray, place: Placement, canvas: tuple[int, int]) -> np.ndarray:
    """A visible alpha of `blend` on the whole canvas, uint8 (H, W)."""
    import cv2

    whole = np.zeros(canvas, np.uint8)
    whole[_window(place)] = cv2.convertScaleAbs(alpha, alpha=1 / 257)
    return whole


def fit_background(background: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Cut the largest centred window of the canvas's shape out of a background and resize it; always a copy.

    Of a background that is only a little too large the window is as large as the canvas: nothing is blurred, and little is lost.
    """
    height, width = background.shape[:2]
    scale = 1 / enlargement((height, width), canvas)
    if 1 <= scale < LITTLE:
        scale = 1.0
    tall, wide = min(height, round(canvas[0] * scale)), min(width, round(canvas[1] * scale))
    top, left = (height - tall) // 2, (width - wide) // 2
    cut = background[top : top + tall, left : left + wide]
    return np.array(cut) if (tall, wide) == tuple(canvas) else resize(cut, canvas)


def enlargement(size: tuple[int, int], canvas: tuple[int, int]) -> float:
    """How many times a background of this (height, width) is enlarged to fill the canvas; below 1 it shrinks."""
    return max(canvas[0] / size[0], canvas[1] / size[1])


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A layer, or a background's uint8 (H, W, 3), at another (height, width).

    Halved until less than half is left to do, then linear, so that no pixel is skipped. What grows is linear too, backgrounds cubic.
    """
    import cv2

    while pixels.shape[0] > 2 * size[0] and pixels.shape[1] > 2 * size[1]:
        pixels = cv2.resize(
            pixels, ((pixels.shape[1] + 1) // 2, (pixels.shape[0] + 1) // 2), interpolation=cv2.INTER_LINEAR
        )
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size):
        return pixels
    if (
        max(height / size[0], width / size[1]) > 2.1
    ):  # much narrower than it was: two halvings would blur the other side
        method = cv2.INTER_AREA
    else:
        method = cv2.INTER_CUBIC if pixels.dtype == np.uint8 and height < size[0] else cv2.INTER_LINEAR
    return cv2.resize(pixels, (size[1], size[0]), interpolation=method)


def _times(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours, uint8 (h, w, 3), times alpha, uint16 (h, w): uint16 (h, w, 3), where 257 is one level."""
    import cv2

    return cv2.multiply(colors * np.uint16(257), cv2.merge([alpha] * 3), scale=1 / FULL)


def _hide(behind: np.ndarray, other: Placement, alpha: np.ndarray, place: Placement) -> None:
    """Take what `alpha` covers from the alpha of an entity behind it, in place."""
    left, right = max(place.left, other.left), min(place.left + place.width, other.left + other.width)
    top, bottom = max(place.top, other.top), min(place.top + place.height, other.top + other.height)
    if left < right and top < bottom:
        part = behind[top - other.top : bottom - other.top, left - other.left : right - other.left]
        over = alpha[top - place.top : bottom - place.top, left - place.left : right - place.left]
        part[:] = np.rint(part * (1 - over / np.float32(FULL)))


def _window(place: Placement) -> tuple[slice, slice]:
    return slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
