"""`rim experiment listening`: each row is a training with one setting changed, scored on the same scenes."""

import json

from rimlib import cli
from rimlib import profile as profiles
from rimlib.claims import evidence
from rimlib.clipmat.model import CLIPMat
from rimlib.experiments import frame, listening


def test_rows_are_trained_scored_and_shown(short, tmp_path, capsys):
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["experiment", "listening", "--profile", str(short), "--out", str(out), "--json"]
    run = [*given, "--runs", str(runs), "--rows", "recipe", "no-lookalikes"]
    assert cli.main(run) == 0
    first = json.loads(capsys.readouterr().out)
    assert {path.name for path in runs.iterdir()} == {
        "short-seed1",  # which both go on from
        "short-listening-seed1",
        "short-listening-data-lookalikes-0-seed1",
    }
    assert [row["change"] for row in first["listening"]] == ["recipe", "no-lookalikes"]
    assert [row["settings"] for row in first["listening"]] == ["", "data.lookalikes=0"]
    for row in first["listening"]:
        assert (
            row["steps"] == 1
            and row["seeds"] == 1
            and row["localised ±"] is None
            and row["minutes"] >= 0
            and 0 <= row["localised"] <= 1
        )
    trained = {path.parent.name: json.loads(path.read_text())["weights"] for path in runs.rglob("train.json")}
    assert trained.pop("short-seed1") == "clip" and all("short-seed1" in str(start) for start in trained.values())
    records = frame.load("listening", out)
    assert all(record["about"]["first"] == {"profile": "short", "steps": 2} for record in records)
    assert len({record["about"]["scored_on"] for record in records}) == 1, "all on the same scenes"
    assert {record["settings"]["data"]["lookalikes"] for record in records} == {1.0, 0.0}
    parts = first["alike_by_arrangement"][0]
    assert parts["all"] == first["listening"][0]["localised"]
    assert {name for name in parts if "/" in name and "±" not in name} <= {"left/right", "top/bottom", "front/behind"}
    assert cli.main(run) == 0 and capsys.readouterr().err.count("kept: it has a record") == 2
    assert cli.main([*given, "--profile", str(short), "--show"]) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_every_change_is_one_of_the_recipe():
    base = listening.base_of(profiles.load("tiny"))
    assert (base.train.steps, base.train.grounding_steps) == (300, 300)
    for change in listening.CHANGES:
        changed = profiles.with_settings(base, change.settings)
        assert (changed == base) == (change.name == "recipe"), change.name


def test_every_row_can_go_on_from_the_first_training(tmp_path):
    first = profiles.load("tiny")
    CLIPMat.from_profile(first, "random").save(tmp_path / "first")
    base = listening.base_of(first)
    for change in listening.CHANGES:
        assert CLIPMat.from_profile(profiles.with_settings(base, change.settings), tmp_path / "first"), change.name


def test_a_record_of_the_recipe_is_not_stale_and_one_of_other_steps_is():
    row = listening.CHANGES[1]
    trained = profiles.with_settings(listening.base_of(profiles.load("tiny")), row.settings)
    about = {"changes": list(row.settings)}
    record = {"experiment": "listening", "profile": "tiny", "seed": 1, "settings": trained.to_dict(), "about": about}
    assert evidence.why_stale(record) == ""
    record["settings"]["train"]["steps"] = 1500
    assert "train.steps is 1500 there and 300" in evidence.why_stale(record)


def test_a_profile_without_steps_is_refused(capsys, tmp_path):
    given = ["experiment", "listening", "--profile", "paper-b16", "--out", str(tmp_path / "out")]
    assert cli.main(given) == 2 and "paper-b16: train.steps is null" in capsys.readouterr().err
