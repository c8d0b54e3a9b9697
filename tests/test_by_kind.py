"""Entities asked for by kind and place, and the kinds of failure that an evaluation names."""

import json
import shutil

import numpy as np
import pytest

from rimlib import cli
from rimlib.baselines.baseline import Method
from rimlib.entities import rwmini
from rimlib.errors import RimError
from rimlib.evaluation.by_kind import ByKind
from rimlib.evaluation.evaluate import evaluate
from rimlib.refmatte.dataset import RefMatte


@pytest.fixture(scope="module")
def drawn(make_scenes, tmp_path_factory):
    return make_scenes(tmp_path_factory.mktemp("drawn"), 4, split="test", seed=3)


class Known(Method):
    """Answers from the truth: for each sentence what a function makes of the mattes of its image."""

    name = "known"

    def __init__(self, refmatte, answer):
        super().__init__()
        self.refmatte, self.answer = refmatte, answer
        self.names = iter(refmatte.image_names)

    def predict_image(self, image, sentences):
        targets = self.refmatte.targets_of(next(self.names))
        mattes = [self.refmatte.matte(target.mask_id) for target in targets]
        return [self.answer(sentence, mattes) for sentence in sentences], [1.0] * len(sentences)


def centre(matte):
    rows, columns = np.nonzero(matte > 0.5)
    return rows.mean(), columns.mean()


def fits(sentence, mattes):
    """The matte that a question about two things means."""
    axis = int(sentence.endswith(("left", "right")))
    first, last = sorted(mattes, key=lambda matte: centre(matte)[axis])
    return first if sentence.endswith(("left", "top")) else last


def test_the_questions_of_scenes_of_two_things_are_their_sides(drawn):
    asked = ByKind(drawn, "test")
    assert len(asked.image_names) == 4 and [one.image_name for one in asked.targets[::2]] == asked.image_names
    for target in asked.targets:
        sides = {text.rpartition(" ")[2] for text in target.expressions}
        assert len(sides & {"left", "right"}) == 1 and sides <= {"left", "right", "top", "bottom"}
        assert all(text.startswith("the object ") for text in target.expressions) and set(target.kinds) == {"place"}
    number = sum(len(target.expressions) for target in asked.targets)
    found = evaluate(Known(asked, fits), asked, every=True, failures=True, edges=False)["metrics"]
    assert found["localised"] == 1 and found["entities"] == number and found["chance"] == 0.5
    assert found["failures"]["right"] == {"count": number, "share": 1.0, "interval": [1.0, 1.0]}


def test_every_question_of_rw_mini_is_true_of_one_entity_and_all_mattes_stay_known():
    asked, real = ByKind(rwmini.FOLDER, "rw100"), RefMatte(rwmini.FOLDER, "rw100")
    assert set(asked.image_names) <= set(real.image_names) and len(asked.targets) > 30
    for name in asked.image_names:
        texts = [text for target in asked.targets_of(name) for text in target.expressions]
        assert texts and len(set(texts)) == len(texts)
        assert [one.mask_id for one in asked.targets_of(name)] == [one.mask_id for one in real.targets_of(name)]
    by_id = {target.mask_id: target.expressions for target in asked.targets}
    assert "the animal" in by_id["butterfly_1"] and "the animal on the right" in by_id["camels_2"]
    assert not any("camel" in text for text in by_id["camels_2"]), "words that no training had are in no question"


@pytest.mark.parametrize(
    "answer, kind, another",
    [
        (lambda sentence, mattes: sum(mattes) - fits(sentence, mattes), "wrong instance", True),
        (lambda sentence, mattes: sum(mattes), "merged", False),
        (lambda sentence, mattes: 0.3 * fits(sentence, mattes), "part", False),
        (lambda sentence, mattes: 0 * mattes[0], "missed", False),
        (lambda sentence, mattes: 1 - np.clip(sum(mattes), 0, 1), "wrong instance", False),
    ],
)
def test_what_a_method_does_wrong_is_named(drawn, answer, kind, another):
    asked = ByKind(drawn, "test")
    found = evaluate(Known(asked, answer), asked, every=True, failures=True, edges=False)
    assert {row["failure"] for row in found["rows"]} == {kind}
    shares = found["metrics"]["failures"]
    assert shares[kind]["share"] == 1 and shares["wrong instance"]["another"] == another * len(found["rows"])
    if another:
        assert {row["gives"][:-1] for row in found["rows"]} == {row["mask_id"][:-1] for row in found["rows"]}
        assert all(row["gives"] != row["mask_id"] for row in found["rows"])


def test_a_label_without_a_kind_is_refused(drawn, tmp_path):
    labels = json.loads((drawn / "refmatte_test_label.json").read_text())
    del labels["rim_test_00000000_1"]["entity_kind"]
    (tmp_path / "refmatte_test_label.json").write_text(json.dumps(labels))
    (tmp_path / "test").symlink_to(drawn / "test")
    with pytest.raises(RimError, match="rim_test_00000000_1: its label has no entity_kind"):
        ByKind(tmp_path, "test")


def test_things_that_stand_in_one_place_are_in_no_question(drawn, tmp_path):
    data = shutil.copytree(drawn, tmp_path / "data")
    masks = data / "test" / "mask"
    shutil.copy(masks / "rim_test_00000000_1.png", masks / "rim_test_00000000_2.png")
    assert len(ByKind(data, "test").image_names) == 3, "an image without a question is left out"
    for number in range(1, 4):
        shutil.copy(masks / f"rim_test_0000000{number}_1.png", masks / f"rim_test_0000000{number}_2.png")
    with pytest.raises(RimError, match="no entity can be told from the others by its kind and place"):
        ByKind(data, "test")


@pytest.mark.parametrize("more", [(), ("--failures",)])
def test_rim_evaluate_names_kinds_where_it_is_asked_to(more, drawn, tmp_path, capsys):
    given = ["evaluate", "--data", str(drawn), "--limit", "2", "--no-edges", "--device", "cpu"]
    assert cli.main([*given, "--out", str(tmp_path / "r.json"), *more]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = [json.loads(line) for line in (tmp_path / "r.rows.jsonl").read_text().splitlines()]
    assert all(("failure" in row) == bool(more) for row in rows) and ("failures" in found) == bool(more)
    if more:
        assert sum(part["count"] for part in found["failures"].values()) == len(rows) == 4
