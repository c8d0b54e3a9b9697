"""What an engine found, and what was chosen of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rimlib.matting.relations import Box


@dataclass(frozen=True)
class Instance:
    """One instance of a noun phrase, as an engine found it.

    Attributes:
        box: left, top, right, bottom in pixels.
        score: the engine's, larger is surer.
        alpha: float32 (H, W) in [0, 1] of the whole image; front and behind are told by who owns an overlap then.
        depth: larger is nearer to the viewer, of a depth model where there is one.
    """

    box: Box
    score: float
    alpha: np.ndarray | None = None
    depth: float | None = None


@dataclass(frozen=True)
class Choice:
    """Which instances are meant.

    Attributes:
        chosen: indices into the target's instances, best first; empty where none fits; several mean their union.
        ambiguous: two fit equally and one is asked for: `chosen` has the better one, `also` the others.
        also: see `ambiguous`.
        message: what was done or why nothing fits, such as "2 × dog found; kept the one farther left".
        left_out: the instances that what the question excludes has removed.
    """

    chosen: tuple[int, ...]
    ambiguous: bool = False
    also: tuple[int, ...] = ()
    message: str = ""
    left_out: tuple[int, ...] = ()
