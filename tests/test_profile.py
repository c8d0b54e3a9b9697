"""Profiles: what is refused, by which field, and what old files need."""

import dataclasses
import json
import subprocess
import sys

import pytest

from rimlib import profile
from rimlib.errors import RimError
from rimlib.io.weights import CHECKPOINTS


def test_tiny_is_whole_and_survives_a_round_trip():
    tiny = profile.load("tiny")
    assert tiny.name == "tiny"
    assert profile.Profile.from_dict(tiny.to_dict()) == tiny
    assert json.loads(json.dumps(tiny.to_dict())) == tiny.to_dict()


@pytest.mark.parametrize("name", profile.names())
def test_every_shipped_profile_loads_under_its_own_name(name):
    found = profile.load(name)
    assert found.name == name and found.train.minutes is None  # the same run on any machine


@pytest.mark.parametrize(
    "text, setting, words",
    [
        ("train: {minuets: 3}", "train.minuets", ["minutes"]),
        ("baselines: {clipseg: {lrr: 3}}", "baselines.clipseg.lrr", ["did you mean lr?"]),
        ("trian: {}", "trian", ["train"]),
        ("train: {minutes: soon}", "train.minutes", ["number", "soon"]),
        ("train: {images: 2.5}", "train.images", ["integer", "2.5"]),
        ("train: {images: true}", "train.images", ["integer"]),
        ("train: {lr: .nan}", "train.lr", ["finite"]),
        ("train: {optimizer: sgd}", "train.optimizer", ["'adam' or 'adamw'", "'sgd'"]),
        ("train: {steps: null}", "train.steps", ["minutes"]),
        ("train: {trimap_kernel: 4}", "train.trimap_kernel", ["odd"]),
        ("train: {losses: {ce: -1.0}}", "train.losses.ce", ["-1.0"]),
        ("data: {unique: 1}", "data.unique", ["boolean"]),
        ("data: {height: 2024-01-01}", "data.height", ["integer"]),
        ("model: {image_size: 100}", "model.image_size", ["multiple of 16"]),
        ("model: {details_out: [64, 32, 8, 16]}", "model.details_out", ["[64, 32, 16]"]),
        ("model: {details_channels: [64, 32, 8]}", "model.details_channels", ["[64, 32, 8]"]),
        ("model: {popup_width: 130}", "model.popup_width", ["multiple of 4"]),
        ("train: 7", "train", ["settings"]),
        ("data: {relation_shares: [7, 2]}", "data.relation_shares", ["[7, 2]"]),
        ("data: {relation_shares: [0, 0, 0]}", "data.relation_shares", ["three"]),
        ("train: {keyword_share: 1.5}", "train.keyword_share", ["1", "1.5"]),
        ("evaluate: {template: a photo}", "evaluate.template", ["{keyword}"]),
    ],
)
def test_bad_settings_are_named(tmp_path, text, setting, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RimError) as caught:
        profile.load(path)
    message = str(caught.value)
    assert caught.value.setting == setting
    assert "mine.yaml" in message and setting in message and "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("text", ["[1, 2]", "train: {minutes: [", None])
def test_bad_files_are_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RimError) as caught:
        profile.load(path)
    assert caught.value.path == str(path) and str(path) in str(caught.value)


def test_an_unknown_profile_is_refused_with_the_nearest_name():
    with pytest.raises(RimError, match="did you mean tiny") as caught:
        profile.load("tny")
    assert caught.value.setting == "profile"


def test_changes_are_checked_too():
    assert profile.load("tiny", train__minutes=3).train.minutes == 3.0
    changed = dataclasses.replace(profile.load("tiny").train, images=3)
    assert changed.images == 3 and changed.sentences == profile.load("tiny").train.sentences
    for change in (
        lambda: profile.load("tiny", train__minutes="3"),
        lambda: dataclasses.replace(changed, minutes="3"),
        lambda: profile.Train(minutes="3"),
    ):
        with pytest.raises(RimError) as caught:
            change()
        assert caught.value.setting == "train.minutes"


def test_the_headers_of_older_runs_load():
    """They have minutes in place of steps, and nothing of the refiner and the baselines."""
    old = json.loads((CHECKPOINTS / "clipmat-tiny.json").read_text())["profile"]
    assert "refiner" not in old and "steps" not in old["clip"]
    found = profile.Profile.from_dict(old)
    assert found.train.steps == 5200 and found.clip.minutes == 14 and found.refiner == profile.Refiner()
    old["train"] |= {"minutes": 11.5, "steps": None}
    by_clock = profile.Profile.from_dict(old).train
    assert (by_clock.steps, by_clock.minutes) == (None, 11.5)


def test_settings_are_read_only_when_they_are_needed():
    """Pydantic takes a tenth of a second: `import rimlib` and `rim --help` go without."""
    code = "import sys, rimlib, rimlib.cli; rimlib.cli._parser(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
