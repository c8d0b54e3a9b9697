"""Questions by kind, colour and place are true of one entity alone; the other forms of a sentence."""

import numpy as np
import pytest

from rimlib.evaluation import questions as module
from rimlib.evaluation.questions import Shown, questions, rewritten

LEFT, MIDDLE, RIGHT = (0, 0, 20, 20), (40, 0, 60, 20), (80, 0, 99, 20)


def texts(shown, form=None, index=None):
    return {
        question.sentence
        for question in questions(shown)
        if form in (None, question.form) and index in (None, question.entity)
    }


def test_a_kind_alone_is_asked_by_where_it_means_one():
    shown = [Shown(("animal", "bird"), LEFT), Shown(("animal",), RIGHT), Shown(("object",), MIDDLE)]
    assert texts(shown, "kind") == {"the bird", "the object"}


def test_a_place_is_among_those_of_the_kind():
    shown = [Shown(("object",), LEFT), Shown(("animal",), MIDDLE), Shown(("animal",), RIGHT)]
    assert "the animal on the left" in texts(shown, "place", 1) and "the animal on the right" in texts(
        shown, "place", 2
    )
    assert "the object on the left" in texts(shown, "place", 0)


def test_one_of_its_kind_has_its_place_among_all():
    shown = [Shown(("object",), LEFT), Shown(("animal",), MIDDLE), Shown(("person",), RIGHT)]
    assert texts(shown, "place", 1) == {"the animal in the middle"}


def test_boxes_that_overlap_have_no_order():
    assert not texts([Shown(("animal",), LEFT), Shown(("animal",), (10, 0, 40, 20))], "place")


@pytest.mark.parametrize("other, expected", [("red", {"the gray object"}), ("dimgray", set()), ("", set())])
def test_a_colour_is_asked_by_where_no_other_could_have_its_name(other, expected):
    shown = [Shown(("object",), LEFT, color="gray"), Shown(("object",), RIGHT, color=other)]
    assert texts(shown, "colour", 0) == expected


def test_a_person_goes_by_the_garment():
    shown = [Shown(("person",), LEFT, color="red", clothes="dress"), Shown(("person",), RIGHT, color="white")]
    assert texts(shown, "colour") == {"the person in the red dress"}


def test_the_nearer_of_two_is_in_front():
    shown = [Shown(("animal",), (0, 0, 50, 50), depth=1), Shown(("animal",), (20, 20, 70, 70), depth=0)]
    assert {(q.relation, q.entity) for q in questions(shown)} == {("front", 0), ("behind", 1)}


def test_every_question_is_true_of_its_entity_alone():
    rng = np.random.default_rng(0)
    for _ in range(40):
        shown = [
            Shown(
                tuple(rng.choice(["animal", "bird", "object"], 1)),
                (x, y, x + 8, y + 8),
                color=str(rng.choice(["red", "white", "black"])),
            )
            for x, y in rng.integers(0, 60, (3, 2)).tolist()
        ]
        found = questions(shown)
        assert len({question.sentence for question in found}) == len(found)  # none is made for two entities


def test_cores_are_apart_where_the_centres_are():
    left, right = np.zeros((50, 100)), np.zeros((50, 100))
    left[10:40, 10:60], right[10:40, 30:80] = 1, 1  # boxes overlap, centres are 20 pixels apart
    one, other = module.core(left), module.core(right)
    assert one[2] <= other[0] and module.core(left[:, ::-1])[0] == pytest.approx(99 - one[2])


def test_other_forms_keep_the_words():
    for form, text in rewritten("the red dog").items():
        assert "red dog" in " ".join(text.lower().split()), form
    assert "no article" not in rewritten("person") and rewritten("an owl")["other article"] == "the owl"
