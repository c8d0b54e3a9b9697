"""Yes, nothing, or ambiguous; and a score that the checkpoint's calibration makes a probability."""

import numpy as np
import pytest

from rimlib.additions.calibration import Calibration
from rimlib.clipmat.collaboration import THRESHOLD
from rimlib.errors import RimError
from rimlib.prediction import answer as module
from rimlib.prediction.answer import COMPARABLE, answer, means_several, parts
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example


def discs(*radii):
    """Discs in a row, each as soft at its edge as a matte."""
    y, x = np.mgrid[:60, : 60 * len(radii)]
    far = [np.hypot(x - 60 * number - 30, y - 30) - radius for number, radius in enumerate(radii)]
    return np.clip(0.5 - np.min(far, axis=0) / 3, 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    "radii, expected", [((20,), 1), ((20, 20), 2), ((20, 6), 1), ((6, 20, 18), 2), ((20, 19, 21), 3)]
)
def test_parts_of_comparable_size_are_counted(radii, expected):
    assert parts(discs(*radii)) == expected


def test_a_part_counts_from_the_share_on():
    alpha = np.zeros((10, 100), np.float32)
    alpha[:, :50] = 1
    alpha[0:3, 60:] = 1
    assert 120 < COMPARABLE * 500 and parts(alpha) == 1
    alpha[3:4, 60:] = 0.51
    assert parts(alpha) == 2


def test_what_is_half_there_joins_nothing():
    alpha = discs(20, 20)
    assert parts(np.maximum(alpha, 0.5)) == 2 and parts(np.maximum(alpha, 0.51)) == 1


@pytest.mark.parametrize(
    "text", ["Both dogs", "people", "the two cups", "zebras", "the dogs left of the lamp", "some women"]
)
def test_what_means_several(text):
    assert means_several(text) and answer(discs(20, 20), text) == "yes"


@pytest.mark.parametrize(
    "text", ["the dog", "the dog by the trees", "the left cup", "a bus", "the person", "", "the", "the left"]
)
def test_what_means_one(text):
    assert not means_several(text) and answer(discs(20, 20), text) == "ambiguous" and answer(discs(20), text) == "yes"


@pytest.fixture(scope="module")
def scene():
    return example(2)


@pytest.fixture
def calibrated(shipped, monkeypatch):
    """A predictor of the shipped model with a calibration in its card."""
    known = Calibration(low=0.5, high=0.5, offset=-0.3, threshold=0.4)
    monkeypatch.setattr(shipped, "card", {**shipped.card, "calibration": known.to_dict()})
    return known, MattingPredictor(shipped, device="cpu", refiner=None)


def test_a_score_is_the_probability_of_the_card(shipped, scene, calibrated):
    known, predictor = calibrated
    shipped.card.pop("calibration")
    plain = MattingPredictor(shipped, device="cpu", refiner=None, threshold=0)
    for one in (plain, predictor):
        one.set_image(scene.image)
    for sentence in ("the violin", "the otter", "the umbrella"):
        before, after = plain.predict(sentence), predictor.predict(sentence)
        assert after.score == pytest.approx(float(known(before.score)), abs=1e-5)
        assert after.found == (after.score >= 0.4)
    assert (plain.calibration, predictor.threshold) == (None, 0.4)


def test_a_threshold_that_is_given_comes_first(shipped, calibrated):
    assert MattingPredictor(shipped, device="cpu", refiner=None, threshold=0.9).threshold == 0.9
    shipped.card.pop("calibration")
    assert MattingPredictor(shipped, device="cpu", refiner=None).threshold == THRESHOLD


@pytest.mark.parametrize("count, expected", [(1, "yes"), (2, "ambiguous")])
def test_several_parts_are_ambiguous_where_the_score_is_calibrated(
    shipped, scene, calibrated, monkeypatch, count, expected
):
    monkeypatch.setattr(module, "parts", lambda alpha: count)  # of whatever is found
    _, predictor = calibrated
    predictor.threshold = 0
    predictor.set_image(scene.image)
    assert predictor.predict("the violin").answer == expected
    predictor.threshold = 1
    assert predictor.predict("the violin").answer == "nothing"
    shipped.card.pop("calibration")
    plain = MattingPredictor(shipped, device="cpu", refiner=None)
    plain.set_image(scene.image)
    assert plain.predict("the violin").answer == "yes"


def test_a_broken_calibration_is_refused(shipped, monkeypatch):
    monkeypatch.setattr(shipped, "card", {"calibration": {"scale": "wide"}})
    with pytest.raises(RimError) as caught:
        MattingPredictor(shipped, device="cpu", refiner=None)
    assert caught.value.setting == "calibration"
