"""Rows on disk: an interrupted evaluation goes on, processes share one, nothing is joined that does not belong."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rimlib.baselines.baseline import Method
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.rows import Rows, process, share_of
from rimlib.refmatte.dataset import RefMatte


class Halves(Method):
    """Half of the image, the left one for sentences with a left in them."""

    name = "halves"

    def __init__(self, stop_after=None):
        super().__init__()
        self.calls, self.stop_after = [], stop_after

    def predict_image(self, image, sentences):
        if self.stop_after is not None and len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append(sentences)
        left = np.linspace(1, 0, image.shape[1], dtype=np.float32)[None].repeat(image.shape[0], axis=0)
        return [left if "left" in text else 1 - left for text in sentences], [0.5] * len(sentences)


@pytest.fixture(scope="module")
def seven(make_scenes, tmp_path_factory):
    return RefMatte(make_scenes(tmp_path_factory.mktemp("seven"), 7, split="test"), "test")


def bare(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_evaluation_goes_on(seven, tmp_path, workers):
    out, about = tmp_path / "e.json", {"model": "halves"}
    whole = evaluate(Halves(), seven, every=True)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Halves(stop_after=4), seven, every=True, workers=workers, rows=Rows(out, about))
    lines = (tmp_path / "e.rows.jsonl").read_text().splitlines()
    assert 0 < len(lines) < 7 * 2 * 4
    with open(tmp_path / "e.rows.jsonl", "a") as stream:  # as a process leaves it that is killed while it writes
        stream.write(lines[-1][:40])
    rest = Halves()
    found = evaluate(rest, seven, every=True, workers=workers, rows=Rows(out, about))
    assert len(rest.calls) == 7 - len(lines) // 8
    assert bare(found["rows"]) == whole["rows"] and found["metrics"] == whole["metrics"]
    again = Halves()
    assert evaluate(again, seven, every=True, rows=Rows(out, about))["metrics"] == whole["metrics"] and not again.calls
    assert all(json.loads(line)["seconds"] >= 0 for line in (tmp_path / "e.rows.jsonl").read_text().splitlines())


def test_an_image_with_half_of_its_rows_is_scored_anew(seven, tmp_path):
    out, whole = tmp_path / "e.json", evaluate(Halves(), seven)
    evaluate(Halves(), seven, rows=Rows(out, {}))
    lines = (tmp_path / "e.rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "e.rows.jsonl").write_text("".join(lines[:5]))
    method = Halves()
    found = evaluate(method, seven, rows=Rows(out, {}))
    assert len(method.calls) == 5 and bare(found["rows"]) == whole["rows"]
    lines = (tmp_path / "e.rows.jsonl").read_text().splitlines()
    assert bare(map(json.loads, lines)) == whole["rows"], "no row stands twice"


def test_rows_of_something_else_are_not_joined(seven, tmp_path):
    evaluate(Halves(), seven, limit=1, rows=Rows(tmp_path / "e.json", {"model": "a", "version": "1"}))
    with pytest.raises(RimError, match="e.about.json.*version is '1' there and '2' here.*--fresh") as caught:
        Rows(tmp_path / "e.json", {"model": "a", "version": "2"})
    assert caught.value.setting == "version"
    assert (tmp_path / "e.rows.jsonl").exists(), "nothing is lost"
    Rows(tmp_path / "e.json", {"model": "a", "version": "2"}, fresh=True)
    assert not (tmp_path / "e.rows.jsonl").exists()


def test_a_record_without_rows_is_not_replaced(seven, tmp_path):
    (tmp_path / "e.json").write_text('{"kind": "evaluate"}')
    with pytest.raises(RimError, match="e.json: a record lies here.*--fresh"):
        Rows(tmp_path / "e.json", {})
    assert evaluate(Halves(), seven, rows=Rows(tmp_path / "e.json", {}, fresh=True))["missing"] == 0


def test_a_file_that_holds_no_rows_is_named(seven, tmp_path):
    (tmp_path / "e.rows.jsonl").write_text('{"sad": 1}\n')
    with pytest.raises(RimError, match="e.rows.jsonl, line 1: no row.*KeyError"):
        evaluate(Halves(), seven, rows=Rows(tmp_path / "e.json", {}))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_do_not_write_the_same_rows(seven, tmp_path):
    first, second = Rows(tmp_path / "e.json", {}), Rows(tmp_path / "e.json", {})
    row = evaluate(Halves(), seven, limit=1)["rows"]
    first.append(row)
    with pytest.raises(RimError, match="another process writes these rows now"):
        second.append(row)
    first.close()
    second.append(row)


def _share(root, out, rank, world):
    found = evaluate(Halves(), RefMatte(root, "test"), rows=Rows(out, {"a": 1}, rank, world), rank=rank, world=world)
    os._exit(10 if found["missing"] else 20)


def test_two_processes_share_an_evaluation(seven, tmp_path):
    whole, out = evaluate(Halves(), seven), tmp_path / "e.json"
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_share, args=(seven.root, out, rank, 2)) for rank in (0, 1)]
    for one in both:
        one.start()
    for one in both:
        one.join(120)
    assert {one.exitcode for one in both} in ({20}, {10, 20}), "at least one finds all images scored"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["e.about.json", "e.rows.jsonl"]
    method = Halves()
    found = evaluate(method, seven, rows=Rows(out, {"a": 1}))
    assert not method.calls and bare(found["rows"]) == whole["rows"] and found["metrics"] == whole["metrics"]


def test_another_number_of_processes_goes_on(seven, tmp_path):
    whole, out = evaluate(Halves(), seven), tmp_path / "e.json"
    part = evaluate(Halves(), seven, rows=Rows(out, {}, 1, 3), rank=1, world=3)
    assert part["missing"] == 5 and part["metrics"] == {} and len(part["rows"]) == 4
    methods = [Halves(), Halves()]
    for rank, method in enumerate(methods):
        found = evaluate(method, seven, rows=Rows(out, {}, rank, 2), rank=rank, world=2)
    assert sum(len(method.calls) for method in methods) == 5 and found["missing"] == 0
    assert bare(found["rows"]) == whole["rows"] and found["metrics"] == whole["metrics"]


def test_without_rows_a_share_is_scored(seven):
    parts = [evaluate(Halves(), seven, rank=rank, world=2)["rows"] for rank in (0, 1)]
    assert sorted(len(part) for part in parts) == [6, 8]
    with pytest.raises(RimError, match="process 2 of 2"):
        share_of(["a"], 2, 2)


def test_the_process_is_known_by_its_surroundings(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert process() == (0, 1)
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert process() == (3, 4)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert process() == (1, 2)


def test_a_killed_command_goes_on(seven, tmp_path):
    command = [sys.executable, "-m", "rimlib", "evaluate", "--data", str(seven.root), "--device", "cpu", "--every"]
    command += ["--out", str(tmp_path / "k.json"), "--workers", "1"]
    rows = tmp_path / "k.rows.jsonl"
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while running.poll() is None and not (rows.exists() and rows.stat().st_size) and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads((tmp_path / "k.json").read_text())
    assert json.loads(done.stdout) == record["metrics"] and record["metrics"]["entities"] == 56
    assert record["rows"] == "k.rows.jsonl" and len(rows.read_text().splitlines()) == 56
    assert record["seconds"]["evaluation"] == pytest.approx(
        sum(json.loads(line)["seconds"] for line in rows.read_text().splitlines()), abs=0.01
    )
