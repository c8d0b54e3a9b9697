"""What can be made of a result: cropped, without others, its edge moved; and of one cropped the same colours."""

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.matting.adjust import FARTHEST
from rimlib.prediction.answer import Reason
from rimlib.prediction.excluded import Excluded
from rimlib.prediction.result import Result

Y, X = np.mgrid[:90, :120]


def disc(x, y, radius, sentence="the dog", opacity=None):
    alpha = np.clip(radius - np.hypot(Y - y, X - x) + 0.5, 0, 1).astype(np.float32)
    image = (alpha[..., None] * (220, 40, 30) + (1 - alpha[..., None]) * (20, 60, 200)).astype(np.uint8)
    trimap = np.uint8(255) * (alpha > 0.5)
    return Result(alpha, 0.9, trimap, "yes", "", alpha, image, sentence, None, opacity)


def test_a_crop_is_the_part_around_the_object():
    result = disc(50, 40, 20)
    cropped = result.crop(5)
    assert cropped.alpha.shape == (51, 51) and cropped.image.shape == (51, 51, 3) and cropped.trimap.shape == (51, 51)
    assert np.array_equal(cropped.alpha, result.alpha[15:66, 25:76]) and cropped.score == result.score
    assert result.crop("50%").alpha.shape == (81, 81), "half of 41 pixels to each side"
    assert disc(5, 5, 20).crop(5).alpha.shape == (31, 31), "as far as the image reaches"


def test_the_colours_of_a_crop_are_those_of_the_whole():
    result = disc(50, 40, 20)
    whole, cropped = result.cutout(), result.crop().cutout()
    assert np.array_equal(cropped[0], whole[0][20:61, 30:71]) and np.array_equal(cropped[1], whole[1][20:61, 30:71])
    background = np.zeros((41, 41, 3), np.uint8)
    background[:, 20:] = 255
    corners = np.ix_([0, -1], [0, -1])
    assert (result.crop().over(background)[corners] == background[corners]).all(), "a background fits the crop"


def test_nothing_found_is_not_cropped():
    empty = Result(np.zeros((9, 12), np.float32), 0.1, np.zeros((9, 12), np.uint8), "nothing")
    assert empty.crop("5%").alpha.shape == (9, 12)


def test_other_results_are_taken_out():
    dog, leash, absent = disc(50, 40, 20), disc(65, 40, 8, "the leash"), disc(40, 40, 9, "the cat")
    absent = Result(**{**vars(absent), "answer": "nothing"})
    rest = dog.without(leash, absent)
    assert rest.found and np.array_equal(rest.alpha, np.maximum(dog.alpha - leash.alpha, 0))
    assert dog.without() is dog and dog.without(absent) is dog


def test_where_nothing_remains_the_result_is_empty_and_clear():
    dog = disc(50, 40, 20)
    rest = dog.without(disc(50, 40, 21, "the animal"))
    assert not rest.found and rest.answer == "nothing" and not rest.alpha.any()
    assert rest.reason == Reason.NOTHING_LEFT
    assert rest.message == "nothing of “the dog” remains without “the animal”"
    halves = [disc(50 - 20, 40, 30, "the head"), disc(50 + 20, 40, 30, "the tail")]
    assert dog.without(*halves).message.endswith("without “the head” and “the tail”"), "their union covers it"
    assert rest.without(dog) is rest, "of nothing, nothing is taken"


def test_an_adjusted_matte_is_at_most_as_opaque_as_the_image():
    opacity = np.where(X < 60, 1, 0.25).astype(np.float32)
    result = disc(50, 40, 8, opacity=opacity)
    grown = result.adjust(grow=12, feather=3)
    assert grown.alpha[40, 58] > 0.9 and grown.alpha[40, 62] == 0.25 and result.alpha[40, 60] == 0
    assert (disc(50, 40, 8).adjust().alpha == result.alpha).all()


@pytest.mark.parametrize("options", [{"grow": -6}, {"feather": 400}, {"grow": -5, "feather": 90}])
def test_what_an_edge_takes_away_wholly_is_not_found(options):
    small = disc(50, 40, 4)
    rest = small.adjust(**options)
    assert not rest.found and rest.answer == "nothing" and not rest.alpha.any() and small.found
    assert rest.message.startswith("nothing of “the dog” remains when its edge is moved")
    assert rest.adjust(grow=3).message == rest.message, "of nothing, nothing is grown"
    assert np.array_equal(rest.raw, small.alpha)


def test_what_is_ambiguous_by_its_parts_is_so_no_longer_when_one_remains():
    one, other = disc(30, 40, 15), disc(90, 40, 15, "the left")
    both = Result(
        **{**vars(one), "alpha": one.alpha + other.alpha, "answer": "ambiguous", "reason": Reason.SEVERAL_PARTS}
    )
    assert both.without(other).answer == "yes" and both.without(other).reason is None
    assert both.without(disc(90, 40, 3)).answer == "ambiguous"
    assert both.adjust(grow=2).answer == "ambiguous"
    reasoned = Result(**{**vars(both), "reason": Reason.EQUAL})
    assert reasoned.without(other).answer == "ambiguous" and reasoned.without(other).reason == Reason.EQUAL


@pytest.mark.parametrize(
    "options, name",
    [({"grow": FARTHEST + 1}, "grow"), ({"feather": -1}, "feather"), ({"feather": float("nan")}, "feather")],
)
def test_what_cannot_be_adjusted_is_refused(options, name):
    with pytest.raises(RimError, match=name) as caught:
        disc(50, 40, 20).adjust(**options)
    assert caught.value.setting == name


def test_excluded_is_the_union_of_what_was_found():
    class Predictor:
        def predict_many(self, sentences):
            yield disc(65, 40, 8, "the leash")
            yield Result(
                np.zeros((90, 120), np.float32), 0.1, np.zeros((90, 120), np.uint8), "nothing", sentence="the cat"
            )
            yield disc(35, 40, 8, "the collar")

    excluded = Excluded.of(Predictor(), ["the leash", "the cat", "the collar"])
    assert excluded.found == ("the leash", "the collar") and excluded.missed == ("the cat",)
    assert np.array_equal(excluded.alpha, disc(65, 40, 8).alpha + disc(35, 40, 8).alpha)
    dog = disc(50, 40, 20)
    both = dog.without(disc(65, 40, 8), disc(35, 40, 8))
    assert np.array_equal(excluded.taken_out_of(dog).alpha, both.alpha)
