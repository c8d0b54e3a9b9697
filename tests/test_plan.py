"""The plan: the paper's proportions and counts, groups, and scenes that depend on nothing but their seed."""

import dataclasses
from collections import Counter
from itertools import islice

import pytest

from rimlib.entities import drawn, starter
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.profile import Data, load
from rimlib.refmatte import format, paper_pool, plan, statistics
from rimlib.refmatte.jobs import RenderPlan

SMALL = load(
    "tiny",
    data__groups_train=2,
    data__images_per_group_train=4,
    data__extra_train=3,
    data__groups_test=1,
    data__extra_test=1,
).data


@pytest.fixture(scope="module")
def pool():
    return starter.load()


def changed(settings: Data, **values) -> Data:
    return dataclasses.replace(settings, **values)


def test_groups_hold_five_people_one_animal_one_thing_used_evenly(pool):
    groups = list(plan.balanced_groups(pool.of(split="train"), 60))
    assert all(Counter(entity.kind for entity in group) == plan.GROUP for group in groups)
    for kind in plan.GROUP:
        used = Counter(entity.name for group in groups for entity in group if entity.kind == kind)
        left_out = len(pool.of(kind, "train")) - len(used)
        assert max(used.values()) - (0 if left_out else min(used.values())) <= 1
    assert list(plan.balanced_groups(pool.of(split="train"), 20)) == groups[:20]


def test_relations_and_counts(pool):
    settings = load("tiny", data__groups_train=40, data__extra_train=200).data
    scenes = plan.plan(pool, settings, "train")
    assert len(scenes) == plan.count(settings, "train") == 40 * 20 + 200 == len({scene.name for scene in scenes})
    shares = Counter(scene.relation for scene in scenes)
    for relation, share in (("left/right", 0.7), ("top/bottom", 0.2), ("front/behind", 0.1)):
        assert abs(shares[relation] / len(scenes) - share) < 0.05
    assert all(len(scene.entities) == 2 for scene in scenes if scene.relation == "front/behind")
    threes = Counter(len(scene.entities) for scene in scenes if scene.relation != "front/behind")
    assert set(threes) == {2, 3} and abs(threes[3] / threes.total() - settings.three_share) < 0.06
    assert all(len(set(scene.entities)) == len(scene.entities) for scene in scenes)


def test_a_groups_scenes_stay_inside_the_group_and_mixed_ones_have_one_of_each_kind(pool):
    settings = changed(SMALL, mixed_shares=(1.0, 1.0), images_per_group_train=20, extra_train=0)
    for group, members in enumerate(plan.balanced_groups(pool.of(split="train"), 2)):
        names = {entity.name for entity in members}
        for scene in islice(plan.scenes(pool, settings, "train"), group * 20, group * 20 + 20):
            assert set(scene.entities) <= names
            assert len({pool[name].kind for name in scene.entities}) == len(scene.entities)


def test_splits_do_not_share_entities_or_backgrounds(pool):
    for split, (entities, backgrounds) in plan.SPLITS.items():
        for scene in plan.scenes(pool, SMALL, split):
            assert all(pool[name].split == entities for name in scene.entities)
            assert scene.background in {item.name for item in pool.backgrounds_of(backgrounds)}


def test_a_longer_plan_begins_with_the_shorter_one(pool):
    few = plan.plan(pool, SMALL, "train")
    more = plan.plan(pool, changed(SMALL, extra_train=6), "train")
    assert more[: len(few)] == few
    longer = plan.plan(pool, changed(SMALL, groups_train=3), "train")
    assert longer[:8] == few[:8]
    assert plan.plan(pool, changed(SMALL, seed=2), "train") != few


def test_entities_keep_to_their_own_pixels_and_to_a_plausible_order_of_sizes(pool):
    canvas = changed(load("tiny", data__groups_train=15, data__extra_train=0).data, height=1080, width=1620)
    for scene in plan.scenes(pool, canvas, "train"):
        for name, place in zip(scene.entities, scene.placements):
            assert max(place.height, place.width) <= canvas.enlarge * max(pool.size(name)) + 1
            assert (
                0 <= place.left
                and place.left + place.width <= 1620
                and 0 <= place.top
                and place.top + place.height <= 1080
            )
    mouse, elephant = (
        next(entity for entity in pool.entities if entity.category == category) for category in ("mouse", "elephant")
    )
    from random import Random

    from rimlib.entities.synonyms import metres
    from rimlib.refmatte import layout

    for seed in range(30):
        small, large = layout.place(
            [pool.size(mouse.name), pool.size(elephant.name)],
            ("left", "right"),
            (480, 640),
            Random(seed),
            [metres(mouse), metres(elephant)],
        )
        assert max(small.width, small.height) < max(large.width, large.height)


