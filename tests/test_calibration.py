"""Scores made probabilities, the reliability rows, and the threshold that keeps a share of the true sentences."""

import numpy as np
import pytest

from rimlib.additions.calibration import Calibration, columns
from rimlib.errors import RimError
from rimlib.evaluation import calibration


def drawn(low, high, offset, count=4000, seed=0):
    """Scores, and for each whether it is true, by a known map."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, count)
    return scores, rng.uniform(size=count) < Calibration(low, high, offset, 0.5)(scores)


@pytest.mark.parametrize("low, high, offset", [(0.5, 0.5, -1.0), (2.0, 2.0, 0.3), (0.3, 1.5, -1.0), (1.0, 0.0, 0.5)])
def test_the_map_that_made_the_answers_is_found_again(low, high, offset):
    found = calibration.fit(*drawn(low, high, offset, count=20000))
    assert [found.low, found.high, found.offset] == pytest.approx([low, high, offset], abs=0.3)


def test_the_fit_is_the_minimum_of_the_cross_entropy():
    scores, right = drawn(0.7, 0.9, 0.4, 200)
    found = calibration.fit(scores, right)
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def loss(numbers):
        p = Calibration(*numbers, 0.5)(scores)
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    at = np.array([found.low, found.high, found.offset])
    for step in 0.01 * np.concatenate([np.eye(3), -np.eye(3)]):
        assert loss(at) < loss(at + step)


def test_two_slopes_fit_where_one_is_too_flat():
    scores = np.concatenate([np.full(300, 1e-3), np.random.default_rng(0).uniform(0.8, 0.99, 700)])
    right = np.random.default_rng(1).uniform(size=1000) < Calibration(0.1, 1.8, -4.5, 0.5)(scores)
    found = calibration.fit(scores, right)
    assert calibration.expected_error(found(scores), right) < 0.04 and found.high > 5 * found.low


def test_groups_that_do_not_overlap_have_a_finite_fit():
    found = calibration.fit([0.0, 0.2, 0.8, 1.0], [False, False, True, True])
    assert np.isfinite([found.low, found.high, found.offset]).all() and found(1.0) > 0.5 > found(0.0)


def test_the_order_of_sentences_stays():
    scores, right = drawn(0.5, 0.5, -1.0)
    found = calibration.fit(scores, right)
    assert (np.argsort(found(scores)) == np.argsort(scores)).all()


@pytest.mark.parametrize("right", [[True, True], [False, False]])
def test_one_sort_of_sentences_is_not_enough(right):
    with pytest.raises(RimError, match="both sorts are needed"):
        calibration.fit([0.1, 0.9], right)


def test_scores_that_point_the_wrong_way_are_refused():
    with pytest.raises(RimError, match="no higher scores"):
        calibration.fit([0.9, 0.8, 0.2, 0.1], [False, False, True, True])


@pytest.mark.parametrize("count", [1, 7, 20, 100])
def test_the_threshold_is_the_largest_that_keeps_the_share(count):
    values = np.random.default_rng(count).uniform(size=count)
    found = calibration.threshold(values, 0.95)
    assert (values >= found).mean() >= 0.95
    larger = np.sort(values)[np.sort(values) > found]
    assert not len(larger) or (values >= larger[0]).mean() < 0.95


def test_the_threshold_belongs_to_the_true_sentences():
    scores, right = drawn(1.5, 1.5, 0.0)
    found = calibration.fit(scores, right, kept=0.9)
    assert (found(scores)[right] >= found.threshold).mean() == pytest.approx(0.9, abs=0.002)


def test_a_calibrated_score_has_a_small_error_and_a_sure_one_a_large_one():
    scores, right = drawn(0.3, 0.3, 0.0)
    assert calibration.expected_error(scores, right) > 0.15
    assert calibration.expected_error(calibration.fit(scores, right)(scores), right) < 0.03


def test_the_error_by_hand_with_groups_of_one():
    p, right = np.array([0.2, 0.6, 1.0]), np.array([False, True, True])
    assert calibration.expected_error(p, right, bins=3) == pytest.approx((0.2 + 0.4 + 0.0) / 3)


def test_equal_probabilities_stay_in_one_group():
    rows = calibration.reliability([0.5] * 9 + [0.7], [True] * 5 + [False] * 4 + [True])
    assert [row["count"] for row in rows] == [9, 1] and rows[0]["right"] == pytest.approx(5 / 9)


def test_groups_hold_all_and_are_about_equal():
    p = np.random.default_rng(1).uniform(size=103)
    counts = [row["count"] for row in calibration.reliability(p, p > 0.5)]
    assert sum(counts) == 103 and len(counts) == 10 and set(counts) <= {10, 11}


def test_logarithms_are_finite_at_the_ends():
    assert np.isfinite(columns([0.0, 1.0])).all()


def test_a_card_gives_back_its_calibration():
    known = Calibration(0.7, 0.9, -0.2, 0.4)
    assert Calibration.of({"calibration": known.to_dict()}) == known and Calibration.of({}) is None


@pytest.mark.parametrize(
    "given",
    [
        {"low": 1},
        {"low": -1, "high": 1, "offset": 0, "threshold": 0.5},
        {"low": 0, "high": 0, "offset": 0, "threshold": 0.5},
        {"low": 1, "high": 1, "offset": 0, "threshold": 2},
        [1, 2],
    ],
)
def test_a_card_that_cannot_be_used_is_refused(given):
    with pytest.raises(RimError) as caught:
        Calibration.of({"calibration": given})
    assert caught.value.setting == "calibration"
