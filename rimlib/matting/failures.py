"""How a matte fails: another instance, a part alone, several merged, or next to nothing.

Paper: S4.4, Figure 3, which shows two kinds of failure: (a) *incorrect foreground instance* and (b) *incomplete
foreground details*. They are here `WRONG` and `PART`; `MERGED` and `MISSED` are the two that the figure has not.
The paper gives no rule, so this one is ours. It takes two shares, of soft mattes as of binary masks:

    covered   of the target's alpha, what is in the matte:     sum min(p, t) / sum t
    pure      of the matte's alpha, what is on the target:     sum min(p, t) / sum p

Nearly a matte of the target is one that has both. One that has the first alone holds more than the target, one that
has the second alone is a part of it, one that has neither is of something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rimlib.matting.metrics import Matte, Truth, pair

RIGHT, PART, MERGED, WRONG, MISSED = KINDS = ("right", "part", "merged", "wrong instance", "missed")
HALF = 0.5  # share from which on an entity is covered, a matte is pure, and an IoU is enough
NEXT_TO_NOTHING = 0.1  # of the target's alpha: a matte with less has missed it


class Overlap(NamedTuple):
    """How a matte lies on an entity; all are 0 where there is nothing to share.

    covered, pure: see the module. iou: sum min(p, t) / sum max(p, t), which is `metrics.iou` for binary masks.
    """

    covered: float
    pure: float
    iou: float


class Failure(NamedTuple):
    """What kind of answer a matte is.

    Attributes:
        kind: of `KINDS`.
        target: how it lies on the target.
        gives: of a wrong instance, the number of the other entity that holds most of the matte, if that is at least
            half of it; else None: the background, or what is in no truth.
    """

    kind: str
    target: Overlap
    gives: int | None = None


def overlap(pred: np.ndarray, true: Matte) -> Overlap:
    """How a matte lies on an entity.

    Args:
        pred: the matte, float (H, W) in [0, 1], or bool.
        true: the entity's, of the same shape.

    Raises:
        RimError: as `metrics.sad`.

    >>> overlap(np.array([[1.0, 1.0, 0.5, 0.0]]), np.array([[0.0, 1.0, 1.0, 1.0]]))
    Overlap(covered=0.5, pure=0.6, iou=0.375)
    """
    matte, truth = pair(pred, true)
    common = float(np.minimum(matte, truth.alpha).sum(dtype=np.float64))
    total, whole = float(matte.sum(dtype=np.float64)), truth.total
    return Overlap(*(_share(common, of) for of in (whole, total, whole + total - common)))


def failure(pred: np.ndarray, true: Matte, others: Sequence[Matte] = ()) -> Failure:
    """The kind of a matte.

    In this order, the first that holds:

    1. `missed`: its alpha is less than a tenth of the target's, and it covers no other entity by half.
    2. `wrong instance`: less than half of the target is covered, and less than half of the matte is on it.
    3. `merged`: half of the target is covered, and half of another entity too.
    4. `right`: the IoU is above one half.
    5. `part` or `merged`: by which share is the smaller one, `covered` or `pure`.

    So what is `right` is never of two entities, and a matte of the target and much background is `merged` too. Where
    the other entities are not known, a matte of one of them is `wrong instance` or `merged` all the same, by what
    it lacks of the target; then only a small entity that is merged with a large target goes unnoticed.

    Args:
        pred: as in `overlap`.
        true: the target's, as in `overlap`.
        others: those of the other entities of the image that are known, of the same shape.

    Raises:
        RimError: as `metrics.sad`.

    >>> left, right = np.eye(4)[:1], np.eye(4)[1:2]
    >>> [failure(matte, left, [right]).kind for matte in (left, right, left + right, 0 * left)]
    ['right', 'wrong instance', 'merged', 'missed']
    """
    truth = true if isinstance(true, Truth) else Truth(true)
    target, rest = overlap(pred, truth), [overlap(pred, other) for other in others]
    beside = any(other.covered >= HALF for other in rest)
    if not beside and float(np.sum(pred, dtype=np.float64)) < NEXT_TO_NOTHING * truth.total:
        return Failure(MISSED, target)
    if target.covered < HALF and target.pure < HALF:
        most = int(np.argmax([other.pure for other in rest])) if rest else 0
        return Failure(WRONG, target, most if rest and rest[most].pure >= HALF else None)
    if target.covered >= HALF and beside:
        return Failure(MERGED, target)
    if target.iou > HALF:
        return Failure(RIGHT, target)
    return Failure(PART if target.covered < target.pure else MERGED, target)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
