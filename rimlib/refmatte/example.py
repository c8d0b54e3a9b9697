"""One scene of the engine, rendered in memory, for chapters, the demo and tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.profile import Data
from rimlib.refmatte.build import open_pool
from rimlib.refmatte.plan import plan
from rimlib.refmatte.render import render


@dataclass(frozen=True)
class Example:
    """A scene and its sentences."""

    image: np.ndarray  # uint8 (H, W, 3)
    mattes: tuple[np.ndarray, ...]  # float32 (H, W) in [0, 1], one for each entity
    keywords: tuple[str, ...]  # the category of each entity
    expressions: tuple[tuple[str, ...], ...]  # four of each: basic, absolute, and two relative
    clear: bool  # no two entities share a keyword
    split: str  # where the cut-outs are from

    @property
    def title(self) -> str:
        """The entities in words."""
        return ", ".join(self.keywords) + " (not in the training images)" * (self.split == "test")


def example(
    number: int = 0, split: str = "seen", pool: Pool | None = None, canvas: tuple[int, int] = (240, 320), seed: int = 1
) -> Example:
    """Scene `number` of a plan of loose scenes, outside groups.

    `split` is `seen` (training's cut-outs in new scenes), `alike` (the same, of look-alikes; half of the sentences are
    short forms), `test` (cut-outs that training has not) or `train`; `pool` the shipped one if None; `canvas` (height,
    width) in pixels. Raises RimError for an unknown split, or a number below 0.

    >>> example(2).keywords
    ('otter', 'violin')
    """
    if number < 0:
        raise RimError(f"scene {number}: scenes are counted from 0", setting="number")
    pool = open_pool("starter") if pool is None else pool
    many, (height, width) = number + 1, canvas
    settings = Data(
        height=height,
        width=width,
        groups_train=0,
        groups_test=0,
        extra_train=many,
        extra_test=many,
        short_forms=0.5 if split == "alike" else 0.0,
        seed=seed,
    )
    scene = plan(pool, settings, split)[number]
    image, mattes = render(pool, scene, canvas)
    return Example(
        image,
        tuple(mattes),
        tuple(pool[name].category for name in scene.entities),
        tuple(tuple(sentence.text for sentence in four) for four in scene.sentences),
        scene.keyword_clear,
        split,
    )
