"""Which entities a sentence fits: one, several, or none, and each kind of none."""

import dataclasses
from collections import Counter

import pytest

from rimlib.entities import starter
from rimlib.entities.entity import Entity
from rimlib.profile import load
from rimlib.refmatte import plan
from rimlib.refmatte.claims import Claim, Scene
from rimlib.refmatte.referents import WRONG, can_be_told_apart, referents

LEFT, MIDDLE, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)
OWL = Entity("owl", "animal", "owl", "white")
BIRD = Entity("bird", "animal", "bird", "white")
FOX = Entity("fox", "animal", "fox", "sienna")


@pytest.fixture(scope="module")
def pool():
    return starter.load()


def scene(*entities):
    return Scene(entities, (LEFT, MIDDLE, RIGHT)[: len(entities)], (0,) * len(entities))


def test_nouns_attributes_and_places_all_count():
    three = scene(OWL, BIRD, FOX)
    assert referents(Claim("bird", ()), three) == {0, 1}
    assert referents(Claim("owl", ()), three) == {0}
    assert referents(Claim("animal", (("color", "white"),)), three) == {0, 1}
    assert referents(Claim("animal", (), "left", "on the far left of"), three) == {0}
    assert referents(Claim("bird", (), "left", "to the left of", Claim("fox", ())), three) == {0, 1}
    assert referents(Claim("animal", (), "left", "beside", Claim("fox", ())), three) == {0, 1}
    assert referents(Claim("animal", (), "right", "to the right of", Claim("owl", ())), three) == {1, 2}
    assert referents(Claim("dog", ()), three) == set()


def test_a_bird_beside_an_owl_of_its_colour_is_ambiguous():
    assert not can_be_told_apart([OWL, BIRD]) and not can_be_told_apart([BIRD, OWL])
    assert can_be_told_apart([OWL, FOX]) and can_be_told_apart([OWL, dataclasses.replace(BIRD, color="gray")])


def test_unique_leaves_nothing_ambiguous_and_without_it_something_is(pool):
    counts = {}
    for unique in (True, False):
        settings = load("tiny", data__groups_train=30, data__extra_train=300, data__unique=unique).data
        counts[unique] = Counter(
            len(fits) for planned in plan.scenes(pool, settings, "train") for four in planned.fits for fits in four
        )
    assert set(counts[True]) == {1}
    assert min(counts[False]) == 1 and max(counts[False]) > 1  # each still fits its own entity


def test_sentences_that_fit_nothing(pool):
    settings = load("tiny", data__groups_train=30, data__extra_train=0, data__no_target=2).data
    wrong = Counter()
    for planned in plan.scenes(pool, settings, "train"):
        entities = tuple(pool[name] for name in planned.entities)
        here = Scene(
            entities,
            tuple(place.box for place in planned.placements),
            tuple(place.depth for place in planned.placements),
        )
        for sentence in planned.no_target:
            assert referents(sentence.claim, here) == set(), sentence.text
            wrong[sentence.kind] += 1
    assert set(wrong) == set(WRONG) and min(wrong.values()) > 0.2 * wrong.total()
    assert wrong.total() == 2 * 600


def test_asking_for_them_changes_nothing_else(pool):
    without = load("tiny", data__groups_train=2, data__extra_train=0, data__no_target=0).data
    for one, other in zip(
        plan.scenes(pool, without, "train"), plan.scenes(pool, dataclasses.replace(without, no_target=3), "train")
    ):
        assert (
            dataclasses.replace(other, no_target=(), evaluated=one.evaluated) == one
            and other.evaluated == one.evaluated
        )
