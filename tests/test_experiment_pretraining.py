"""`rim experiment pretraining`: what the small CLIP should compare with captions."""

import json
import math

from rimlib import cli
from rimlib import profile as profiles
from rimlib.claims import evidence
from rimlib.experiments import frame, pretraining


def test_rows_are_trained_from_the_same_weights_and_measured(short, tmp_path, capsys):
    short.write_text(short.read_text() + "clip: {steps: 5, batch: 2}\n")
    out, runs = tmp_path / "records", tmp_path / "runs"
    given = ["experiment", "pretraining", "--profile", str(short), "--out", str(out), "--json"]
    assert cli.main([*given, "--runs", str(runs)]) == 0
    lines = json.loads(capsys.readouterr().out)["pretraining"]
    assert [line["change"] for line in lines] == ["both", "regions", "whole-images"]
    assert all(line["steps"] == 2 and 0 <= line["pairs"] <= 1 for line in lines)
    records = {record["about"]["change"]: record for record in frame.load("pretraining", out)}
    before = [record["metrics"]["before"] for record in records.values()]
    assert before[0] == before[1] == before[2], "the same weights at the start"
    first = {name: record["metrics"]["log"][0]["loss"] for name, record in records.items()}
    assert all(map(math.isfinite, first.values())) and first["both"] > first["regions"] != first["whole-images"]


def test_a_record_is_stale_where_the_clip_is_trained_in_another_way():
    base = pretraining.base_of(profiles.load("tiny"))
    assert base.clip.steps == 600
    about = {"changes": ["clip.images=0", "clip.seed=2"], "method": "clip"}
    settings = profiles.with_settings(base, about["changes"]).to_dict() | {"seed": 2}
    record = {"experiment": "pretraining", "profile": "tiny", "seed": 2, "settings": settings, "about": about}
    assert evidence.why_stale(record) == ""
    settings["clip"]["images"] = 0.5
    assert "clip.images is 0.5 there and 0.0" in evidence.why_stale(record)


def test_bad_input_is_one_line(capsys, tmp_path, short):
    given = ["experiment", "pretraining", "--profile", str(short), "--out", str(tmp_path / "out")]
    assert cli.main([*given, "--rows", "region"]) == 2 and "did you mean regions?" in capsys.readouterr().err
