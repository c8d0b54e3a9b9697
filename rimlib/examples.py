"""The images that the demo begins with: scenes of the shipped photographs, and sentences that fit something in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rimlib.entities.pool import Pool

# Seed, split and number in its plan; `alike` is of look-alikes, and `test` holds entities that training never saw.
SCENES = (
    (8, "seen", 2),
    (12, "seen", 0),
    (2, "seen", 0),
    (10, "seen", 0),
    (1, "alike", 41),
    (8, "test", 0),
    (3, "test", 2),
)


@dataclass(frozen=True)
class Example:
    """An image to begin with, uint8 (H, W, 3), its title, and sentences that fit something in it."""

    name: str
    image: np.ndarray
    sentences: tuple[str, ...]


def examples(
    pool: Pool, scenes: Iterable[tuple[int, str, int]] = SCENES, canvas: tuple[int, int] = (240, 320)
) -> list[Example]:
    """Scenes composed from a pool by the engine of RefMatte, each with a keyword and a description for every entity.

    Look-alikes have their two shortest sentences instead, which give a place, an order or a size. scenes: (seed, split,
    number) of each, see `refmatte.plan`; canvas: (height, width) in pixels.
    """
    from rimlib.refmatte.example import example

    found = []
    for seed, split, number in scenes:
        scene = example(number, split, pool, canvas, seed)
        if split == "alike":
            sentences = [text for four in scene.expressions for text in sorted(dict.fromkeys(four), key=len)[:2]]
        else:
            sentences = [*(scene.keywords if scene.clear else ()), *(four[0] for four in scene.expressions)]
        found.append(Example(scene.title, scene.image, tuple(sentences)))
    return found
