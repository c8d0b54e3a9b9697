"""Counting: by hand on a small data set, the same from a plan and from disk, and on the released one's bare labels."""

import json

import pytest

from rimlib.entities import starter
from rimlib.profile import load
from rimlib.refmatte import format, plan, statistics
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target


def target(mask, keyword, texts, **extra):
    return Target(mask, "a", keyword, tuple(texts), ("basic", "absolute", "relative", "relative")[: len(texts)], extra)


def test_counts_by_hand():
    fox = target(
        "a_1",
        "fox",
        ["the sienna fox", "the fox on the far left of the photo", "the fox next to the salient owl"],
        fits=[[1], [1], [1, 2]],
        relation="left/right",
    )
    owl = target("a_2", "owl", ["the white and salient owl", "the owl in the middle of the photo"], fits=[[2], [2]])
    counted = statistics.tally([[fox, owl], [fox, target("b_2", "fox", ["the fox"], fits=[[1, 2]])]])
    assert counted.row("expression") == {
        "images": 2,
        "mattes": 4,
        "texts": 9,
        "categories": 2,
        "attributes": 3,
        "relations": 2,
        "length": 5.89,
    }
    assert counted.row("keyword") == {
        "images": 1,
        "mattes": 2,
        "texts": 2,
        "categories": 2,
        "attributes": None,
        "relations": None,
        "length": 1.0,
    }
    assert counted.ambiguity() == {"basic": 1 / 4, "absolute": 0.0, "relative": 1.0}
    assert counted.attributes == {"salient": 3, "sienna": 2, "white": 1}
    assert counted.relations == {"on the far left of": 2, "next to": 2, "in the middle of": 1}


def test_words_of_an_attribute_inside_other_words_are_not_counted():
    counted = statistics.tally(
        [
            [
                target(
                    "a_1",
                    "human",
                    ["the non-salient young lady in the darkslateblue shirt who is young"],
                    attributes={"clothes": "shirt"},
                )
            ]
        ]
    )
    assert counted.attributes == {"non-salient": 1, "darkslateblue": 1, "young": 1, "shirt": 1}


def test_a_plan_and_its_labels_on_disk_count_the_same(tmp_path):
    pool, settings = starter.load(), load("tiny", data__groups_train=1, data__extra_train=5, data__no_target=1).data
    scenes = plan.plan(pool, settings, "train")
    format.write_labels(tmp_path, "train", scenes, pool)
    planned = statistics.tally(format.targets_of(scene, [pool[name] for name in scene.entities]) for scene in scenes)
    read = RefMatte(tmp_path, "train")
    assert read.statistics.to_dict() == planned.to_dict() == RefMatte(tmp_path, "train", "keyword").statistics.to_dict()
    assert {name: [row["sentence"] for row in rows] for name, rows in read.no_target.items()} == {
        scene.name: [sentence.text for sentence in scene.no_target] for scene in scenes
    }
    assert planned.ambiguity() == {"basic": 0, "absolute": 0, "relative": 0}


def test_released_labels_hold_nothing_on_ambiguity(tmp_path):
    format.label_path(tmp_path, "train").write_text(
        json.dumps({"rim_train_0_1": {"image_name": "rim_train_0", "expressions": ["the cat"]}})
    )
    refmatte = RefMatte(tmp_path, "train")
    counted = refmatte.statistics
    assert counted.ambiguity()["basic"] is None and counted.row("expression")["length"] == 2
    assert counted.row("keyword")["images"] == refmatte.keywords_read == 1, "the keyword is read from the sentence"


def test_table_5_adds_up_but_for_the_training_texts():
    rows = {(row["data"], row["setting"], row["split"]): row for row in statistics.TABLE_5}
    assert rows["RefMatte", "expression", "test"]["texts"] == 4 * rows["RefMatte", "expression", "test"]["mattes"]
    train = rows["RefMatte", "expression", "train"]
    assert 4 * train["mattes"] - train["texts"] == 400  # the paper's own slip: the abstract's total needs 450,024
    assert 4 * train["mattes"] + rows["RefMatte", "expression", "test"]["texts"] == pytest.approx(474_996)
