"""Engines with the understanding of sentences: which instances are kept, what is matted, and what is told about it."""

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.prediction import region
from rimlib.prediction.answer import Reason
from rimlib.prediction.engines import Engine, Found
from rimlib.prediction.prompts import CutSentence
from rimlib.prediction.reasoned import WORKING, ReasonedPredictor
from rimlib.understanding import parse
from rimlib.understanding.reading import WHOLE

SIZE = (60, 100)
IMAGE = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
LEFT, RIGHT, SMALL = (10, 20, 30, 40), (60, 20, 80, 40), (85, 10, 93, 18)


class Scene(Engine):
    """An engine that knows an image: boxes and scores of each noun. It counts what it does."""

    name, threshold = "scene", 0.3

    def __init__(self, **things):
        super().__init__()
        self.things, self.encoded, self.asked, self.masks = things, 0, [], []

    def is_cut(self, phrase):
        return len(phrase) > 50

    def _encode(self, image):
        self.encoded += 1
        return image.shape

    def _look(self, image, features, phrase):
        self.asked.append(phrase)
        scale = image.shape[1] / SIZE[1]

        def mask_of(box):
            def mask():
                self.masks.append(box)
                inside = np.zeros(image.shape[:2], bool)
                left, top, right, bottom = (round(scale * edge) for edge in box)
                inside[top:bottom, left:right] = True
                return inside

            return mask

        found = self.things.get(phrase.split()[-1], [])
        return [self._found_at(tuple(scale * edge for edge in box), score, mask_of(box)) for box, score in found]


def plain(image, trimap):
    """A matting network that finds a half wherever it is not certain."""
    return np.where(trimap == 128, np.float32(0.5), trimap / np.float32(255)).astype(np.float32)


def predictor(image=IMAGE, matter=plain, threshold=None, **things):
    made = ReasonedPredictor(Scene(**things), matter, threshold=threshold)
    made.set_image(image)
    return made


def inside(alpha, box):
    left, top, right, bottom = box
    return bool((alpha[top + 3 : bottom - 3, left + 3 : right - 3] == 1).all())


DOGS = {"dog": [(LEFT, 0.6), (RIGHT, 0.9)]}


@pytest.mark.parametrize(
    "sentence, kept", [("the left dog", [LEFT]), ("The dog on the right.", [RIGHT]), ("both dogs", [LEFT, RIGHT])]
)
def test_geometry_decides_and_what_is_kept_alone_is_looked_at(sentence, kept):
    made = predictor(**DOGS)
    result = made.predict(sentence)
    assert result.found and result.alpha.shape == SIZE and result.alpha.dtype == np.float32
    assert [box for box in (LEFT, RIGHT) if inside(result.alpha, box)] == kept
    assert sorted(made.engine.masks) == sorted(kept) and made.engine.asked == ["dog"]
    assert result.score == pytest.approx(min(score for box, score in DOGS["dog"] if box in kept))
    assert "2 × dog" in result.message and result.answer == "yes"
    assert set(np.unique(result.trimap)) == {0, 128, 255} and (result.image == IMAGE).all()


def test_what_fits_two_gives_the_best_with_both_scores():
    result = predictor(**DOGS).predict("the dog")
    assert result.reason == Reason.EQUAL
    assert result.answer == "ambiguous" and inside(result.alpha, RIGHT) and not inside(result.alpha, LEFT)
    assert "0.90" in result.message and "0.60" in result.message and result.score == pytest.approx(0.9)


@pytest.mark.parametrize("sentence", ["the cat", "the third dog from the left", "the left cat, not the dog"])
def test_what_fits_none_is_empty_with_the_reason(sentence):
    made = predictor(**DOGS)
    result = made.predict(sentence)
    assert not result.found and result.answer == "nothing" and not result.alpha.any() and result.message
    assert made.engine.masks == [] and result.reason == Reason.NO_FIT


def test_the_engine_has_the_noun_of_each_phrase():
    made = predictor(shirt=[(LEFT, 0.6)])
    made.predict("the man in the red shirt next to the wine glass")
    assert made.engine._nouns == {"man in red shirt": "man", "wine glass": "wine glass"}


def test_two_nouns_are_one_union():
    made = predictor(dog=[(LEFT, 0.6)], cat=[(RIGHT, 0.8)])
    result = made.predict("the dog and the cat")
    assert inside(result.alpha, LEFT) and inside(result.alpha, RIGHT) and result.score == pytest.approx(0.6)


@pytest.mark.parametrize("sentence", ["is that the dog", "the left or the right dog"])
def test_what_cannot_be_parsed_is_asked_whole(sentence):
    assert not parse(sentence).understood
    made = predictor(**DOGS)
    result = made.predict(f"{sentence.capitalize()}?")
    assert made.engine.asked == [sentence] and WHOLE in result.message
    assert inside(result.alpha, RIGHT) and not inside(result.alpha, LEFT) and result.score == pytest.approx(0.9)
    assert not predictor().predict(sentence).found


