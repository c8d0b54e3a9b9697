"""The audit of words: what decides a sentence, sentences with changed words, models on both, the paper's Table 9."""

import dataclasses
import json
import re
from random import Random

import numpy as np
import pytest
from small import SMALL

from rimlib import cli
from rimlib import profile as profiles
from rimlib.entities import starter
from rimlib.entities.entity import Entity
from rimlib.experiments import frame, needed, paper_table9, words
from rimlib.experiments.changes import evenly, measure, variants
from rimlib.experiments.needed import LEVELS, decided_by
from rimlib.experiments.wording import blanked, shuffled, swapped
from rimlib.matting.relations import RELATIONS
from rimlib.refmatte import plan
from rimlib.refmatte.build import build
from rimlib.refmatte.claims import Claim, Scene
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target


def thing(name, category, color):
    return Entity(name, "animal" if category == "fox" else "thing", category, color)


# From left to right: two foxes of one colour, a third of another, and a mug.
ROW = Scene(
    (thing("a", "fox", "brown"), thing("b", "mug", "blue"), thing("c", "fox", "brown"), thing("d", "fox", "white")),
    ((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (60, 0, 70, 10)),
    (0, 0, 0, 0),
)
BROWN = (("color", "brown"),)


@pytest.mark.parametrize(
    "claim, level",
    [
        (Claim("mug", (("color", "blue"),)), "noun"),
        (Claim("mug", (), "left", "beside", Claim("fox", ())), "noun"),
        (Claim("fox", (("color", "white"),), "right", "on the far right of"), "attributes"),
        (Claim("fox", BROWN, "left", "on the far left of"), "place"),
        (Claim("fox", BROWN, "right", "to the right of", Claim("mug", ())), "relation"),
        (Claim("fox", BROWN, "right", "beside", Claim("mug", ())), "several"),
        (Claim("fox", BROWN), "several"),
    ],
)
def test_what_decides_a_claim(claim, level):
    assert decided_by(claim, ROW) == level


def test_a_plan_is_counted_as_its_claims_are(monkeypatch):
    pool = starter.load()
    counted = needed.audit(pool, SMALL, "train")
    scenes = plan.plan(pool, SMALL, "train")
    assert counted["scenes"] == len(scenes) == 7
    levels = [level for scene in scenes for some in needed.levels_of(scene, pool, SMALL) for level in some]
    assert counted["all"]["sentences"] == len(levels) == sum(row["sentences"] for row in counted["by_kind"].values())
    assert set(counted["by_kind"]) == {"basic", "absolute", "relative"}
    for level in LEVELS:
        assert counted["all"][level] == pytest.approx(levels.count(level) / len(levels), abs=1e-6)
    assert counted["all"]["several"] == 0, "this profile draws again what fits several"
    assert needed.audit(pool, SMALL, "train", scenes=3)["scenes"] == 6, "a whole group and two more"


def test_sentences_without_a_check_may_fit_several():
    loose = dataclasses.replace(SMALL, unique=False, groups_train=3, images_per_group_train=20)
    pool = starter.load()
    counted = needed.audit(pool, loose, "train")
    ambiguous = [len(fits) > 1 for scene in plan.plan(pool, loose, "train") for some in scene.fits for fits in some]
    assert 0 < counted["all"]["several"] == pytest.approx(np.mean(ambiguous), abs=1e-6)


def test_words_are_changed_in_every_sentence_of_a_plan():
    """By their claims, which the changes do not know."""
    changed = 0
    for scene in plan.scenes(starter.load(), SMALL, "train"):
        for sentence in (sentence for some in scene.sentences for sentence in some):
            text, claim = sentence.text, sentence.claim
            if not claim.relation:
                continue
            place = "" if claim.other else r" the (?:image|photo|picture)"
            bare = re.sub(rf"^(.*)\b{re.escape(claim.phrase)}\b{place}", r"\1", text)
            assert blanked(text) == " ".join(bare.split())
            relation = RELATIONS[claim.relation]
            if not relation.opposite or (claim.other and claim.phrase in relation.vague):
                assert swapped(text) == text
            else:
                opposite = RELATIONS[relation.opposite]
                phrases = opposite.relative if claim.other else opposite.absolute
                assert any(f" {phrase} " in swapped(text) for phrase in phrases), swapped(text)
                changed += 1
    assert changed > 20


OURS = dataclasses.replace(SMALL, lookalikes=0.5, short_forms=0.5, wider_words=0.2, groups_test=4)
SIDES = r"\b(left|right|top|bottom|front|back|middle|center|above|below|behind|over|second|third|\w+most|\w+er dog)\b"


def test_words_are_changed_in_the_forms_that_people_type():
    """Of look-alikes, orders and sizes included: no word for a side is left, and each side has its opposite."""
    changed = 0
    for scene in plan.scenes(starter.load(), OURS, "alike"):
        for sentence in (sentence for some in scene.sentences for sentence in some):
            text, claim = sentence.text, sentence.claim
            assert not re.search(SIDES, blanked(text).replace("tank top", "")), text
            if not claim.relation:
                assert blanked(text) == swapped(text) == text
            elif claim.rank and RELATIONS[claim.relation].opposite:
                assert swapped(text) != text and sorted(blanked(swapped(text)).split()) == sorted(blanked(text).split())
                changed += 1
    assert changed > 20


def test_look_alikes_need_a_place_an_order_or_a_relation():
    pool = starter.load()
    alike, plain = (needed.audit(pool, OURS, split)["all"] for split in ("alike", "seen"))
    by_place = [row["place"] + row["order"] + row["relation"] for row in (alike, plain)]
    assert by_place[0] > 0.5 and alike["several"] == 0
    assert by_place[1] < 0.3, "short forms alone leave most sentences to their nouns"
    claim = Claim("fox", (), "left", "second {noun} from the left", rank=2)
    assert decided_by(claim, ROW) == "order"


@pytest.mark.parametrize(
    "text, without, other",
    [
        ("the left dog", "the dog", "the right dog"),
        ("leftmost cup", "cup", "rightmost cup"),
        ("the dog on the right side", "the dog", "the dog on the left side"),
        ("second brown dog from the left", "brown dog", "second brown dog from the right"),
        ("the dog left of the lamp", "the dog the lamp", "the dog right of the lamp"),
        ("the upper bird", "the bird", "the lower bird"),
        ("bird at the top", "bird", "bird at the bottom"),
        ("the cup in the foreground", "the cup", "the cup in the background"),
        ("the bigger dog", "the dog", "the smaller dog"),
        ("the middle dog", "the dog", "the middle dog"),
        ("the man in the tank top", "the man in the tank top", "the man in the tank top"),
        ("the little girl above", "the little girl", "the little girl below"),
        ("dog behind cat", "dog cat", "dog in front of cat"),
    ],
)
def test_words_that_people_type(text, without, other):
    assert blanked(text) == without and swapped(text) == other


def test_shuffled_words_are_the_same_words_in_another_order():
    text = "the red fox to the left of the blue mug"
    found = {shuffled(text, Random(seed)) for seed in range(20)}
    assert len(found) > 10 and text not in found and all(sorted(one.split()) == sorted(text.split()) for one in found)
    assert shuffled("fox", Random(1)) == "fox" and shuffled("fox fox", Random(1)) == "fox fox"


def test_a_change_that_changes_nothing_is_left_out():
    target = Target("a_1", "a", "", ("the fox", "the fox on the left", "the fox beside the mug"))
    found = [set(variants(target, number, "a {keyword}", 1)) for number in range(3)]
    assert found == [
        {"as it is", "shuffled"},
        {"as it is", "shuffled", "blanked", "swapped"},
        {"as it is", "shuffled", "blanked"},
    ]
    assert evenly(list("abcdef"), 3) == ["a", "c", "e"] and evenly(["a"], 3) == ["a"]


class Oracle:
    """Gives the entity that `choose` picks of a sentence: "disc", "box", or neither. The fixture's images are known."""

    image_size = 96
    training = False

    def __init__(self, refmatte, choose):
        self.refmatte, self.choose = refmatte, choose

    def predict(self, images, index, sentences):
        names = {self.refmatte.image(name).tobytes(): name for name in self.refmatte.image_names}
        alphas = []
        for position, sentence in zip(index, sentences):
            targets = self.refmatte.targets_of(names[images[position].tobytes()])
            mattes = {target.keyword: self.refmatte.matte(target.mask_id) for target in targets}
            sides = {"left" if "left" in "".join(target.expressions) else "right": target.keyword for target in targets}
            mattes["none"] = np.zeros_like(mattes["disc"])
            alphas.append(mattes[self.choose(sentence, sides)])
        return alphas, np.ones(len(alphas))


def first_noun(sentence, sides):
    return re.search(r"disc|box", sentence)[0]


@pytest.fixture(scope="module")
def test_split(scenes):
    return RefMatte(scenes, "test")


def test_a_model_that_goes_by_the_noun_does_not_change_with_the_sides(test_split):
    found = measure(Oracle(test_split, first_noun), test_split, "a photo of a {keyword}")
    changes = found["changes"]
    assert found["images"] == 4 and found["entities"] == 8 and found["by_need"] == {}
    assert changes["as it is"]["sentences"] == 32 and changes["as it is"]["localised"] == 1.0
    assert changes["swapped"]["localised"] == 1.0 and changes["swapped"]["other"] == 0.0
    assert changes["blanked"]["sentences"] == changes["swapped"]["sentences"] == 24
    assert changes["noun"]["localised"] == 1.0 and changes["shuffled"]["localised"] < 1.0
    assert changes["largest"]["localised"] == changes["largest"]["chance"] == 0.5
    assert set(changes["swapped"]["by_kind"]) == {"absolute", "relative"}


def test_a_model_that_reads_the_side_gives_the_other_one_when_it_is_swapped(test_split):
    def by_side(sentence, sides):
        side = re.search(r"\b(left|right)", sentence)
        if side is None:
            return "none"
        return sorted(sides.items())[0 if side[1] == "left" else 1][1]

    fixed = Oracle(test_split, by_side)
    changes = measure(fixed, test_split, "{keyword}")["changes"]
    kept, turned = changes["swapped"]["as_it_is"], changes["swapped"]
    assert turned["other"] == pytest.approx(kept) and turned["localised"] == pytest.approx(1 - kept)
    assert changes["blanked"]["localised"] == changes["noun"]["localised"] == 0.0


def test_the_command_measures_and_shows_the_same_rows(scenes, tmp_path, capsys):
    given = ["experiment", "words", "--out", str(tmp_path), "--json"]
    run = [*given, "--data", str(scenes), "--images", "2", "--scenes", "5"]
    assert cli.main(run) == 0
    first = json.loads(capsys.readouterr().out)
    names = {"paper-b16-plan", "tiny-plan", "tiny-shipped-test"}
    assert {path.stem for path in tmp_path.iterdir()} == {f"experiment-words-{name}" for name in names}
    assert cli.main(run) == 0 and "kept: it has a record" in capsys.readouterr().err
    assert cli.main([*given, "--show"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == first and out.count("\n") == 1
    assert {row["change"] for row in first["models"]} == {
        "as it is",
        "blanked",
        "swapped",
        "shuffled",
        "noun",
        "largest",
    }
    for row in first["sentences"]:
        assert sum(row[level] for level in LEVELS) == pytest.approx(1, abs=1e-5)
    assert cli.main([*given[:-1], "--show"]) == 0 and "table 9:" in capsys.readouterr().out
    assert cli.main([*run, "--images", "1"]) == 2 and "images is 2 there and 1 here" in capsys.readouterr().err


def test_what_decides_a_sentence_is_known_where_the_profile_made_the_data(tmp_path):
    root = build(SMALL, tmp_path / "data", splits=("seen",), progress=False)
    profile, pool = profiles.load("tiny"), starter.load()
    assert words._levels(profile, pool, RefMatte(root, "seen")) == {}, "of other settings"
    found = words._levels(dataclasses.replace(profile, data=SMALL), pool, RefMatte(root, "seen"))
    assert len(found) == 3 and all(level in LEVELS for some in found.values() for four in some for level in four)


def test_table_9_is_the_papers():
    assert paper_table9.findings() == {
        "basic_to_absolute": -0.21,
        "basic_to_short": 33.22,
        "basic_to_long": 12.91,
        "short_to_long": 20.31,
        "real_basic_to_absolute": 66.10,
        "real_basic_to_relative": 67.03,
        "real_absolute_to_relative": 0.93,
    }
    kinds = [row["sad"] for row in paper_table9.rows() if row["data"] == "RefMatte test"]
    assert np.mean(kinds) == pytest.approx(47.72), "beside Table 2's 47.97"


def test_the_recorded_rows_are_whole():
    found = frame.load("words", frame.folder_of_records())
    assert {(record["profile"], record["row"]) for record in found} >= {
        ("paper-b16", "plan"),
        ("tiny", "plan"),
        ("tiny", "shipped-seen"),
    }
    for record in found:
        assert record["git"]["commit"] and record["versions"]["torch"] and record["seconds"]["all"] > 0
        assert not re.search(r"/(work|tmp|home|root)/", json.dumps(record)), "a path of the machine that it was made on"
    plans = {record["profile"]: record["metrics"]["splits"] for record in found if record["row"] == "plan"}
    assert plans["paper-b16"]["train"]["scenes"] == 45000 and plans["paper-b16"]["test"]["scenes"] == 2500
