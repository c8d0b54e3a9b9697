"""One scene of the engine, rendered in memory, for chapters, the demo and tests to talk about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rimlib.errors import RimError
from rimlib.profile import Data
from rimlib.refmatte import plan
from rimlib.refmatte.build import open_pool
from rimlib.refmatte.render import render


@dataclass(frozen=True)
class Example:
    """A scene and what may be said of it.

    `picture`: uint8 (H, W, 3); `mattes`: float32 (H, W) in [0, 1], one an entity; `keywords`: its category; `expressions`: its
    four (basic, absolute, and two relative); `clear`: no two entities share a keyword; `split`: where the cut-outs are from.
    """

    picture: np.ndarray
    mattes: tuple[np.ndarray, ...]
    keywords: tuple[str, ...]
    expressions: tuple[tuple[str, ...], ...]
    clear: bool
    split: str

    @property
    def title(self) -> str:
        """What is in it, in words."""
        return ", ".join(self.keywords) + " (not in the training pictures)" * (self.split == "test")


def example(
    number: int = 0, split: str = "seen", pool=None, canvas: tuple[int, int] = (240, 320), seed: int = 1
) -> Example:
    """Scene `number` of a plan of loose scenes, outside groups.

    split: "seen" (training's cut-outs in new scenes), "test" (cut-outs that training has not) or "train"; pool: a `Pool`, the
    shipped one if None; canvas: (height, width) in pixels; seed: of the plan. Raises RimError for another split or a number below 0.

    >>> example(2).keywords
    ('otter', 'violin')
    """
    if number < 0:
        raise RimError(f"scene {number}: scenes are counted from 0")
    pool = open_pool("starter") if pool is None else pool
    settings = Data(
        height=canvas[0],
        width=canvas[1],
        groups_train=0,
        groups_test=0,
        extra_train=number + 1,
        extra_test=number + 1,
        seed=seed,
    )
    scene = plan.plan(pool, settings, split)[number]
    picture, mattes = render(pool, scene, canvas)
    return Example(
        picture,
        tuple(mattes),
        tuple(pool[name].category for name in scene.entities),
        tuple(tuple(said.text for said in four) for four in scene.sentences),
        scene.keyword_clear,
        split,
    )
