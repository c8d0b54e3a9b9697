"""Shadows, and entities as bright as what is around them: an option, so that cut-outs look less pasted.

Not in the paper, whose engine blends only (Sec. 3.2). A model can find what was pasted by its brightness alone, and no
photograph has that. The mattes stay as they are. All numbers are whole, so that any machine makes the same bytes.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import cv2
import numpy as np

from rimlib.matting.composition import FULL, attenuate
from rimlib.refmatte.layout import Placement

LIMITS = (60, 160)  # per cent that an entity is made darker or brighter at most


class Light(NamedTuple):
    """One light for a scene, in per cent."""

    across: int  # where a shadow falls, of its entity's height; to the right where above 0 …
    down: int
    shadow: int  # … and what it takes of the light
    match: int  # how far an entity's brightness goes to that of its surroundings; 100: all the way


def draw(rng: Random) -> Light:
    """A light that comes from above."""
    return Light(rng.randint(-15, 15), rng.randint(2, 12), rng.randint(15, 55), rng.randint(0, 70))


def matched(layer: np.ndarray, around: np.ndarray, light: Light) -> np.ndarray:
    """A layer, uint16 (h, w, 4), brought nearer to the mean brightness of the pixels around it, uint8 (h, w, 3)."""
    alpha = cv2.extractChannel(layer, 3)
    total = int(alpha.sum(dtype=np.int64))
    own = int(layer[..., :3].sum(dtype=np.int64)) * 255 // max(1, 3 * total)  # 0 to 255
    there = int(around.sum(dtype=np.int64)) // around.size
    wanted = own + (there - own) * light.match // 100
    percent = min(max(100 * wanted // max(1, own), LIMITS[0]), LIMITS[1])
    colors = layer[..., :3].astype(np.uint32) * np.uint32(percent) // np.uint32(100)
    # Premultiplied, no colour is above its alpha.
    return np.dstack([np.minimum(colors, alpha[..., None]).astype(np.uint16), alpha])


def cast(scene: np.ndarray, alpha: np.ndarray, place: Placement, light: Light) -> None:
    """Darken a scene, uint8 (H, W, 3), in place, where an entity's alpha, uint16 (h, w), throws its shadow."""
    height, width = scene.shape[:2]
    soft = max(1, place.height // 24)
    shadow = np.zeros((height, width), np.uint8)
    window = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
    shadow[window] = cv2.convertScaleAbs(alpha, alpha=1 / 257)
    across, down = place.height * light.across // 100, place.height * light.down // 100
    shadow = _moved(cv2.GaussianBlur(shadow, (2 * soft + 1, 2 * soft + 1), 0), across, down)
    left = FULL - shadow.astype(np.uint32) * np.uint32(257 * light.shadow) // np.uint32(100)
    scene[:] = cv2.convertScaleAbs(attenuate(scene, left.astype(np.uint16)), alpha=1 / 257)


def _moved(image: np.ndarray, across: int, down: int) -> np.ndarray:
    """Moved to the right and down, with zeros where nothing comes from."""
    moved = np.zeros_like(image)
    height, width = image.shape
    to = slice(max(0, down), height + min(0, down)), slice(max(0, across), width + min(0, across))
    of = slice(max(0, -down), height - max(0, down)), slice(max(0, -across), width - max(0, across))
    moved[to] = image[of]
    return moved
