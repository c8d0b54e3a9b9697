"""`rim experiment listening`: each row is a training with one setting changed, scored on the same scenes."""

import json
import math

import pytest

from rimlib import cli
from rimlib import profile as profiles
from rimlib.experiments import frame, listening

PROFILE = """
base: tiny
name: short
data: {height: 96, width: 128, groups_train: 1, images_per_group_train: 4, extra_train: 4, groups_test: 1,
       images_per_group_test: 2, extra_test: 2, lookalikes: 0.5, short_forms: 0.5}
model: {image_size: 32, coordinates: true, popup_layers: 1}
train: {steps: 2, images: 2, grounding_steps: 1}
"""


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A profile whose rows take seconds, and whose data go to a folder of the test."""
    path = tmp_path / "short.yaml"
    path.write_text(PROFILE)
    monkeypatch.setattr("rimlib.refmatte.build.repository", lambda: tmp_path)
    return path


def test_rows_are_trained_scored_and_shown(short, tmp_path, capsys):
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["experiment", "listening", "--profile", str(short), "--out", str(out), "--json"]
    run = [*given, "--runs", str(runs), "--rows", "recipe", "no-lookalikes"]
    assert cli.main(run) == 0
    first = json.loads(capsys.readouterr().out)
    assert {path.name for path in runs.iterdir()} == {"short-seed1", "short-data-lookalikes-0-seed1"}
    assert [row["change"] for row in first["listening"]] == ["recipe", "no-lookalikes"]
    assert [row["settings"] for row in first["listening"]] == ["", "data.lookalikes=0"]
    for row in first["listening"]:
        assert (
            row["steps"] == 2
            and row["seeds"] == 1
            and row["alike localised ±"] is None
            and row["minutes"] >= 0
            and 0 <= row["alike localised"] <= 1
        )
        assert math.isfinite(row["keyword sad_ratio"])
    records = frame.load("listening", out)
    assert len({record["about"]["scored_on"] for record in records}) == 1, "all on the same scenes"
    assert {record["settings"]["data"]["lookalikes"] for record in records} == {0.5, 0.0}
    assert cli.main(run) == 0 and capsys.readouterr().err.count("kept: it has a record") == 2
    assert cli.main([*given, "--profile", str(short), "--show"]) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_every_change_is_one_of_the_profile():
    base = profiles.load("tiny", data__lookalikes=0.5, model__coordinates=True, model__popup_layers=2)
    base = profiles.with_settings(base, ["train.grounding_steps=500", "train.lr=2e-3"])
    for change in listening.CHANGES:
        changed = profiles.with_settings(base, change.settings)
        assert (changed == base) == (change.name == "recipe"), change.name


def test_relations_are_found_in_a_sentence():
    assert listening.relations_in("the leftmost dog") == ["left"]
    assert set(listening.relations_in("the larger dog to the right of the cup")) == {"right", "larger"}
    assert listening.relations_in("the leftover") == []
