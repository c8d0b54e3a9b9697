"""Rows that measure one model, the shipped one or another: on each set of images, in each of several ways.

A row is one evaluation, with the intervals of `rim evaluate`; its table has what was measured on what, and the cost.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.pretrained import file_of, shipped_file
from rimlib.entities import rwmini
from rimlib.errors import RimError
from rimlib.evaluation import cost
from rimlib.evaluation.by_kind import ByKind
from rimlib.evaluation.evaluate import ERRORS, SPLITS, evaluate
from rimlib.experiments.frame import Row, plain_name
from rimlib.io.files import sha256
from rimlib.profile import Profile
from rimlib.refmatte import released
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

OPTIONS = ("data", "model")
INTERVALS = ("sad", "localised")
SETS = {**SPLITS, "photographs": "rw100"}  # by what a table calls them: splits of a data set
REAL = "RW-mini"  # what ships with the package
BY_KIND = "kind and place"  # a setting beside the two of a data set, see `by_kind`


@dataclass(frozen=True)
class Subject:
    """A model that is measured: `name`, a part of a row's name, and `weights`, the sha256 of its file."""

    model: CLIPMat
    name: str
    weights: str

    @classmethod
    def of(cls, options: argparse.Namespace) -> Subject:
        """The model of `options`: a path or `shipped`, which None is too. Raises RimError."""
        given = options.model or "shipped"
        if given == "shipped":
            return cls(CLIPMat.shipped(), given, sha256(shipped_file()))
        return cls(CLIPMat.load(given), plain_name(str(given)), sha256(file_of(given)))

    @cached_property
    def gflops(self) -> float:
        """Of one image and one sentence."""
        return cost.of_model(self.model).gflops


Way = tuple[str, dict[str, Any]]
"""A setting, and what `evaluate` is given beside."""


def rows_of(
    options: argparse.Namespace, setting: str, ways: dict[str, dict[str, Any]], real: bool = False
) -> Iterator[Row]:
    """A row for each set and each way, all of one setting; see `rows_by`."""
    return rows_by(options, {name: (setting, way) for name, way in ways.items()}, real)


def rows_by(options: argparse.Namespace, ways: dict[str, Way], real: bool = False) -> Iterator[Row]:
    """A row for each set and each way; what cannot be used is refused before the first of them.

    Args:
        options: profile, data (a folder, or None for the profile's own, which is built), model, and images (the first
            so many of each set, or None for all).
        ways: by name; a setting is "expression", "keyword" or `BY_KIND`.
        real: whether RW-mini is a set too, beside scenes of seen and of unseen entities.
    """
    profile = profiles.load(options.profile or "tiny")
    if options.images is not None and options.images < 1:
        raise RimError(f"--images {options.images}: must be 1 or more", setting="images")
    settings = tuple(dict.fromkeys(setting for setting, _ in ways.values()))
    if options.data is not None:
        for setting in settings:
            _sets(options.data, setting, real)
    subject = Subject.of(options)

    def every() -> Iterator[Row]:
        data = options.data or build(profile.data, folder_of(profile), splits=tuple(SPLITS.values()))
        sets = {setting: _sets(data, setting, real) for setting in settings}
        for label in sets[settings[0]]:
            for name, (setting, way) in ways.items():
                yield _row(profile, subject, label, sets[setting][label], name, way, options.images)

    return every()


def _sets(data: str | Path, setting: str, real: bool) -> dict[str, RefMatte]:
    """The sets of a data set by what a table calls them; one that is broken is refused."""
    there, known = released.splits(data), SETS if real else SPLITS
    found = {label: _read(data, split, setting) for label, split in known.items() if split in there}
    if not found:
        wanted = ", ".join(known.values())
        raise RimError(f"{data}: it has {', '.join(there)}, and none of {wanted}", path=data)
    return found | ({REAL: _read(rwmini.FOLDER, "rw100", setting)} if real else {})


def _read(data: str | Path, split: str, setting: str) -> RefMatte:
    return ByKind(data, split) if setting == BY_KIND else RefMatte(data, split, setting)


def _row(
    profile: Profile,
    subject: Subject,
    label: str,
    refmatte: RefMatte,
    name: str,
    way: dict[str, Any],
    images: int | None,
) -> Row:
    about = {
        "model": subject.name,
        "weights": subject.weights,
        "data": {"split": label, "fingerprint": refmatte.fingerprint},
        "images": images,
        **way,
    }
    model = subject.model
    known = model.profile or profile
    given = {"template": prompt.template(known), "batch": profile.evaluate.batch, "progress": True, **way}

    def measure(stages: Any) -> dict[str, Any]:
        templates = list(prompt.templates(known.model))
        facts = {"steps": known.train.steps, "gflops": subject.gflops, "templates": templates}
        with stages("evaluation"):
            scores = evaluate(model, refmatte, limit=images, profile=known, edges=False, **given)["metrics"]
        return {"model": facts, "scores": scores}

    parts = (subject.name, plain_name(label), name)
    return Row("-".join(part for part in parts if part), profile, about, measure, device="cpu")


def place(record: Record) -> tuple[str, str, int]:
    """Where a record's lines stand in a table: by profile, model and set."""
    about = record["about"]
    return record["profile"], about["model"], (*SETS, REAL).index(about["data"]["split"])


def line(record: Record, scores: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """A line of a table: what was measured, its `facts`, errors and intervals, data and cost.

    Args:
        record: of a row.
        scores: of all its sentences or of some, as `summary` has them.
        facts: of these.
    """
    about, model = record["about"], record["metrics"]["model"]
    between = scores.get("interval", {})
    return {
        **{"profile": record["profile"], "model": about["model"], "scored on": about["data"]["split"], **facts},
        "sentences": scores["entities"],
        **{key: round(scores[key], 4) for key in (*ERRORS, "sad_ratio", "localised")},
        **{f"{key} 95 %": [round(value, 4) for value in between[key]] for key in INTERVALS if key in between},
        "data": about["data"]["fingerprint"][:8],
        "steps": model["steps"],
        "GFLOPs": model["gflops"],
        "minutes": round(record["seconds"]["all"] / 60, 2),
    }
