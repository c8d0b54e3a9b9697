"""The paper's tables as experiments: rows that are trainings, each scored on the same sets."""

import json
import math

import pytest

from rimlib import cli, experiments
from rimlib import profile as profiles
from rimlib.experiments import frame, table3, table10
from rimlib.experiments.trained import over_seeds

PROFILE = """
base: tiny
name: short
data: {height: 96, width: 128, groups_train: 1, images_per_group_train: 3, extra_train: 3, groups_test: 1,
       images_per_group_test: 2, extra_test: 1}
model: {image_size: 32}
train: {steps: 2, images: 2}
"""


@pytest.fixture
def short(tmp_path, monkeypatch):
    """A profile whose rows take seconds, and whose data go to a folder of the test."""
    path = tmp_path / "short.yaml"
    path.write_text(PROFILE)
    monkeypatch.setattr("rimlib.refmatte.build.repository", lambda: tmp_path)
    return path


def test_two_tables_train_the_model_that_both_have_once(short, tmp_path, capsys):
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["--profile", str(short), "--out", str(out), "--images", "2", "--json"]
    assert cli.main(["experiment", "table3", *given, "--runs", str(runs), "--rows", "none", "all"]) == 0
    first = json.loads(capsys.readouterr().out)["table_3"]
    assert {row["row"] for row in first} == {"none", "all"}
    assert {row["scored on"] for row in first} == {"keyword, seen", "keyword, unseen"}
    assert all(math.isfinite(row["sad"]) and row["seeds"] == 1 and row["sad ±"] is None for row in first)
    weights = {path: path.stat().st_mtime_ns for path in runs.rglob("clipmat.safetensors")}
    assert len(weights) == 2
    assert cli.main(["experiment", "table10", *given, "--runs", str(runs), "--rows", "all"]) == 0
    second = json.loads(capsys.readouterr().out)["table_10"]
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("clipmat.safetensors")} == weights, "not trained again"
    of_all = {row["scored on"]: row["sad"] for row in first if row["row"] == "all"}
    assert {row["scored on"]: row["sad"] for row in second} == of_all
    records = frame.load("table3", out)
    assert {tuple(record["metrics"]["sets"]) for record in records} == {
        ("keyword, seen", "expression, seen", "keyword, unseen", "expression, unseen", "expression, RW-mini")
    }


def test_table_3_has_the_papers_rows():
    assert [change.name for change in table3.CHANGES] == [
        "none",
        "tsp",
        "tsp-mde",
        "tsp-mde-pre-cp",
        "tsp-mde-post-cp",
        "all",
    ]
    base = profiles.load("tiny")
    bare = profiles.with_settings(base, table3.CHANGES[0].settings).model
    assert not (bare.tsp or bare.mde or bare.pre_context or bare.post_context)
    assert profiles.with_settings(base, table3.CHANGES[-1].settings) == base


def test_table_10_freezes_what_it_names():
    frozen = profiles.with_settings(profiles.load("tiny"), table10.CHANGES[0].settings).train
    assert frozen.lr_image == frozen.lr_text == 0 < frozen.lr


def test_a_mean_is_over_seeds_and_a_deviation_is_the_samples():
    rows = [{"row": "a", "sad": value, "other": None} for value in (1.0, 2.0, 4.0)]
    (line,) = over_seeds(rows, ["row"])
    assert line["seeds"] == 3 and line["sad"] == pytest.approx(7 / 3, abs=1e-4)
    assert line["sad ±"] == pytest.approx(math.sqrt(7 / 3), abs=1e-4), "n - 1, not n"
    assert line["other"] is None


@pytest.mark.parametrize("name", [name for name in experiments.NAMES if name != "words"])
def test_rows_and_seeds_that_do_not_exist_are_refused_first(name, tmp_path, capsys):
    given = ["experiment", name, "--profile", "tiny-lookalikes", "--out", str(tmp_path / "out")]
    assert cli.main([*given, "--rows", "nothing"]) == 2 and "--rows nothing" in capsys.readouterr().err
    assert cli.main([*given, "--seeds", "0"]) == 2 and "--seeds 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
