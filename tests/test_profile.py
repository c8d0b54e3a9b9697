"""Profiles: what is refused, by which field, and what old files need."""

import dataclasses
import json
import subprocess
import sys

import pytest

from rimlib import profile
from rimlib.errors import RimError
from rimlib.repository import repository


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


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_a_profile_of_ones_own_builds_on_another(tmp_path):
    write(tmp_path, "wide.yaml", "base: paper-b16\ntrain: {images: 4, losses: {ce: 0.5}}")
    found = profile.load(write(tmp_path, "mine.yaml", "base: wide.yaml\nseed: 7\ntrain: {images: 2}"))
    paper = profile.load("paper-b16")
    assert (found.name, found.seed, found.train.images, found.train.losses.ce) == ("mine", 7, 2, 0.5)
    wanted = {**paper.to_dict(), "name": "mine", "seed": 7}
    wanted["train"] |= {"images": 2, "losses": {**wanted["train"]["losses"], "ce": 0.5}}
    assert found.to_dict() == wanted, "all else is the base's"


@pytest.mark.parametrize(
    "text, setting, words",
    [
        ("base: papr-b16", "profile", ["mine.yaml: base: profile 'papr-b16'", "did you mean paper-b16?"]),
        ("base: there.yaml", None, ["mine.yaml: base: there.yaml: no such file"]),
        ("base: mine.yaml", "base", ["mine.yaml: base: mine.yaml builds on this file itself"]),
        ("base: other.yaml", "base", ["other.yaml: base: mine.yaml builds on this file itself"]),
        ("base: [tiny]", "base", ["must be the name or the path", "['tiny']"]),
        ("base: tiny\ntrain: {imagse: 3}", "train.imagse", ["mine.yaml", "did you mean images?"]),
    ],
)
def test_a_base_that_cannot_be_is_named(tmp_path, text, setting, words):
    write(tmp_path, "other.yaml", "base: mine.yaml")
    with pytest.raises(RimError) as caught:
        profile.load(write(tmp_path, "mine.yaml", text))
    message = str(caught.value)
    assert caught.value.setting == setting and "\n" not in message
    assert all(word in message for word in words), message


def test_settings_are_replaced_as_a_command_line_names_them():
    tiny = profile.load("tiny")
    given = [
        "train.images=24",
        "train.lr=1e-4",
        "train.minutes = 3",
        "model.details_out=[64, 32, 16, 8]",
        "name=my run",
    ]
    found = profile.with_settings(tiny, given)
    assert (found.train.images, found.train.lr, found.train.minutes, found.name) == (24, 1e-4, 3.0, "my run")
    assert found.model.details_out == (64, 32, 16, 8)
    assert profile.with_settings(tiny, ["train.images=2", "train.images=3"]).train.images == 3, "the last one"
    assert profile.with_settings(found, ["train.minutes=null"]).train.minutes is None
    assert profile.with_settings(tiny, []) == tiny
    # Two that only together fit each other.
    both = ["model.details_channels=[96, 64, 32, 8]", "model.details_out=[64, 32, 8, 8]"]
    assert profile.with_settings(tiny, both).model.details_channels[3] == 8


@pytest.mark.parametrize(
    "text, setting, words",
    [
        ("train.imagse=24", "train.imagse", ["did you mean images?"]),
        ("trian.images=24", "trian", ["did you mean train?"]),
        ("train.images.more=24", "train.images", ["integer"]),
        ("train.images=many", "train.images", ["integer", "'many'"]),
        ("train.images=", "train.images", ["integer"]),
        ("train.images", "set", ["'train.images': must be SETTING=VALUE"]),
        ("=3", "set", ["SETTING=VALUE"]),
        ("train.=3", "set", ["SETTING=VALUE"]),
        ("train=3", "train", ["must hold settings"]),
        ("train.lr=[1", None, ["'train.lr=[1': not readable as YAML"]),
        ("model.details_channels=[96, 64, 32, 8]", "model.details_out", ["must be [64, 32, 8]"]),
    ],
)
def test_a_setting_of_the_command_line_that_cannot_be_is_named(text, setting, words):
    with pytest.raises(RimError) as caught:
        profile.with_settings(profile.load("tiny"), [text])
    message = str(caught.value)
    assert caught.value.setting == setting and message.startswith("--set") and "\n" not in message
    assert all(word in message for word in words), message


def test_numbers_may_be_written_as_people_write_them(tmp_path):
    found = profile.load(
        write(tmp_path, "mine.yaml", "name: 1e-4x\ntrain: {lr: 1e-4, lr_image: 2E-6, lr_text: 1.5e-7}")
    )
    assert (found.name, found.train.lr, found.train.lr_image, found.train.lr_text) == ("1e-4x", 1e-4, 2e-6, 1.5e-7)


def test_the_headers_of_older_runs_load():
    """They have minutes in place of steps, and nothing of the refiner and the baselines."""
    old = json.loads((repository() / "results" / "runs" / "train-tiny-long.json").read_text())["settings"]
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
