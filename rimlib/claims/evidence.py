"""The records that speak to the paper's numbers, and those that no longer may.

What a record is held to: rimlib's version; the settings of its profile and row as they are now; of a plan, the engine
and the pool; of the shipped model and refiner, the weights. All records of an experiment must be of one data
set (`frame.load`). Not held: the code itself. Its hash stands in each record, but it changes with every comment, and a
record would not outlive a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from rimlib import experiments
from rimlib import profile as profiles
from rimlib.clipmat import refiner
from rimlib.clipmat.pretrained import shipped_file
from rimlib.errors import RimError
from rimlib.experiments import frame
from rimlib.io.files import read_json, sha256
from rimlib.profile import Profile
from rimlib.refmatte import paper_pool, plan
from rimlib.refmatte.build import pool_of
from rimlib.training import record as records
from rimlib.training.record import Record


@dataclass(frozen=True)
class Evidence:
    """Records by experiment, and a line for each that is stale.

    Attributes:
        records: those that may speak.
        stale: file, and what has changed.
    """

    records: dict[str, list[Record]] = field(default_factory=dict)
    stale: tuple[str, ...] = ()

    def of(self, experiment: str | None, profile: str) -> list[Record]:
        """The records of an experiment with a profile; [] where there is none."""
        if experiment not in experiments.NAMES:
            return []
        name = getattr(experiments.get(experiment), "RECORDS", experiment)  # those of another one, read anew
        return [record for record in self.records.get(name, ()) if record["profile"] == profile]


SECTIONS = {"clipseg": "baselines", "mdetr": "baselines", "clip": "clip"}  # of a profile, by what a record trained


def load(folder: Path) -> Evidence:
    """All records of a folder: of the experiments, and of trainings (`train-*`), which are only checked."""
    found: dict[str, list[Record]] = {}
    stale = [_line(path, why) for path in sorted(folder.glob("train-*.json")) if (why := _of_training(path))]
    for path in sorted(folder.glob("experiment-*.json")):
        name = _experiment_of(path)
        if name in experiments.NAMES:
            found.setdefault(name, [])
        else:
            stale.append(_line(path, f"no record of an experiment: it is of {name!r}"))
    for name in found:
        try:
            there = frame.load(name, folder)
        except RimError as error:
            stale.append(str(error))
            continue
        for record in there:
            if why := why_stale(record):
                path = folder / f"experiment-{name}-{record['profile']}-{record['row']}.json"
                stale.append(_line(path, f"{why}; measure it anew: rim experiment {name} --fresh"))
            else:
                found[name].append(record)
    return Evidence(found, tuple(stale))


def why_stale(record: Record) -> str:
    """Why a record of an experiment may no longer speak; "" if it may. Its version is `frame.load`'s to check."""
    about = record["about"]
    try:
        now = _profile_of(record)
    except RimError as error:
        return str(error)
    own = SECTIONS.get(about.get("method", "clipmat"))
    others = tuple(name for name in records.OTHERS if name != own)
    if (changed := records.changed_since(record, now, others)) is not None:
        name, there, here = changed
        return f"{name} is {there!r} there and {here!r} in the profile {now.name} now"
    here = {}
    if "engine" in about:
        here = {"engine": plan.version(now.data), "pool": _fingerprint(now.data.pool)}
    if about.get("model") == "shipped" and "weights" in about:
        here["weights"] = _hash(shipped_file())
    if "refiner" in about:
        here["refiner"] = _hash(refiner.shipped_file())
    for name, value in here.items():
        if about.get(name) != value:
            return f"{name} is {about.get(name)!r} there and {value!r} now"
    return ""


def _profile_of(record: Record) -> Profile:
    """The profile that a record's row would have now. Raises RimError where it, or a setting, is no longer there."""
    about = record["about"]
    base = profiles.load(record["profile"])
    base = getattr(experiments.get(record["experiment"]), "base_of", lambda first: first)(base)
    if _of_paper_pool(record):
        base = replace(base, data=paper_pool.settings())
    return replace(profiles.with_settings(base, about.get("changes", ())), seed=record["seed"])


def _of_paper_pool(record: Record) -> bool:
    return record.get("settings", {}).get("data", {}).get("pool") == "paper"


@cache
def _fingerprint(pool: str) -> str:
    there = paper_pool.pool() if pool == "paper" else pool_of(replace(profiles.load("tiny").data, pool=pool))
    return there.fingerprint()


@cache
def _hash(path: Path) -> str:
    return sha256(path)


def _of_training(path: Path) -> str:
    try:
        record = read_json(path)
        records.read(path, profiles.load(record["profile"]))
    except (RimError, KeyError, TypeError) as error:
        return str(error).removeprefix(f"{path}: ") or "no record"
    return ""


def _experiment_of(path: Path) -> Any:
    try:
        record = read_json(path)
    except RimError:
        return None
    return record.get("experiment") if isinstance(record, dict) else None


def _line(path: Path, why: str) -> str:
    return f"{path}: {why}"
