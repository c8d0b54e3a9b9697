"""Keywords, kinds and the scored sentence where a release has none of them."""

import json
from collections import Counter

import pytest

from rimlib import profile
from rimlib.entities import starter
from rimlib.errors import RimError
from rimlib.refmatte import format, keywords, plan
from rimlib.refmatte.dataset import RefMatte

FOUR = (
    "the salient and gray {wide}",
    "the {noun} at the rightmost edge of the photo",
    "the gray {noun} to the left of the cup which is red",
    "the {noun} which is gray on the left side of the cup",
)


def write(root, rows, name="refmatte_train_label.json"):
    (root / name).write_text(json.dumps(rows))
    return root


def row(image, noun, wide=None, **more):
    return {"image_name": image, "expressions": [text.format(noun=noun, wide=wide or noun) for text in FOUR], **more}


@pytest.mark.parametrize(
    "texts, keyword",
    [
        # The paper's own examples: Figures 3 and 7, Supp. Table 3.
        (["the lightpink and salient flower"], "flower"),
        (["the person in the linen lace"], "human"),
        (["the plastic bag which is lightgray and transparent"], "plastic bag"),
        (["the fire which is wheat at the most right side of the picture"], "fire"),
        (["the gray and salient vase at the most right side of the picture"], "vase"),
        (["the rosybrown and salient brute", "the dog on the left"], "dog"),
        (["the female mankind with the lightgray lace"], "human"),
        (["A Young Lady, wearing the blue dress."], "human"),
        (["the orange"], "orange"),
        (["the silver/lightgray astrolabe"], "astrolabe"),
        (["the salient animal"], ""),
        (["the salient animal", "the creature on the left of the photo", "the animal which is gray"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_a_keyword_is_read_from_sentences(texts, keyword):
    assert keywords.of_sentences(texts) == keyword


def test_most_keywords_of_the_engines_own_sentences_are_read_rightly():
    settings = profile.load("tiny", data__groups_train=10, data__extra_train=60, data__unique=False).data
    pool, found = starter.load(), Counter()
    for scene in plan.scenes(pool, settings, "train"):
        for four, name in zip(scene.sentences, scene.entities):
            read = keywords.of_sentences([sentence.text for sentence in four])
            found["none" if not read else "right" if read == pool[name].category else "wrong"] += 1
    assert found.total() > 500 and found["right"] / found.total() > 0.97, found
    assert found["wrong"] / found.total() < 0.005, "rather none than a wrong one"


def test_labels_go_before_sentences(tmp_path):
    write(
        tmp_path,
        {
            "a_1": row("a", "dog", keyword="puppy"),
            "a_2": row("a", "cat", entity_label="Big_Cat"),
            "b_1": row("b", "owl"),
        },
    )
    refmatte = RefMatte(tmp_path, "train")
    assert [target.keyword for target in refmatte.targets] == ["puppy", "big cat", "owl"]
    assert [target.keyword_read for target in refmatte.targets] == [False, False, True] and refmatte.keywords_read == 1


def test_the_keyword_setting_takes_the_images_whose_read_keywords_are_clear(tmp_path):
    rows = {"a_1": row("a", "dog"), "a_2": row("a", "cat"), "b_1": row("b", "dog"), "b_2": row("b", "dog", "animal")}
    rows |= {"c_1": row("c", "dog"), "c_2": row("c", "animal")}
    refmatte = RefMatte(write(tmp_path, rows), "train", "keyword")
    assert refmatte.image_names == ["a"], "two dogs are not clear, nor is an animal that may be another"
    assert refmatte.scored_by == "keyword" and [refmatte.sentence(target) for target in refmatte.targets] == [
        "dog",
        "cat",
    ]


@pytest.mark.parametrize(
    "nouns, why", [(("dog", "dog"), "means one entity alone"), (("animal", "creature"), "is known")]
)
def test_a_keyword_run_without_clear_keywords_is_refused(tmp_path, nouns, why):
    write(tmp_path, {f"a_{number + 1}": row("a", noun) for number, noun in enumerate(nouns)})
    with pytest.raises(RimError, match=why) as caught:
        RefMatte(tmp_path, "train", "keyword")
    message = str(caught.value)
    assert "refmatte_train_label.json" in message and "expression" in message and "\n" not in message


def test_nothing_is_read_from_what_people_wrote(tmp_path):
    (tmp_path / "image").mkdir()
    rows = {"a_1": row("a", "dog"), "a_2": row("a", "cat", keyword="cat")}
    write(tmp_path, rows, "refmatte_rw100_label.json")
    assert [target.keyword for target in RefMatte(tmp_path, "rw100").targets] == ["", "cat"]


@pytest.mark.parametrize(
    "name, given, count, kinds",
    [
        ("refmatte_train_label.json", None, 4, ["basic", "absolute", "relative-short", "relative-long"]),
        ("refmatte_rw100_label.json", None, 4, ["basic", "absolute", "relative", "free"]),
        ("refmatte_rw100_label.json", None, 5, ["basic", "absolute", "relative", "free", "free"]),
        ("refmatte_train_label.json", None, 5, ["basic", "absolute", "relative-short", "relative-long", "other"]),
        ("refmatte_train_label.json", None, 1, ["basic"]),
        # Ours, whose labels name them; the two relative ones are the short and the long form.
        ("refmatte_train_label.json", ["basic", "absolute", "relative", "relative"], 4, [*format.KINDS]),
        ("refmatte_train_label.json", ["free", "relative"], 2, ["free", "relative"]),
        ("refmatte_rw100_label.json", ["absolute", "basic"], 2, ["absolute", "basic"]),
    ],
)
def test_each_sentence_has_a_kind(tmp_path, name, given, count, kinds):
    (tmp_path / "image").mkdir()
    texts = [f"the cup number {number}" for number in range(count)]
    write(tmp_path, {"a_1": {"image_name": "a", "expressions": texts, "kinds": given}}, name)
    split = name.split("_")[1]
    assert list(RefMatte(tmp_path, split).targets[0].kinds) == kinds


@pytest.mark.parametrize("kinds", [["basic"], ["basic", 3], "basic"])
def test_kinds_that_do_not_fit_are_refused(tmp_path, kinds):
    write(tmp_path, {"a_1": {"image_name": "a", "expressions": ["the cup", "my cup"], "kinds": kinds}})
    with pytest.raises(RimError, match="'a_1' has the kinds .* for 2 expressions"):
        RefMatte(tmp_path, "train")


def test_without_an_index_the_four_kinds_are_drawn_evenly_and_for_everybody_alike(tmp_path):
    rows = {
        f"rim_test_{number:08x}_{place}": row(f"rim_test_{number:08x}", "dog")
        for number in range(400)
        for place in (1, 2)
    }
    refmatte = RefMatte(write(tmp_path, rows), "train")
    counted = Counter(target.kinds[target.scored] for target in refmatte.targets)
    assert set(counted) == set(format.KINDS) and max(counted.values()) < 1.2 * min(counted.values()), counted
    assert refmatte.scored_by == "hash of the mask id"
    first = refmatte.targets[:6]
    assert [target.scored for target in first] == [3, 0, 3, 1, 1, 2], "the draw of this version and of no other"
    assert first[0].evaluated == first[0].expressions[3]


def test_an_index_goes_before_the_draw(tmp_path):
    rows = {f"a{number}_1": row(f"a{number}", "dog") for number in range(20)}
    write(tmp_path, rows)
    (tmp_path / "eval_index_expression.json").write_text(json.dumps({f"a{number}": 3 for number in range(20)}))
    refmatte = RefMatte(tmp_path, "train")
    assert refmatte.scored_by == "index" and {target.scored for target in refmatte.targets} == {3}
    (tmp_path / "eval_index_expression.json").write_text(json.dumps({"a0": 3}))
    assert RefMatte(tmp_path, "train").scored_by == "index and hash of the mask id"
