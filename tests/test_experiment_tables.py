"""The paper's tables as experiments: rows that are trainings, each scored on the same sets."""

import json
import math

import pytest
import torch

from rimlib import cli, experiments
from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.experiments import frame, table3
from rimlib.experiments.trained import over_seeds


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


def test_table_10_freezes_clip_and_begins_where_it_says(short, tmp_path, monkeypatch):
    monkeypatch.setattr("rimlib.experiments.trained.on_sets", lambda *given, **named: {"sets": {}})
    given = ["experiment", "table10", "--profile", str(short), "--out", str(tmp_path / "records")]
    assert cli.main([*given, "--runs", str(tmp_path / "runs")]) == 0
    clip = CLIPMat.from_profile(profiles.load(short)).state_dict()
    moved = {}
    for name in ("short-train-lr-image-0-train-lr-text-0", "short", "short-random"):
        there = CLIPMat.load(tmp_path / "runs" / f"{name}-seed1").state_dict()
        learnt = [key for key in clip if not key.startswith("backbone.") and key.endswith("weight")]
        assert any(not torch.equal(there[key], clip[key]) for key in learnt), "what is new learns"
        towers = [key for key in clip if key.startswith("backbone.")]
        moved[name] = max(float((there[key] - clip[key]).abs().max()) for key in towers)
    frozen, learning, random = moved.values()
    assert frozen == 0 < learning < 0.1 < random


def test_a_mean_is_over_seeds_and_a_deviation_is_the_samples():
    rows = [{"row": "a", "sad": value, "other": None} for value in (1.0, 2.0, 4.0)]
    (line,) = over_seeds(rows, ["row"])
    assert line["seeds"] == 3 and line["sad"] == pytest.approx(7 / 3, abs=1e-4)
    assert line["sad ±"] == pytest.approx(math.sqrt(7 / 3), abs=1e-4), "n - 1, not n"
    assert line["other"] is None


@pytest.mark.parametrize("name", [name for name in experiments.NAMES if "rows" in experiments.get(name).OPTIONS])
def test_rows_and_seeds_that_do_not_exist_are_refused_first(name, tmp_path, capsys):
    given = ["experiment", name, "--profile", "tiny-lookalikes", "--out", str(tmp_path / "out")]
    assert cli.main([*given, "--rows", "nothing"]) == 2 and "--rows nothing" in capsys.readouterr().err
    assert cli.main([*given, "--seeds", "0"]) == 2 and "--seeds 0" in capsys.readouterr().err
    assert cli.main([*given, "--images", "0"]) == 2 and "--images 0" in capsys.readouterr().err
    assert cli.main([*given, "--data", str(tmp_path)]) == 2 and "--data: the experiment" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
