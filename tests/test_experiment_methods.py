"""`rim experiment methods` and `budget`: more of the trainings of Table 2, and of such on other steps."""

import json

import pytest

from rimlib import cli
from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.experiments import budget, changes, frame, methods


def test_methods_are_the_trainings_of_table_2(short, tmp_path, capsys, monkeypatch):
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["experiment", "methods", "--profile", str(short), "--out", str(out), "--images", "2", "--json"]
    assert cli.main([*given, "--runs", str(runs), "--rows", "clipmat", "clipseg"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {path.name for path in runs.iterdir()} == {"short-seed1", "short-clipseg-seed1"}
    asked = {(row["method"], row["change"]) for row in found["words"]}
    assert asked == {(method, change) for method in ("clipmat", "clipseg") for change in changes.CHANGES}
    assert [row["method"] for row in found["refusal"]] == ["clipmat", "clipseg"]
    for row in found["refusal"]:
        assert 0 <= row["auc"] <= 1 and row["auc ±"] is None and row["seeds"] == 1
    for row in found["quality"]:
        assert row["sad_ratio"] > 0 and (row["sad_ratio_localised"] is None) == (row["localised"] == 0)
    weights = {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")}
    table2 = ["experiment", "table2", *given[2:], "--runs", str(runs), "--rows", "clipseg"]
    monkeypatch.setattr("rimlib.experiments.trained.scores_on", lambda *given, **more: {})
    assert cli.main(table2) == 0
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")} == weights, "not trained again"


def test_the_quality_of_a_matte_is_that_of_the_entities_that_are_found():
    rows = [{"image": "a", "sad": sad, "sad_empty": 10.0, "localised": float(sad < 5)} for sad in (1.0, 3.0, 14.0)]
    assert methods.quality(rows) == {"localised": 0.6667, "sad_ratio": 0.6, "sad_ratio_localised": 0.2}
    assert methods.quality(rows[2:])["sad_ratio_localised"] is None


def test_a_budget_has_rows_of_other_steps_in_one_table(short, tmp_path, capsys, monkeypatch):
    sets = {"keyword, seen": {"localised": 0.5, "sad": 1.0, "sad_ratio": 0.5}}
    monkeypatch.setattr("rimlib.experiments.trained.scores_on", lambda *given, **more: sets)
    out = tmp_path / "records"
    given = ["experiment", "budget", "--profile", str(short), "--out", str(out), "--json"]
    assert cli.main([*given, "--runs", str(tmp_path / "runs"), "--rows", "clipmat-half", "clipmat-all"]) == 0
    found = json.loads(capsys.readouterr().out)["budget"]
    assert [(row["row"], row["steps"], row["settings"]) for row in found] == [
        ("clipmat-half", 1, "train.steps=1"),
        ("clipmat-all", 2, ""),
    ]
    assert cli.main([*given, "--show"]) == 0 and json.loads(capsys.readouterr().out)["budget"] == found
    # The rows of any other experiment have the same steps.
    for path in out.iterdir():
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"experiment": "table3"}))
        path.rename(path.with_name(path.name.replace("budget", "table3")))
    with pytest.raises(RimError, match="steps is .* cannot stand in one table"):
        frame.load("table3", out)


def test_the_steps_of_a_budget():
    found = {change.name: change.settings for change in budget.changes_of(profiles.load("tiny"))}
    assert found["clipseg-quarter"] == ("train.steps=375",) and found["clipmat-all"] == ()
    assert len(found) == 8
    epochs = profiles.with_settings(profiles.load("tiny"), ["train.steps=null", "train.epochs=1"])
    with pytest.raises(RimError, match="needs a number of steps"):
        budget.changes_of(epochs)
