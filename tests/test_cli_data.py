"""The data engine's commands: plan, build, check, stats, the pools and RW-mini, as somebody types them."""

import json

import pytest

from rimlib import cli

PROFILE = """
name: mini
data: {height: 96, width: 128, groups_train: 1, images_per_group_train: 3, extra_train: 1,
       groups_test: 1, images_per_group_test: 1, extra_test: 1}
"""


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "mini.yaml"
    path.write_text(PROFILE)
    return str(path)


@pytest.fixture(scope="module")
def built(mini, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    assert cli.main(["build", "--profile", mini, "--out", str(folder), "--no-target", "1"]) == 0
    return folder


def last_json(capsys):
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_plan_is_counted_without_pixels(mini, capsys):
    assert cli.main(["plan", "--profile", mini, "--json"]) == 0
    counted = last_json(capsys)
    assert counted["train"]["expression"]["images"] == 4 and counted["test"]["expression"]["images"] == 2
    assert counted["train"]["expression"]["texts"] == 4 * counted["train"]["expression"]["mattes"]
    assert counted["train"]["ambiguity"] == {"basic": 0, "absolute": 0, "relative": 0} and counted["seconds"] > 0


def test_what_was_built_is_complete_and_counts_as_planned(mini, built, capsys):
    assert cli.main(["check", str(built)]) == 0
    assert "complete and intact" in capsys.readouterr().out
    cli.main(["stats", str(built), "--json"])
    counted = last_json(capsys)
    cli.main(["plan", "--profile", mini, "--json"])
    planned = last_json(capsys)
    assert {split: counted[split]["expression"] for split in counted} == {
        split: planned[split]["expression"] for split in ("train", "seen", "test")
    }
    cli.main(["stats", str(built)])
    assert "train expression images" in capsys.readouterr().out


def test_a_corrupted_file_is_reported(mini, built, capsys):
    victim = next((built / "train" / "mask").iterdir())
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-3])
    assert cli.main(["check", str(built)]) == 1
    assert victim.name in capsys.readouterr().out
    victim.write_bytes(whole)
    assert cli.main(["check", str(built)]) == 0


def test_a_released_folder_is_checked_for_what_does_not_fit(tmp_path, capsys):
    import shutil

    from rimlib.entities import rwmini

    copy = tmp_path / "RW"
    shutil.copytree(rwmini.FOLDER, copy)
    assert cli.main(["check", str(copy)]) == 0
    (copy / "mask" / "bee_1.png").unlink()
    assert cli.main(["check", str(copy)]) == 1
    assert "bee_1" in capsys.readouterr().out


def test_rwmini_is_as_recorded_and_counted(capsys):
    assert cli.main(["rwmini", "verify"]) == 0
    capsys.readouterr()
    cli.main(["rwmini", "stats", "--json"])
    counted = last_json(capsys)
    assert counted["images"] >= 6 and counted["entities"] >= 14 and counted["sentences"] == 4 * counted["entities"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["build", "--profile", "nosuch", "-o", "x"], "nosuch"),
        (["build", "-o", "x", "--workers", "0"], "--workers"),
        (["build", "-o", "x", "--no-target", "-1"], "--no-target"),
        (["plan", "--paper", "--profile", "small"], "--profile small"),
        (["check", "{tmp}/none"], "no such folder"),
        (["check", "{tmp}"], "refmatte_<split>_label.json"),
        (["stats", "{tmp}"], "refmatte_<split>_label.json"),
        (["pool", "sources", "--source", "am2k"], "am2k"),
        (["pool", "sources", "--source", "am2k={tmp}"], "train/mask/"),
        (["pool", "build", "--source", "nosuch=x", "-o", "{tmp}/out"], "nosuch"),
    ],
)
def test_bad_input_gets_one_line(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main([argument.format(tmp=tmp_path) for argument in arguments]) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("rim: error: ") and "\n" not in message and words.lower() in message.lower()
    assert not (tmp_path / "x").exists() and not (tmp_path / "out").exists()
