"""The paper's tables as experiments: rows that are trainings, each scored on the same sets."""

import json
import math

import pytest
import torch

from rimlib import cli, experiments
from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import shipped_file
from rimlib.evaluation.evaluate import ERRORS
from rimlib.experiments import frame, paper, recipe, table2, table3, table7, tuning
from rimlib.experiments.seeds import over_seeds
from rimlib.io.files import sha256
from rimlib.refmatte.build import folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.settings import flat


def test_a_run_that_is_killed_in_a_row_loses_no_training(short, tmp_path, capsys, monkeypatch):
    def killed(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("rimlib.experiments.trained.scores_on", killed)
    given = ["experiment", "table3", "--profile", str(short), "--rows", "all", "--seeds", "2,3"]
    given += ["--out", str(tmp_path / "records"), "--runs", str(tmp_path / "runs")]
    assert cli.main(given) == 130 and capsys.readouterr().err.splitlines()[-1].startswith("stopped;")
    weights = tmp_path / "runs" / "short-seed2" / "clipmat.safetensors"
    before = weights.stat().st_mtime_ns
    assert not (tmp_path / "records").exists()
    monkeypatch.setattr("rimlib.experiments.trained.scores_on", lambda *given, **more: {})
    assert cli.main(given) == 0 and weights.stat().st_mtime_ns == before
    assert {path.name for path in (tmp_path / "records").iterdir()} == {
        f"experiment-table3-short-all-seed{seed}.json" for seed in (2, 3)
    }


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


def test_tables_2_6_and_7_are_of_one_training_of_each_method(short, tmp_path, capsys, monkeypatch, make_released):
    # Photographs are large, which takes the refiner long.
    monkeypatch.setattr(
        "rimlib.experiments.trained.rwmini.FOLDER", make_released(tmp_path / "real", "rw100", 1, 90, 120)
    )
    monkeypatch.setattr("rimlib.evaluation.evaluate.SPLITS", {"seen": "seen"})
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["--profile", str(short), "--out", str(out), "--images", "1", "--json", "--runs", str(runs)]
    found = {}
    for name in ("table2", "table6", "table7"):
        assert cli.main(["experiment", name, *given]) == 0
        found |= json.loads(capsys.readouterr().out)
    names = ["short-seed1", "short-clipseg-seed1", "short-mdetr-seed1"]
    assert sorted(path.name for path in runs.iterdir()) == sorted(names)
    assert len(list(out.iterdir())) == 3, "a row is scored once, for all three tables"
    trainings = [json.loads((runs / name / "train.json").read_text()) for name in names]
    assert [run["settings"]["train"]["lr"] for run in trainings] == [1e-3, 1e-3, 4e-4]
    for key in ("steps", "images", "sentences", "schedule", "ema"):
        assert len({run["settings"]["train"][key] for run in trainings}) == 1, key
    assert len({run["data"]["fingerprint"] for run in trainings}) == 1
    assert [run["weights"] for run in trainings] == ["clip"] * 3

    table = found["table_2"]
    assert list(dict.fromkeys(row["row"] for row in table)) == ["clipmat", "clipseg", "mdetr"]
    assert {row["scored on"] for row in table} == {"keyword, seen", "expression, seen", "expression, RW-mini"}
    plain, refined = (
        {(row["row"], row["scored on"]): row for row in table if row["refiner"] == which} for which in ("-", "yes")
    )
    assert plain.keys() == refined.keys() and len(plain) == 9
    assert all(refined[key]["GFLOPs"] > row["GFLOPs"] > 0 and row["steps"] == 2 for key, row in plain.items())
    assert any(refined[key]["sad"] != row["sad"] for key, row in plain.items())
    assert {(row["row"], row["sad"], row["mse"]) for row in found["table_6"]} == {
        (row["row"], row["sad"], row["mse"]) for row in table
    }
    assert all(row["sad_e"] and row["mse_e"] and row["mad_e"] for row in found["table_6"])
    assert [(row["seed"], row["sad"]) for row in found["table_7"]] == [
        (1, row["sad"]) for key, row in plain.items() if key[0] == "clipmat"
    ]
    record = frame.load("table2", out)[0]
    assert record["about"]["refiner"] == sha256(shipped_file())


def test_a_trial_changes_one_thing_and_is_scored_on_scenes_of_its_own(short, tmp_path, capsys):
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["experiment", "tuning", "--profile", str(short), "--out", str(out), "--images", "2", "--json"]
    assert cli.main([*given, "--runs", str(runs), "--rows", "clipseg-start", "clipseg-alpha"]) == 0
    start, alpha = (row for row in json.loads(capsys.readouterr().out)["tuning"] if row["scored on"] == "keyword, seen")
    assert (start["row"], alpha["row"], start["steps"]) == ("clipseg-start", "clipseg-alpha", 1)
    trainings = [json.loads(path.read_text()) for path in sorted(runs.glob("*/train.json"))]
    parts = {run["settings"]["model"]["alpha"]: run["log"][-1] for run in trainings}
    assert set(parts) == {0.0, 1.0}
    assert "alpha" not in parts[0.0] and parts[1.0]["total"] == pytest.approx(
        parts[1.0]["cross_entropy"] + parts[1.0]["alpha"], rel=1e-4
    )
    base = tuning.base_of(profiles.load(str(short)))
    table, own = RefMatte(folder_of(base), "seen"), tuning.sets_of(base)["keyword, seen"]
    assert table.fingerprint != own.fingerprint


def test_each_baseline_has_as_many_trials_as_the_recipe_has_parts():
    for method in ("clipseg", "mdetr"):
        mine = [change for change in tuning.CHANGES if change.method == method]
        assert len(mine) - 1 == len(recipe.PARTS)
        assert len({change.settings for change in mine}) == len(mine)


def record_of(change, seed, sad, ratio, profile="tiny"):
    """A record with one set that is scored."""
    about = {"change": change, "changes": [], "steps": 9, "images": None}
    made = {"training": {"minutes": 1.0}, "data": {"images": 5, "fingerprint": "0" * 64}, "cost": {"gflops": 1.0}}
    scores = dict.fromkeys(ERRORS, sad) | {"localised": 0.5, "sad_ratio": ratio}
    return {"profile": profile, "seed": seed, "about": about, "metrics": {**made, "sets": {"keyword, seen": scores}}}


def test_methods_are_compared_seed_by_seed_and_not_with_one_below_an_empty_matte():
    rows = [("clipmat", 1, 2.0, 0.4), ("clipmat", 2, 3.0, 0.6), ("clipseg", 1, 4.0, 0.8), ("clipseg", 2, 4.0, 0.8)]
    records = [record_of(*row) for row in [*rows, ("mdetr", 1, 8.0, 1.6), ("mdetr", 2, 8.0, 1.6)]]
    clipseg, mdetr = table2.tables(records)["ratios"]
    assert (clipseg["clipmat by"], clipseg["seeds"]) == ("clipseg", 2)
    assert clipseg["ratio"] == pytest.approx(0.625) and clipseg["ratio ±"] == pytest.approx(0.1768, abs=1e-4)
    assert (
        mdetr["clipmat by"] == "mdetr" and mdetr["ratio"] is mdetr["ratio ±"] is None and mdetr["its sad_ratio"] == 1.6
    )
    bars = table7.tables(records)["error_bars"]
    assert [(row["sad"], row["sad ±"], row["seeds"]) for row in bars] == [(2.5, 0.7071, 2)]


def test_table_7_has_the_papers_bars():
    """Its standard deviation is the sample's."""
    bars = paper.table("7_error_bars")
    assert len(bars) == 3
    for bar in bars:
        values = [row["sad"] for row in paper.table(7) if row["scored on"] == bar["scored on"]]
        (line,) = over_seeds([{"row": "", "sad": value} for value in values], ["row"])
        assert line["sad"] == pytest.approx(bar["sad"], abs=0.006) and line["sad ±"] == pytest.approx(
            bar["sad ±"], abs=1e-3
        )


def test_table_3_has_the_papers_rows():
    assert [change.name for change in table3.PAPERS] == [
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
    assert profiles.with_settings(base, table3.PAPERS[-1].settings) == base


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


def test_the_papers_recipe_is_trained_on_the_same_steps(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rimlib.evaluation.evaluate.SPLITS", {"seen": "seen"})
    given = ["--profile", str(short), "--out", str(tmp_path / "records"), "--images", "1", "--json"]
    given += ["--runs", str(tmp_path / "runs"), "--rows", "ours", "paper"]
    assert cli.main(["experiment", "recipe", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["row"] for row in found["recipe"]} == {"ours", "paper"}
    assert len({(row["steps"], row["data"]) for row in found["recipe"]}) == 1
    sads = {(row["row"], row["scored on"]): row["sad"] for row in found["recipe"]}
    for row in found["ratios"]:
        where = row["scored on"]
        assert row["ours by"] == "paper"
        assert row["ratio"] == pytest.approx(sads["ours", where] / sads["paper", where], rel=1e-2)


def test_the_papers_recipe_has_what_its_profile_has_but_for_sizes_and_data():
    tiny, paper_b16 = (flat(profiles.load(name).to_dict()) for name in ("tiny", "paper-b16"))
    there = flat(recipe.CHANGES[-1].profile(profiles.load("tiny"), seed=1).to_dict())
    sections = ("model.", "train.")
    left = {name for name in there if name.startswith(sections) and there[name] != paper_b16[name]}
    sizes = {"backbone", "image_size", "text_length", "popup_width", "details_width", "details_channels", "details_out"}
    budget = {"steps", "epochs", "images", "workers", "checkpoint_seconds", "snapshot_epochs"}
    of_size = {"crops", "trimap_at", "trimap_kernel"}
    no_effect = {"all_sentences", "grounding_sentences", "losses.score_map"}  # of this data, without such steps or map
    both = {"setting", "keyword_share"}
    assert left == {f"model.{name}" for name in sizes} | {
        f"train.{name}" for name in budget | of_size | no_effect | both
    }
    assert there["seed"] == tiny["seed"] and not there["model.score_map"]
    names = [name for change in recipe.CHANGES[1:-2] for name in change.settings]
    assert sorted(names) == sorted(recipe.CHANGES[-1].settings), "one after the other, and all together"


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
