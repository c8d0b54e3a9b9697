"""Scenes of look-alikes, short forms, words for a kind, plurals."""

import re
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from rimlib.entities import starter, synonyms
from rimlib.errors import RimError
from rimlib.matting import relations
from rimlib.profile import load
from rimlib.refmatte import alike, plan
from rimlib.refmatte.claims import Claim, Scene
from rimlib.refmatte.composite import hidden_share
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.referents import bare_nouns, plurals, referents
from rimlib.refmatte.render import render

POOL = starter.load()
OURS = {"data__short_forms": 0.4, "data__wider_words": 0.15, "data__groups_test": 20, "data__extra_test": 60}


@pytest.fixture(scope="module")
def scenes():
    return plan.plan(POOL, load("tiny", **OURS).data, "alike")


def test_every_scene_has_two_that_share_their_words(scenes):
    assert len(scenes) == 260
    for one in scenes:
        entities = [POOL[name] for name in one.entities]
        assert len({(e.category, e.gender, e.age_group) for e in entities}) < len(entities)
    same = sum(len(set(one.entities)) < len(one.entities) for one in scenes)
    assert 0.3 * len(scenes) < same < len(scenes)  # one cut-out twice, and two of one category


def test_every_sentence_singles_out_its_entity(scenes):
    for one in scenes:
        for index, four in enumerate(one.sentences):
            assert [referents(sentence.claim, one.scene(POOL, wide=True)) for sentence in four] == [{index}] * 4
            assert one.fits[index] == ((index,),) * 4
        assert all(not referents(sentence.claim, one.scene(POOL, wide=True)) for sentence in one.no_target)


def test_orders_sizes_and_ordinals_are_all_asked_for(scenes):
    orders = [s.claim for one in scenes for four in one.sentences for s in four if s.kind == "order"]
    asked = {(claim.relation, claim.rank) for claim in orders}
    assert {(name, 1) for name in relations.RELATIONS} | {("left", 2), ("right", 2), ("top", 2)} <= asked
    texts = [s.text for one in scenes for four in one.sentences for s in four]
    for words in (
        r"the left \w+",
        r"\w+ on the right",
        r"second \w+ from the left",
        r"(larger|bigger) \w+",
        r"left of",
    ):
        assert any(re.search(words, text) for text in texts), words


def test_an_order_is_among_those_alike():
    dog, cat = (next(e for e in POOL.entities if e.category == name) for name in ("ferret", "otter"))
    row = ((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 60, 20))
    scene = Scene((cat, dog, dog), row, (0, 0, 0))
    left = Claim("ferret", (), "left", "left {noun}", rank=1)
    assert referents(left, scene) == {1}  # not of the whole image, where the otter is on the left
    assert referents(replace(left, rank=2), scene) == {2} == referents(replace(left, relation="right"), scene)
    assert referents(replace(left, noun="otter"), scene) == {0}  # one alone: among all
    assert referents(replace(left, noun="otter", relation="right"), scene) == set()
    larger = replace(left, relation="larger")
    assert referents(larger, scene) == {2} and referents(replace(larger, noun="otter"), scene) == set()


def test_one_that_is_not_plainly_on_one_side_has_no_order():
    row = [(0, 0, 10, 10), (5, 20, 15, 30), (20, 0, 30, 10)]
    assert not any(relations.comes("left", 1, index, (0, 1, 2), row, (0, 0, 0)) for index in (0, 1))
    assert relations.comes("left", 3, 2, (0, 1, 2), row, (0, 0, 0))
    assert not relations.comes("middle", 1, 1, (0, 1), row, (0, 0, 0))


@pytest.mark.parametrize("split", ["train", "seen", "test"])
def test_a_share_of_none_leaves_the_plan_as_it_was(split):
    few = {"data__groups_train": 4, "data__extra_train": 20, "data__groups_test": 4, "data__extra_test": 20}
    plain = load("tiny", data__lookalikes=0.0, data__short_forms=0.0, data__wider_words=0.0, **few).data
    some = plan.plan(POOL, plain, split)
    assert not any(one.nouns or one.several for one in some)
    assert {s.kind for one in some for four in one.sentences for s in four} == {"basic", "absolute", "relative"}
    if split != "train":  # look-alikes are of the training, and of a split of their own
        assert some == plan.plan(POOL, replace(plain, lookalikes=1.0), split)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_look_alikes_is_the_settings(share):
    settings = load("tiny", data__lookalikes=share, data__groups_train=20, data__extra_train=200).data
    many = plan.plan(POOL, settings, "train")
    twice = sum(len(set(one.entities)) < len(one.entities) for one in many) / len(many)  # one cut-out: only look-alikes
    assert twice == pytest.approx(0.66 * share, abs=0.06)


def test_bare_nouns_and_plurals():
    first, other = (next(e for e in POOL.entities if e.category == name) for name in ("ferret", "otter"))
    scene = Scene((first, other, other), ((0, 0, 9, 9), (10, 0, 19, 9), (20, 0, 29, 9)), (0, 0, 0), wide=True)
    assert "ferret" in bare_nouns(scene, 0) and "animal" not in bare_nouns(scene, 0) and bare_nouns(scene, 1) == ()
    several = plurals(scene)
    assert several["both otters"] == (1, 2) and several["all animals"] == (0, 1, 2) and "ferrets" not in several
    assert several[f"the {synonyms.plural('otter')}"] == (1, 2)


def test_resizing_keeps_a_scene_inside_its_boxes(scenes):
    for seed in range(50):
        places = scenes[seed].placements
        for old, new in zip(places, alike.resize_some(places, Random(seed))):
            assert old.left <= new.left and new.left + new.width <= old.left + old.width
            assert old.top <= new.top and new.top + new.height <= old.top + old.height


def test_a_pool_without_anything_beside_the_two_is_refused():
    one = next(e for e in POOL.entities if e.kind == "thing")
    with pytest.raises(RimError) as error:
        for seed in range(20):
            alike.Companions([one]).choose([one], 3, Random(seed))
    assert error.value.setting == "pool" and one.category in str(error.value)


def test_mirrored_words_of_a_short_form():
    assert relations.mirror("the second dog from the left") == "the second dog from the right"
    assert relations.mirror("leftmost cup") == "rightmost cup"


def test_of_two_look_alikes_one_sees_which_is_in_front(scenes):
    deep = [replace(one, light=None) for one in scenes if one.relation == "front/behind"]
    assert len(deep) > 10
    for one in deep:
        near, far = one.placements
        assert near.depth > far.depth
        turned = replace(one, placements=(near, far._replace(depth=near.depth + 1)))
        hidden, whole = (render(POOL, scene, (240, 320))[1][1].sum() for scene in (one, turned))
        assert alike.HIDDEN[0] - 0.02 < 1 - hidden / whole < alike.HIDDEN[1] + 0.02


def test_the_hidden_share_by_hand():
    square = np.ones((4, 4), np.float32)
    two = [Placement(0, 0, 4, 4, depth=0), Placement(2, 0, 4, 2, depth=1)]
    assert hidden_share([square, square], two, [False, True]) == pytest.approx(4 / 16)