def test_the_papers_counts_to_the_last_image():
    pool, settings = paper_pool.pool(), paper_pool.settings()
    for split, images, entities in (("train", 45000, 11799), ("test", 2500, 1388)):
        assert plan.count(settings, split) == images
        assert len(pool.of(split=split)) == entities == sum(paper_pool.ENTITIES[split].values())
        assert len(pool.categories(split)) == paper_pool.CATEGORIES[split]
    assert (
        settings.groups_train * settings.images_per_group_train,
        settings.groups_test * settings.images_per_group_test,
    ) == (42200, 2110)
    duplicated = Counter(
        entity.kind for group in plan.balanced_groups(pool.of(split="train"), 2110) for entity in group
    )
    assert duplicated == {"person": 10550, "animal": 2110, "thing": 2110}


def test_the_papers_test_split_has_its_images_mattes_and_keywords():
    pool, settings = paper_pool.pool(), paper_pool.settings()
    counted = statistics.tally(
        format.targets_of(scene, [pool[name] for name in scene.entities])
        for scene in plan.scenes(pool, settings, "test")
    )
    ours, theirs = counted.row("expression"), statistics.TABLE_5[3]
    assert ours["images"] == theirs["images"] == 2500 and ours["texts"] == 4 * ours["mattes"]
    assert ours["mattes"] == pytest.approx(theirs["mattes"], rel=0.02) and ours["length"] == pytest.approx(
        theirs["length"], rel=0.06
    )
    assert counted.row("keyword")["images"] == pytest.approx(statistics.TABLE_5[1]["images"], rel=0.06)
    with pytest.raises(RimError, match="without pixels"):
        pool.cutout(pool.entities[0].name)


def test_the_drawn_pool_makes_scenes_too_but_no_groups():
    pool = drawn.load(size=64)
    assert len(plan.plan(pool, changed(SMALL, groups_test=0, extra_test=2), "seen")) == 2
    with pytest.raises(RimError, match="no person"):
        plan.plan(pool, SMALL, "train")


def test_an_unknown_split_is_refused(pool):
    with pytest.raises(RimError, match="'val'.*train, seen, test") as caught:
        plan.plan(pool, SMALL, "val")
    assert caught.value.setting == "split"


def test_a_change_of_the_engine_raises_its_version(tmp_path):
    """A finished data set is recognised by pool, settings and `plan.version`, so another plan needs another version."""
    person = dict(kind="person", category="human", gender="female", age_group="adult", clothes="shirt")
    entities = [Entity(f"p{number}", color=color, **person) for number, color in enumerate(("red", "blue", "white"))]
    entities += [Entity("fox", "animal", "fox", "sienna"), Entity("owl", "animal", "owl", "gray")]
    entities += [Entity("mug", "thing", "mug", "navy"), Entity("bottle", "thing", "bottle", "green", transparent=True)]
    sizes = {entity.name: (60 + 10 * number, 80 - 5 * number) for number, entity in enumerate(entities)}
    backgrounds = [Background("hill"), Background("forest", shows=("tree",))]
    pool = Pool(entities, backgrounds, None, None, sizes)
    settings = changed(SMALL, groups_train=3, images_per_group_train=20, extra_train=10, no_target=1)
    made = RenderPlan(tmp_path, "train", settings, pool).write(progress=False)
    known = {"scenes": 70, "plan": "89cee708e4bfa21998a80913625b001ac79113783f79425a4632f8c8ffd3012d"}
    assert (plan.version(settings), made) == (1, known), "the engine draws another plan: raise plan.version"


def test_a_change_of_the_look_alikes_raises_its_version_too(tmp_path):
    pool, alike = starter.load(), changed(SMALL, lookalikes=1.0, groups_train=0, extra_train=30)
    few = [entity.name for entity in pool.of(split="train") if entity.category in ("ball", "lamp", "otter", "violin")]
    few_backgrounds = [item.name for item in pool.backgrounds_of("train")[:3]]
    made = RenderPlan(tmp_path, "train", alike, pool.only(few, few_backgrounds)).write(progress=False)
    known = {"scenes": 30, "plan": "8aa2b8aed0ac41c65e63e4dfafc99b760180d67692c5f16e0690cc785c19d94a"}
    assert (plan.version(alike), made) == (2, known), "the engine draws another plan: raise plan.version"
