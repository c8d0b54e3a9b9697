"""More of the same photographs: things in other colours, with the colour word computed anew.

Not in the paper. A cut-out that is always red teaches that *cup* is red; the same cup in green and in brown teaches the
words for colours, and gives scenes in which the colour alone tells two cups apart.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random

import cv2
import numpy as np

from rimlib.entities.color import color_distance, color_name, dominant_color
from rimlib.entities.entity import Entity
from rimlib.entities.pool import CutoutReader, Pool

LEAST = 20.0  # CIELAB distance of a colour word from the photograph's own and from the other variants'
LIGHTER = (0.75, 1.3)  # factor of the lightness
TRIES = 8


def with_recolored(pool: Pool, count: int, split: str = "train") -> Pool:
    """A pool with up to `count` variants of each of its things of a split, beside what it holds.

    People and animals stay as they are: their colours belong to them. What has too little colour to turn, such as glass
    or a silver coin, has fewer variants, or none. The same pool gives the same variants.

    Raises RimError for a cut-out that cannot be read.
    """
    entities: list[Entity] = []
    readers: dict[str, CutoutReader] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for entity in pool.of(kind="thing", split=split) if count else []:
        rng, known = Random(entity.name), [entity.color]
        foreground, alpha = pool.cutout(entity.name, keep=False)
        for _ in range(TRIES):
            angle, lighter = round(rng.uniform(40, 320)), round(rng.uniform(*LIGHTER), 2)
            color = color_name(dominant_color(turn(foreground, angle, lighter), alpha))
            if len(known) <= count and min(color_distance(color, other) for other in known) >= LEAST:
                known.append(color)
                name = f"{entity.name}--{color}"
                entities.append(replace(entity, name=name, color=color))
                readers[name] = partial(_read, pool.cutout_readers[entity.name], entity, angle, lighter)
                sizes[name] = pool.size(entity.name)
    return pool.add(Pool(entities, [], readers, sizes=sizes)) if entities else pool


def turn(foreground: np.ndarray, angle: float, lighter: float) -> np.ndarray:
    """An image uint8 (H, W, 3) with its hue turned by `angle` degrees in CIELAB, and its lightness multiplied."""
    lab = cv2.cvtColor(foreground.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    lab = lab @ np.array([[lighter, 0, 0], [0, cos, sin], [0, -sin, cos]], np.float32)  # L, a, b
    lab[..., 0] = np.minimum(lab[..., 0], 100)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def _read(read: CutoutReader, own: Entity, angle: float, lighter: float, _: Entity) -> tuple[np.ndarray, np.ndarray]:
    foreground, alpha = read(own)
    return turn(foreground, angle, lighter), alpha
