"""Of a matte in several parts the one that the sentence's place means."""

import numpy as np
import pytest

from rimlib.prediction.answer import Reason
from rimlib.prediction.by_place import keep_meant, split
from rimlib.prediction.predictor import MattingPredictor
from rimlib.prediction.result import Result


def matte_of_two() -> np.ndarray:
    alpha = np.zeros((40, 100), np.float32)
    alpha[10:30, 5:25] = alpha[5:35, 60:90] = 1
    alpha[10:30, 25:28] = 0.3  # a soft edge
    alpha[1, 95] = 0.9  # a small piece, of the nearer one
    return alpha


def result_of(sentence: str) -> Result:
    alpha = matte_of_two()
    trimap = np.zeros(alpha.shape, np.uint8)
    return Result(alpha, 0.9, trimap, "ambiguous", "", alpha, None, sentence, Reason.SEVERAL_PARTS)


@pytest.mark.parametrize(
    "sentence, part",
    [("the left dog", 0), ("the dog on the right", 1), ("the bigger dog", 1), ("second dog from the right", 0)],
)
def test_the_part_that_is_meant_is_kept_with_its_edge(sentence, part):
    kept, whole = keep_meant(result_of(sentence)), matte_of_two()
    side = np.arange(100) < 44 if part == 0 else np.arange(100) >= 44
    assert np.array_equal(kept.alpha, whole * side)
    assert kept.answer == "yes" and kept.reason is None and "kept" in kept.message and np.array_equal(kept.raw, whole)


@pytest.mark.parametrize(
    "sentence", ["the dog", "both dogs", "the dog next to the cat", "the dog and the left cat", "of"]
)
def test_without_a_place_the_matte_stays(sentence):
    result = result_of(sentence)
    assert keep_meant(result) is result


def test_where_no_part_fits_all_of_it_stays_and_the_message_tells():
    kept = keep_meant(result_of("the third dog from the left"))
    assert np.array_equal(kept.alpha, matte_of_two()) and "no third" in kept.message


def test_one_part_is_no_choice():
    alpha = matte_of_two()
    alpha[:, 44:] = 0
    result = Result(alpha, 0.9, np.zeros(alpha.shape, np.uint8), "yes", "", alpha, None, "the dog on the right")
    assert keep_meant(result) is result
    assert len(split(alpha)[1]) == 1 and split(0 * alpha)[1] == []


def test_the_predictor_does_so_only_when_it_is_asked_to(shipped):
    alpha = np.zeros((48, 48), np.float32)
    alpha[10:30, 4:16] = alpha[10:30, 28:44] = 1
    image, trimap = np.zeros((48, 48, 3), np.uint8), np.zeros((48, 48), np.uint8)
    for asked in (False, True):
        predictor = MattingPredictor(shipped, device="cpu", refiner=None, threshold=0.0, by_place=asked).another()
        result = predictor._result(image, None, "the left dog", alpha, 0.9, trimap)
        assert (result.alpha[:, 28:] > 0).any() != asked and bool(result.message) == asked
        assert np.array_equal(result.raw, alpha)
