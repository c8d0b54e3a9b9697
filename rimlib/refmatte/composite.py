"""A scene from cut-outs, their placements and a background, with the alpha of each entity that stays visible.

Paper: Sec. 3.2. With entity i over all that lie behind it, C = a_i F_i + (1 - a_i) C; what is visible of an entity is
its alpha times (1 - alpha) of everything in front of it. The mattes on disk are these visible alphas.

The work is done on premultiplied layers (`rimlib.matting.composition`), inside each entity's box, in whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from rimlib.matting.composition import FULL, attenuate, fit_background, premultiply, resize_by_halving
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.light import Light, cast, matched


def composite(
    background: np.ndarray,
    cutouts: list[tuple[np.ndarray, np.ndarray]],
    placements: list[Placement],
    canvas: tuple[int, int],
    mirrored: list[bool] | None = None,
    light: Light | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blend cut-outs over a background.

    Args:
        background: uint8 (H, W, 3), cropped to the canvas's shape and resized to it.
        cutouts: (foreground uint8 (h, w, 3), alpha float32 (h, w) in [0, 1]) of each entity.
        placements: box and depth of each entity, inside the canvas.
        canvas: (height, width).
        mirrored: which cut-outs are flipped from left to right first.
        light: with shadows and matched brightness, where there is one.

    Returns:
        The scene, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W), in the entities' order.
    """
    scene, visible = blend(
        background, [premultiply(*cutout) for cutout in cutouts], placements, canvas, mirrored, light
    )
    mattes = []
    for place, alpha in zip(placements, visible):
        matte = np.zeros(canvas, np.float32)
        matte[_window(place)] = alpha / np.float32(FULL)
        mattes.append(matte)
    return scene, mattes


def blend(
    background: np.ndarray,
    layers: list[np.ndarray],
    placements: list[Placement],
    canvas: tuple[int, int],
    mirrored: list[bool] | None = None,
    light: Light | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `composite`, from layers. The visible alphas are uint16, and each is of its placement's box only, (h, w)."""
    scene = fit_background(background, canvas)
    visible: dict[int, np.ndarray] = {}
    for index in sorted(range(len(layers)), key=lambda item: placements[item].depth):
        place = placements[index]
        small = resize_by_halving(layers[index], (place.height, place.width))
        if mirrored is not None and mirrored[index]:
            small = cv2.flip(small, 1)
        alpha = cv2.extractChannel(small, 3)
        if light is not None:
            small = matched(small, scene[_window(place)], light)
            cast(scene, alpha, place, light)
        under = attenuate(scene[_window(place)], cv2.bitwise_not(alpha))
        blended = cv2.add(under, cv2.cvtColor(small, cv2.COLOR_BGRA2BGR))
        scene[_window(place)] = cv2.convertScaleAbs(blended, alpha=1 / 257)
        for behind, matte in visible.items():
            _hide(matte, placements[behind], alpha, place)
        visible[index] = alpha
    return scene, [visible[index] for index in range(len(layers))]


def matte_on_canvas(alpha: np.ndarray, place: Placement, canvas: tuple[int, int]) -> np.ndarray:
    """A visible alpha of `blend` on the whole canvas, uint8 (H, W)."""
    whole = np.zeros(canvas, np.uint8)
    whole[_window(place)] = cv2.convertScaleAbs(alpha, alpha=1 / 257)
    return whole


def hidden_share(alphas: Sequence[np.ndarray], placements: Sequence[Placement], mirrored: Sequence[bool]) -> float:
    """The share of the far one's matte that the nearer of two entities hides.

    Args:
        alphas: float32 (h, w) in [0, 1] of the two cut-outs.
        placements: box and depth of each.
        mirrored: which of them is flipped from left to right first.
    """
    drawn = []
    for alpha, place, flip in zip(alphas, placements, mirrored):
        small = cv2.resize(alpha, (place.width, place.height), interpolation=cv2.INTER_AREA)
        drawn.append((place, (np.clip(small[:, ::-1] if flip else small, 0, 1) * FULL).astype(np.uint16)))
    (far, matte), (near, cover) = sorted(drawn, key=lambda item: item[0].depth)
    alone = matte.sum(dtype=np.float64)
    _hide(matte, far, cover, near)
    return float(1 - matte.sum(dtype=np.float64) / max(alone, 1.0))


def _hide(matte: np.ndarray, place: Placement, alpha: np.ndarray, front: Placement) -> None:
    """Take what the alpha of a nearer entity covers from the matte of one behind it, in place."""
    left, right = max(front.left, place.left), min(front.left + front.width, place.left + place.width)
    top, bottom = max(front.top, place.top), min(front.top + front.height, place.top + place.height)
    if left < right and top < bottom:
        part = matte[top - place.top : bottom - place.top, left - place.left : right - place.left]
        cover = alpha[top - front.top : bottom - front.top, left - front.left : right - front.left]
        part[:] = np.rint(part * (1 - cover / np.float32(FULL)))


def _window(place: Placement) -> tuple[slice, slice]:
    return slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
