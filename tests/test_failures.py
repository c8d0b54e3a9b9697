"""The kinds of failure, on mattes of a few pixels that can be counted by hand."""

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.matting import failures
from rimlib.matting.failures import failure, overlap
from rimlib.matting.metrics import Truth

NOTHING = np.zeros((4, 4), np.float32)


def of(*cells, alpha=1.0):
    matte = NOTHING.copy()
    for row, column in cells:
        matte[row, column] = alpha
    return matte


LEFT = of(*((row, column) for row in range(4) for column in (0, 1)))  # eight pixels
TOP = of((0, 3), (1, 3))  # two pixels
BOTTOM = of((2, 3), (3, 3))  # two pixels
ROW = of((0, 0), (0, 1))  # a quarter of LEFT


@pytest.mark.parametrize(
    "matte, kind, gives",
    [
        (LEFT, "right", None),
        (LEFT * 0.6, "right", None),
        (LEFT - ROW, "right", None),
        (LEFT + of((0, 2), (1, 2), (2, 2)), "right", None),  # background beside it: 8 of 11
        (ROW, "part", None),
        (LEFT * 0.4, "part", None),
        (ROW + TOP[::-1] * 0.5, "part", None),
        (LEFT + TOP, "merged", None),  # 8 of 10: IoU 0.8, and yet of two
        (LEFT + TOP + BOTTOM, "merged", None),
        (TOP, "wrong instance", 0),
        (BOTTOM, "wrong instance", 1),
        (TOP + BOTTOM, "wrong instance", 0),  # as much of the one as of the other
        (of((0, 2), (1, 2), (2, 2)), "wrong instance", None),  # of nothing that is known
        (TOP + of((0, 2), (1, 2), (2, 2)), "wrong instance", None),
        (NOTHING, "missed", None),
        (LEFT * 0.09, "missed", None),
        (of((0, 2), alpha=0.7), "missed", None),
    ],
)
def test_a_matte_of_the_left_half_among_two_small_things(matte, kind, gives):
    found = failure(matte, LEFT, [TOP, BOTTOM])
    assert (found.kind, found.gives) == (kind, gives)
    assert found.target == overlap(matte, LEFT)


def test_of_a_small_target():
    assert failure(np.ones((4, 4)), TOP).kind == "merged", "the whole image holds it, and everything else"
    assert failure(LEFT, TOP, [LEFT]).kind == "wrong instance"
    assert failure(LEFT + TOP, TOP, [LEFT]).kind == "merged"
    assert failure(TOP, LEFT, [TOP]).kind == "wrong instance", "not missed, though it has a quarter of the alpha"
    wide = np.ones((4, 40), np.float32)
    small = np.pad(of((0, 3)), ((0, 0), (0, 36)))
    assert failure(small, wide - small, [small]).kind == "wrong instance", "a small entity is one too"
    assert failure(small, wide - small).kind == "missed", "where it is not known there is next to nothing"


def test_a_half_is_enough_to_be_covered_and_not_enough_to_be_right():
    four = of((0, 0), (0, 1), (0, 2), (0, 3))
    assert failure(four * 0.5, four).kind == "part" and failure(four * 0.51, four).kind == "right"
    both = four + of((1, 0), (1, 1), (1, 2), (1, 3))
    assert failure(both, four).kind == "merged"
    half = of((1, 0), (1, 1))
    assert failure(four + half, four).kind == "right" and failure(four + half, four, [half]).kind == "merged"
    assert failure(four + of((1, 0)), four, [half]).kind == "merged", "half of the other is covered"
    assert failure(four + of((1, 0), alpha=0.9), four, [half]).kind == "right"


def test_overlaps_of_soft_mattes_and_of_nothing():
    rng = np.random.default_rng(0)
    matte, true = rng.random((2, 6, 5))
    found = overlap(matte, true)
    common = sum(min(p, t) for p, t in zip(matte.flat, true.flat))
    assert found.covered == pytest.approx(common / true.sum()) and found.pure == pytest.approx(common / matte.sum())
    assert found.iou == pytest.approx(common / sum(max(p, t) for p, t in zip(matte.flat, true.flat)))
    assert overlap(true, true) == pytest.approx((1, 1, 1)), "a soft matte lies on itself"
    assert overlap(NOTHING, LEFT) == overlap(LEFT, NOTHING) == (0, 0, 0)
    assert overlap(LEFT > 0.5, LEFT) == (1, 1, 1)


def test_every_matte_has_one_kind_and_right_has_more_than_half():
    rng = np.random.default_rng(1)
    kinds = set()
    for _ in range(500):
        matte = np.abs(rng.choice([0, 1]) * LEFT - (rng.random((4, 4)) < rng.random() ** 2)) * rng.choice([1, 0.3])
        found = failure(matte, LEFT, [TOP, BOTTOM])
        kinds.add(found.kind)
        assert (found.kind == "right") <= (found.target.iou > 0.5)
        assert found.kind == "merged" or found.target.iou <= 0.5 or found.kind == "right"
    assert kinds == set(failures.KINDS)


def test_what_cannot_be_compared_is_refused_and_truths_may_be_kept():
    with pytest.raises(RimError, match="one shape"):
        failure(LEFT, LEFT[:2])
    with pytest.raises(RimError, match="one shape"):
        failure(LEFT, LEFT, [TOP[:2]])
    with pytest.raises(RimError, match=r"floats in \[0, 1\]"):
        failure(LEFT * 2, LEFT)
    assert failure(TOP, Truth(LEFT), [Truth(TOP)]) == failure(TOP, LEFT, [TOP])
