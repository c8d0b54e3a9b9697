"""The paper's Tables 8 and 9: one model, measured in each form of a keyword and on each kind of sentence."""

import json

import pytest

from rimlib import cli
from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.evaluation.evaluate import evaluate
from rimlib.experiments import frame, paper, table8
from rimlib.matting import failures
from rimlib.refmatte.build import folder_of
from rimlib.refmatte.dataset import RefMatte


@pytest.fixture
def asked(short, tmp_path, one_load, capsys):
    """A function that runs an experiment of the short profile and returns its tables."""

    def run(name, *more, images=2):
        given = ["experiment", name, "--profile", str(short), "--out", str(tmp_path / "records"), "--json"]
        assert cli.main([*given, *(["--images", str(images)] if images else []), *more]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_table_9_has_each_kind_of_each_set_with_its_interval(asked, tmp_path):
    first = asked("table9")
    kinds = {}
    for row in first["table_9"]:
        kinds.setdefault(row["scored on"], []).append(row["kind"])
        low, high = row["sad 95 %"]
        assert low <= row["sad"] <= high and row["sentences"] >= 2 and row["steps"] and row["GFLOPs"] > 0
    ours = ["basic", "absolute", "relative-short", "relative-long"]
    assert kinds == {"seen": ours, "unseen": ours, "RW-mini": ["basic", "absolute", "relative", "free"]}
    assert [row["kind"] for row in first["the_paper"]][:4] == ours
    assert asked("table9", "--show", images=0) == first
    (record,) = (record for record in frame.load("table9", tmp_path / "records") if "unseen" in record["row"])
    scores = record["metrics"]["scores"]
    by_kind = scores["by_sentence"].values()
    assert scores["entities"] == sum(row["entities"] for row in by_kind), "every sentence counts"


def test_table_8_asks_in_eight_forms_and_marks_those_that_were_learnt(asked, short, shipped, monkeypatch):
    assert len(table8.TEMPLATES) == 8
    some = [table8.TEMPLATES[number] for number in (0, 5, 7)]
    monkeypatch.setattr(table8, "TEMPLATES", some)
    found = asked("table8")
    rows = found["table_8"]
    assert [row["template"] for row in rows] == 2 * some
    assert [row["template"] for row in found["the_paper"]] == [row["template"] for row in paper.table(8)]
    assert {row["scored on"] for row in rows} == {"seen", "unseen"}
    assert {row["template"] for row in rows if row["trained with"] == "no"} == {"to extract {keyword}"}
    assert len({row["sad"] for row in rows if row["scored on"] == "seen"}) > 1, "the form is read"
    template = "the mask of the {keyword}"
    seen = RefMatte(folder_of(profiles.load(short)), "seen", "keyword")
    alone = evaluate(shipped, seen, limit=2, template=template, edges=False)["metrics"]
    (row,) = (row for row in rows if row["template"] == template and row["scored on"] == "seen")
    assert row["sad"] == round(alone["sad"], 4) and row["mad_e"] == round(alone["mad_e"], 4)


def test_a_model_without_templates_has_learnt_the_keyword_alone(asked, short, tmp_path, monkeypatch):
    monkeypatch.setattr(table8, "TEMPLATES", table8.TEMPLATES[:2])
    profile = profiles.with_settings(profiles.load(short), ["model.pre_context=false"])
    path = CLIPMat.from_profile(profile, "random").save(tmp_path / "bare.safetensors")
    rows = asked("table8", "--model", str(path))["table_8"]
    assert {row["template"]: row["trained with"] for row in rows} == {
        "{keyword}": "yes",
        "a photo of a {keyword}": "no",
    }


def test_records_of_other_data_or_another_number_of_images_do_not_stand_in_one_table(asked, tmp_path, capsys):
    asked("table9")
    path = tmp_path / "records" / "experiment-table9-short-shipped-unseen.json"
    whole = json.loads(path.read_text())
    for part, words in (
        ({"images": 3}, "images is 3 there and 2 in"),
        ({"data": {"split": "seen", "fingerprint": "0"}}, "data of seen is '0' there"),
    ):
        path.write_text(json.dumps({**whole, "about": {**whole["about"], **part}}))
        assert cli.main(["experiment", "table9", "--show", "--out", str(path.parent)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and path.name in err and words in err
        assert path.exists()


@pytest.mark.parametrize("name", ["table8", "table9", "realworld"])
@pytest.mark.parametrize(
    "given, words",
    [
        (("--images", "0"), "--images 0: must be 1 or more"),
        (("--seeds", "3"), "--seeds: the experiment {name} has no such option; it has --data, --model"),
        (("--data", "{tmp}"), "no refmatte_<split>_label.json here"),
        (("--model", "{tmp}/none.safetensors"), "none.safetensors"),
    ],
)
def test_what_cannot_be_used_is_one_line(name, given, words, tmp_path, capsys):
    given = [part.format(tmp=tmp_path) for part in given]
    assert cli.main(["experiment", name, "--out", str(tmp_path / "out"), *given]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words.format(name=name) in err
    assert not (tmp_path / "out").exists()


def test_from_scenes_to_photographs_by_three_ways_of_asking(asked, tmp_path):
    found = asked("realworld")
    ways = ["keyword", "sentence", "kind"]
    there = [(row["scored on"], row["asked by"]) for row in found["the_gap"]]
    assert there == [(name, way) for name in ("seen", "unseen", "RW-mini") for way in ways]
    for scores, kinds in zip(found["the_gap"], found["kinds_of_failure"]):
        assert {name: scores[name] for name in ("scored on", "asked by", "sentences")}.items() <= kinds.items()
        assert sum(kinds[kind] for kind in failures.KINDS) == pytest.approx(1, abs=1e-3)
        assert 0 < scores["chance"] < 1
        if scores["asked by"] != "keyword":  # of the two images one alone has clear keywords: no interval
            low, high = scores["localised 95 %"]
            assert low <= scores["localised"] <= high
            assert all(low <= kinds[kind] <= high for kind in failures.KINDS for low, high in [kinds[f"{kind} 95 %"]])
    (record,) = (one for one in frame.load("realworld", tmp_path / "records") if one["row"] == "shipped-rw-mini-kind")
    assert record["metrics"]["scores"]["scored_by"] == "all"
    assert set(record["metrics"]["scores"]["by_sentence"]) <= {"kind", "place"}
    (own,) = (one for one in frame.load("realworld", tmp_path / "records") if one["row"] == "shipped-seen-sentence")
    assert own["metrics"]["scores"]["failures"]["wrong instance"]["another"] >= 0
    assert asked("realworld", "--show", images=0) == found
