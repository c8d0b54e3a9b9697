import json
import subprocess
import time

import pytest

from rimlib import profile, provenance
from rimlib.errors import RimError
from rimlib.training import record


def test_a_record_holds_what_was_run_and_what_it_cost(tmp_path):
    stages = record.Stages()
    with stages("forward"):
        time.sleep(0.02)
    run = record.new("train", profile.load("tiny"), command="rim train", data={"fingerprint": "abc"})
    record.finish(run, stages, {"sad": 1.0})
    stored = json.loads(record.write(tmp_path / "deep" / "run.json", run).read_text())
    assert stored["settings"]["train"]["images"] == profile.load("tiny").train.images
    assert stored["seed"] == profile.load("tiny").seed and stored["profile"] == "tiny"
    assert stored["data"]["fingerprint"] == "abc" and stored["metrics"] == {"sad": 1.0}
    assert stored["seconds"]["forward"] >= 0.02
    assert stored["peak_memory_bytes"]["process"] > 2**20
    assert {"python", "numpy", "torch"} <= set(stored["versions"])
    assert len(stored["source"]) == 64 and stored["machine"]["processor"]


def test_a_record_of_other_settings_is_refused(tmp_path):
    path = record.write(tmp_path / "train-tiny.json", record.new("train", profile.load("tiny"), command="rim train"))
    assert record.read(path, profile.load("tiny"))["profile"] == "tiny"
    with pytest.raises(RimError, match=r"train-tiny\.json: .*train\.lr is 0\.001 there and 0\.002 here"):
        record.read(path, profile.load("tiny", train__lr=0.002))
    stored = json.loads(path.read_text())
    del stored["settings"]["data"]["no_target"]  # a record of code that did not know the setting yet
    path.write_text(json.dumps(stored))
    assert record.read(path, profile.load("tiny")) == stored, "it had its default then"
    with pytest.raises(RimError) as error:
        record.read(path, profile.load("tiny", data__no_target=3))
    assert error.value.setting == "data.no_target"


def test_stages_add_up_and_count_a_failing_stage():
    stages = record.Stages()
    for _ in range(2):
        with stages("a"):
            time.sleep(0.01)
    assert stages.seconds["a"] >= 0.02
    with pytest.raises(KeyError), stages("b"):
        raise KeyError
    assert "b" in stages.seconds


def test_source_hash_sees_a_change_and_no_line_ends(tmp_path, monkeypatch):
    folder = tmp_path / "rimlib"
    folder.mkdir()
    (folder / "__init__.py").write_bytes(b"a = 1\nb = 2\n")
    monkeypatch.setattr(provenance.rimlib, "__file__", str(folder / "__init__.py"))
    first = provenance.source_hash()
    (folder / "__init__.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert provenance.source_hash() == first
    (folder / "__init__.py").write_bytes(b"a = 1\nb = 3\n")
    assert provenance.source_hash() != first


def test_git_state_of_a_checkout_and_outside_one(tmp_path, monkeypatch):
    folder = tmp_path / "rimlib"
    folder.mkdir()
    (folder / "__init__.py").write_text("a = 1\n")
    monkeypatch.setattr(provenance.rimlib, "__file__", str(folder / "__init__.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state() is None

    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True, capture_output=True
        )

    git("init")
    assert provenance.git_state() is None  # in a repository that does not hold it, such as an environment inside one
    git("add", ".")
    git("commit", "-m", "one")
    state = provenance.git_state()
    assert len(state["commit"]) == 40 and state["changed"] is False
    (folder / "__init__.py").write_text("a = 2\n")
    assert provenance.git_state()["changed"] is True


def test_git_may_be_missing(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(provenance.subprocess, "run", missing)
    assert provenance.git_state() is None


def test_commands_show_no_folder_of_the_machine():
    words = ["/home/someone/rimlib/training/clipmat.py", "--data", "/secret/place/data", "--minutes", "3"]
    assert provenance.this_command(words) == "python -m rimlib.training.clipmat --data data --minutes 3"