@pytest.mark.parametrize("threshold, found", [(None, False), (0.2, True), (0.0, True), (0.25, True), (0.26, False)])
def test_thresholds(threshold, found):
    result = predictor(dog=[(LEFT, 0.25), (RIGHT, 0.1)], threshold=threshold).predict("the dog")
    assert result.found is found and result.score == pytest.approx(0.25)
    assert inside(result.alpha, LEFT) is found and not inside(result.alpha, RIGHT)
    with pytest.raises(RimError, match="threshold is 7"):
        predictor(threshold=7)


@pytest.mark.parametrize(
    "sentence, cat",
    [("the dog, not the cat", LEFT), ("the dog without a cat", (12, 22, 24, 36)), ("the dog right of the cat", RIGHT)],
)
def test_threshold_zero_lowers_the_bar_for_what_is_wanted_alone(sentence, cat):
    weak = {"dog": [(LEFT, 0.1)], "cat": [(cat, 0.2)]}
    assert inside(predictor(threshold=0, **weak).predict(sentence).alpha, LEFT)
    joined = predictor(threshold=0, dog=[(LEFT, 0.2)], cat=[(RIGHT, 0.05)]).predict("the dog and the cat")
    assert inside(joined.alpha, LEFT) and inside(joined.alpha, RIGHT)


def test_image_once_and_each_phrase_once():
    made = predictor(**DOGS)
    results = list(made.predict_many(made.encode_text(["the left dog", "the right dog", "a cat"])))
    assert [result.found for result in results] == [True, True, False]
    assert made.engine.encoded == 1 and made.engine.asked == ["dog", "cat"]
    other = made.another()
    with pytest.raises(RimError, match="set_image first"):
        other.predict("a dog")
    other.set_image(IMAGE)
    assert other.predict("the left dog").found and made.engine.encoded == 1 and other.engine.encoded == 2
    with pytest.raises(RimError, match="no such file"):
        made.set_image("nowhere.png")
    assert made.predict("the left dog").found


def test_a_long_phrase_is_cut_with_a_warning():
    made = predictor()
    with pytest.warns(CutSentence, match="longer than scene reads"):
        result = made.predict("word " * 2000)
    assert not result.found and len(result.message) < 250


def test_a_transparent_image_bounds_the_matte():
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:, :20] = 51
    result = predictor(np.dstack([IMAGE, alpha]), **DOGS).predict("the left dog")
    assert result.alpha[30, 15] == pytest.approx(0.2) and result.alpha[30, 25] == 1


def test_a_mask_that_is_empty_is_nothing():
    made = predictor()
    made.engine._look = lambda *_: [Found((1, 1, 9, 9), 0.9, lambda: np.zeros(SIZE, bool))]
    result = made.predict("the dog")
    assert not result.found and "mask is empty" in result.message


def test_instances_are_found_in_a_smaller_image_and_matted_at_its_own_size(monkeypatch):
    monkeypatch.setattr("rimlib.prediction.reasoned.WORKING", 50)
    seen = []
    made = predictor(**DOGS)
    made.engine.set_image = lambda image: seen.append(image.shape) or Engine.set_image(made.engine, image)
    made.set_image(IMAGE)
    assert seen == [(30, 50, 3)] and WORKING > 50
    assert inside(made.predict("the left dog").alpha, LEFT)


# The region


def test_the_matting_network_sees_what_was_found_with_a_margin():
    seen = []
    mask = np.zeros(SIZE, bool)
    mask[20:40, 60:80] = True
    alpha, trimap = region.matte(lambda image, given: seen.append((image, given)) or plain(image, given), IMAGE, mask)
    ((image, given),) = seen
    assert image.shape == (26, 26, 3) and (image == IMAGE[17:43, 57:83]).all()
    assert (trimap[17:43, 57:83] == given).all() and (given[0] == 0).all() and (given == 255).any()
    assert (alpha[17:43, 57:83] == plain(image, given)).all() and alpha.sum() == plain(image, given).sum()
    assert not region.matte(plain, IMAGE, np.zeros(SIZE, bool))[0].any()


@pytest.mark.parametrize("refine", [True, False])
def test_what_is_larger_is_matted_small_and_refined_by_tiles(monkeypatch, refine):
    monkeypatch.setattr(region, "LARGEST", 128)
    y, x = np.mgrid[:600, :800]
    disc = np.hypot(y - 300, x - 400) < 200
    image = np.where(disc[..., None], np.uint8(200), np.uint8(30)).repeat(3, axis=2)
    seen = []

    def by_colour(image, trimap):
        seen.append(trimap.shape)
        return np.where(trimap == 128, (image[..., 0] > 115).astype(np.float32), trimap / np.float32(255))

    mask = np.hypot(*np.mgrid[-75:75, -100:100]) < 52  # a quarter of the size, and a little too large
    alpha, trimap = region.matte(by_colour, image, mask, refine)
    assert max(seen[0]) == 128 and (len(seen) > 1) is refine and max(map(max, seen)) <= 512
    wrong = np.abs(alpha - disc)
    assert (wrong[np.abs(np.hypot(y - 300, x - 400) - 200) > 8] < 0.02).all() and trimap.shape == disc.shape
    assert bool(wrong.mean() < 0.0005) is refine  # by tiles the edge is the image's own
