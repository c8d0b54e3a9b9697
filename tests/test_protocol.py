"""The paper's profiles are held against the table of its own numbers, and the page against the table."""

import importlib
import re

import pytest

from rimlib import profile as profiles
from rimlib import protocol, settings, settings_file
from rimlib.errors import RimError
from rimlib.profile import FOLDER, Profile
from rimlib.repository import repository
from rimlib.training import baselines as training

NAMES = {name for name in settings.flat(Profile().to_dict()) if name.split(".")[0] not in protocol.NOT_THERE}
ROWS = {row.name: row for row in protocol.rows() if not row.name.startswith(protocol.FACTS)}
PAGE = repository() / "book" / "protocol.md"
PRINTED = (
    r"(Sec\. \d(\.\d(\.\d)?)?|S\d(\.\d)*|Tables? \d+|Eq\. \d+|Figure \d|GFM|P3M|MDETR)"  # of the paper or a source
)


def test_every_setting_has_one_row_and_no_row_is_of_none():
    assert set(ROWS) == NAMES and len(ROWS) == len([row for row in protocol.rows() if row.name in ROWS])


@pytest.mark.parametrize("name", protocol.PROFILES)
def test_a_paper_profile_names_every_setting(name):
    """What it left out would have the default of tiny, today's and tomorrow's."""
    values, _ = settings_file.read_file(name, FOLDER)
    assert set(settings.flat(values)) - {"name"} == NAMES


@pytest.mark.parametrize("name", protocol.PROFILES)
def test_a_paper_profile_has_the_values_of_the_table(name):
    found = settings.flat(profiles.load(name).to_dict())
    wanted = {row.name: row.value(name) for row in ROWS.values()}
    assert {key: found[key] for key in wanted} == wanted


def test_the_paper_profiles_are_those_of_the_table():
    assert sorted(protocol.PROFILES) == [name for name in profiles.names() if name.startswith("paper-")]


@pytest.mark.parametrize("row", protocol.rows(), ids=lambda row: row.name)
def test_a_row_says_where_and_why(row):
    places = re.split(r"[,;] | and | to ", row.where)
    assert all(re.fullmatch(rf"{PRINTED}|\d(\.\d)?", place) for place in places), row.where
    assert row.paper == "same" or row.why, "another value than the paper's has a reason"
    for part in _parts(row.ours):
        assert not isinstance(part, dict) or part.keys() in ({"b16", "l14"}, {"expression", "keyword"}), part
    if row.name.startswith(protocol.FACTS):
        _resolve(row.code)
    else:
        assert not row.code


def _parts(value):
    yield value
    for below in value.values() if isinstance(value, dict) else ():
        yield from _parts(below)


def _resolve(path):
    """What a dotted name means; fails where it means nothing."""
    module, _, name = path.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        found = _resolve(module)
    return (
        found.__dataclass_fields__[name] if name in getattr(found, "__dataclass_fields__", ()) else getattr(found, name)
    )


def test_all_trainings_are_of_fifty_epochs_and_the_refiners_of_p3ms():
    for name in protocol.PROFILES:
        profile = profiles.load(name)
        both = [training.with_changes(profile, baseline).train for baseline in ("clipseg", "mdetr")]
        assert all((train.epochs, train.steps, train.minutes) == (50, None, None) for train in (profile.train, *both))
        assert [train.images for train in both] == [32, 8] and profile.refiner.epochs == 150


def test_a_length_in_steps_takes_the_place_of_epochs_and_the_other_way_round(tmp_path):
    paper = profiles.load("paper-b16")
    for texts, wanted in (
        (["train.steps=100"], (100, None)),
        (["train.steps=100", "train.epochs=2"], (None, 2)),
        (["train.epochs=2", "train.steps=100"], (100, None)),
        (["train.minutes=3"], (None, 50)),
    ):
        changed = profiles.with_settings(paper, texts).train
        assert (changed.steps, changed.epochs) == wanted, texts
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: paper-b16\ntrain: {steps: 100}")
    assert (profiles.load(mine).train.steps, profiles.load(mine).train.epochs) == (100, None)
    mine.write_text("base: tiny\ntrain: {epochs: 2}")
    assert (profiles.load(mine).train.steps, profiles.load(mine).train.epochs) == (None, 2)
    shorter = profiles.with_settings(paper, ["baselines.clipseg.steps=7"])
    assert training.with_changes(shorter, "clipseg").train.steps == 7
    assert training.with_changes(shorter, "clipseg").train.epochs is None


def test_what_tiny_adds_is_in_no_paper_profile():
    for name in protocol.PROFILES:
        profile = profiles.load(name)
        for loop in (profile.train, profile.refiner):
            assert (loop.ema, loop.schedule, loop.warmup, loop.weight_decay, loop.clip_norm) == (0, "fixed", 0, 0, 0)
            assert loop.optimizer == "adam" and loop.validation_images == 0
        model, train = profile.model, profile.train
        assert not (model.score_map or model.popup_residual or model.details_text or model.mask_padding)
        assert train.losses.score_map == train.no_target == 0 and train.sentences == 1


def test_an_unknown_section_is_refused():
    with pytest.raises(RimError, match="did you mean train"):
        protocol.rows("trian")


def test_the_page_has_the_table():
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"^% protocol: (\w+)\n\n((?:\|.*\n)+)", text, re.M)
    assert sorted(name for name, _ in shown) == sorted({row.name.split(".")[0] for row in protocol.rows()})
    for name, table in shown:
        assert table == protocol.markdown(name), f"`python -m rimlib.protocol {name}` prints the table"
