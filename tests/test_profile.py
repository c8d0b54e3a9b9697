"""Profiles: what is refused, and by which words."""

import pytest

from rimlib import profile
from rimlib.errors import RimError


def test_tiny_is_whole_and_survives_a_round_trip():
    tiny = profile.load("tiny")
    assert tiny.name == "tiny"
    assert profile.Profile.from_dict(tiny.to_dict()) == tiny


@pytest.mark.parametrize("name", profile.names())
def test_every_shipped_profile_loads_under_its_own_name(name):
    assert profile.load(name).name == name


@pytest.mark.parametrize(
    "text, words",
    [
        ("train: {minuets: 3}", ["train.minuets", "minutes"]),
        ("train: {minutes: soon}", ["train.minutes", "number", "soon"]),
        ("train: {images: 2.5}", ["train.images", "whole number"]),
        ("data: {unique: 1}", ["data.unique", "true or false"]),
        ("model: {image_size: 100}", ["model.image_size", "multiple of 16"]),
        ("train: 7", ["train", "settings"]),
        ("data: {relation_shares: [7, 2]}", ["data.relation_shares", "three"]),
        ("train: {keyword_share: 1.5}", ["train.keyword_share", "between 0 and 1"]),
        ("evaluate: {template: a photo}", ["{keyword}"]),
        ("[1, 2]", ["key: value"]),
        ("train: {minutes: [", ["line 1", "YAML"]),
    ],
)
def test_bad_settings_are_named(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RimError) as caught:
        profile.load(path)
    message = str(caught.value)
    assert "mine.yaml" in message and "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_profile_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(RimError, match="did you mean tiny"):
        profile.load("tny")
    with pytest.raises(RimError, match="no such file"):
        profile.load(tmp_path / "none.yaml")


def test_changes_are_checked_too():
    assert profile.load("tiny", train__minutes=3).train.minutes == 3.0
    with pytest.raises(RimError, match="train.minutes must be a number"):
        profile.load("tiny", train__minutes="3")
