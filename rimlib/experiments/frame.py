"""The frame of all experiments: a row is measured once, and its record is what every table is made of.

A record is `experiment-<experiment>-<profile>-<row>.json`. It has what the other run records have, and `about`: plain
values of what was measured on what. A run measures only the rows whose record is missing, so one that was stopped goes
on with the next row; a record of something else is refused by its name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rimlib
from rimlib import experiments
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import Profile
from rimlib.repository import repository
from rimlib.training import record as records
from rimlib.training.record import Record, Stages

SHARED = (
    "scored_on",
    "steps",
    "images",
    "refiner",
)  # of `about`, what rows agree in; `VARIES` of an experiment may not


@dataclass(frozen=True)
class Row:
    """One row of an experiment.

    Attributes:
        name: what it is, unique among the rows of its profile: `plan`, `shipped-seen`.
        profile: whose settings and seed the record has.
        about: of what it is measured on (data, weights, how many images); another value is another measurement.
        measure: gives the metrics; its seconds go to the stages that it is given.
        device: of torch, where a model is measured.
    """

    name: str
    profile: Profile
    about: dict[str, Any]
    measure: Callable[[Stages], dict[str, Any]]
    device: str | None = None

    def path(self, experiment: str, folder: Path) -> Path:
        """Where its record is."""
        return folder / f"experiment-{experiment}-{self.profile.name}-{self.name}.json"


def folder_of_records() -> Path:
    """Where records are kept that the book cites: `results/runs/` of the repository."""
    return repository() / "results" / "runs"


def plain_name(text: str) -> str:
    """A part of a record's name: letters, digits and hyphens.

    >>> plain_name("runs/My model.safetensors")
    'my-model'
    """
    return re.sub(r"[^a-z0-9]+", "-", Path(text).with_suffix("").name.lower()).strip("-") or "model"


def run(experiment: str, rows: Iterable[Row], folder: Path, fresh: bool = False) -> list[Record]:
    """The records of some rows; those that are missing are measured and written, one by one.

    Args:
        experiment: its name.
        rows: taken one after the other.
        folder: of the records.
        fresh: measure again what has a record.

    Raises:
        RimError: a record in the place of a row is of something else, or cannot be read or written.
    """
    found = []
    for row in rows:
        path = row.path(experiment, folder)
        about = {"version": rimlib.__version__, **row.about}
        if path.exists() and not fresh:
            record = read(path, experiment)
            _compare(path, record["about"], about)
            note = "kept: it has a record"
        else:
            stages = Stages()
            record = records.new("experiment", row.profile, experiment=experiment, row=row.name, about=about)
            with stages("all"):
                metrics = row.measure(stages)
            records.write(path, records.finish(record, stages, metrics, row.device))
            note = f"{stages.seconds['all']:.1f} s"
        print(f"{path.name}: {note}", file=sys.stderr, flush=True)
        found.append(record)
    return found


def load(experiment: str, folder: Path, profile: str | None = None, empty: bool = False) -> list[Record]:
    """All records of an experiment in a folder, by name; of one profile, if it is named; `empty`: there may be none.

    Raises:
        RimError: there is none, or one that is no such record, of another version of rimlib, or of other data, steps
            or images than those of the same profile beside it.
    """
    paths = sorted(folder.glob(f"experiment-{experiment}-*.json")) if folder.is_dir() else []
    found = [read(path, experiment) for path in paths]
    for path, record in zip(paths, found):
        if (version := record["about"].get("version")) != rimlib.__version__:
            what = f"a record of rimlib {version}, this is {rimlib.__version__}"
            raise RimError(f"{path}: {what}; measure it anew: rim experiment {experiment} --fresh", path=path)
    varies = getattr(experiments.get(experiment), "VARIES", ())
    _of_one_table(paths, found, [name for name in SHARED if name not in varies])
    found = [record for record in found if profile in (None, record["profile"])]
    if not found and not empty:
        of = "" if profile is None else f" of profile {profile}"
        hint = f"rim experiment {experiment} makes them"
        raise RimError(f"{folder}: no record of the experiment {experiment}{of} here; {hint}", path=folder)
    return found


def _of_one_table(paths: list[Path], found: list[Record], names: Sequence[str]) -> None:
    """Raise RimError where two records of one profile cannot stand in one table; the later one is named."""
    seen: dict[tuple[str, str], tuple[Any, Path]] = {}
    for path, record in zip(paths, found):
        about = record["about"]
        shared = {name: about[name] for name in names if name in about}
        if (data := about.get("data", {})).keys() >= {"split", "fingerprint"}:
            shared[f"data of {data['split']}"] = data["fingerprint"]
        for name, value in shared.items():
            other, where = seen.setdefault((record["profile"], name), (value, path))
            if other != value:
                what = f"{name} is {value!r} there and {other!r} in {where.name}: they cannot stand in one table"
                raise RimError(f"{path}: {what}; delete one, or keep them in two folders", path=path, setting=name)


def read(path: Path, experiment: str) -> Record:
    """One record. Raises RimError for a file that is none of this experiment."""
    record = files.read_json(path)
    keys = {"profile": str, "row": str, "seed": int, "about": dict, "metrics": dict}
    if (
        not isinstance(record, dict)
        or record.get("experiment") != experiment
        or any(not isinstance(record.get(key), kind) for key, kind in keys.items())
    ):
        raise RimError(f"{path}: no record of the experiment {experiment}; delete it or take another folder", path=path)
    return record


def _compare(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    here = json.loads(json.dumps(here))  # as a record has it
    if (changed := records.difference(there, here)) is not None:
        name, recorded, wanted = changed
        what = f"a record of another measurement ({name} is {recorded!r} there and {wanted!r} here)"
        raise RimError(f"{path}: {what}; give another --out, or --fresh to measure it anew", path=path, setting=name)
