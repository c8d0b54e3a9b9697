"""Rows that are trainings: a profile with some settings changed, trained on the same steps as the others, and scored.

A training that was stopped goes on where it was; its folder is named after the row. Each change is trained with several
seeds, on the same data; a table has their mean and their sample deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.experiments.frame import Row
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import clipmat as training

Score = Callable[[CLIPMat], dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """What a row changes.

    Attributes:
        name: of the row.
        settings: as `rim train --set` takes them, "model.coordinates=false"; (): nothing.
        what: it is, in words.
    """

    name: str
    settings: tuple[str, ...]
    what: str


def row(change: Change, base: Profile, seed: int, folder: Path, score: Score, scored_on: Path) -> Row:
    """The row of a change, with a seed.

    Args:
        change: of the base's settings.
        base: the profile that all rows have in common.
        seed: of the training; the data have their own.
        folder: of the trainings; each has one of its own in it.
        score: measures the trained model.
        scored_on: the data set that `score` looks at.

    Raises:
        RimError: a setting that does not exist, or a value out of its range.
    """
    profile = replace(profiles.with_settings(base, change.settings), seed=seed)
    name = f"{change.name}-seed{seed}"
    about = {
        "change": change.name,
        "changes": list(change.settings),
        "what": change.what,
        "steps": profile.train.steps,
        "images": profile.train.images,
        "data": asdict(profile.data),
        "scored_on": RefMatte(scored_on, "train").fingerprint,
    }

    def measure(stages: Any) -> dict[str, Any]:
        with stages("data"):
            data = build(profile.data, folder_of(profile), workers=1)
        with stages("training"):
            run = training.train(profile, data, folder / f"{base.name}-{name}")
        with stages("scoring"):
            found = score(CLIPMat.load(folder / f"{base.name}-{name}"))
        return {"training": run["metrics"], **found}

    return Row(name, profile, about, measure, device="cpu")


def seeds_of(count: int) -> range:
    """The seeds of so many trainings: 1, 2, … Raises RimError for none."""
    if count < 1:
        raise RimError(f"--seeds {count}: must be 1 or more", setting="seeds")
    return range(1, count + 1)


def over_seeds(rows: Iterable[dict[str, Any]], by: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that agree in `by` as one: their number, and of each other number its mean and sample deviation (n - 1).

    >>> over_seeds([{"row": "a", "sad": 1.0}, {"row": "a", "sad": 2.0}, {"row": "b", "sad": 3.0}], ["row"])[0]
    {'row': 'a', 'seeds': 2, 'sad': 1.5, 'sad ±': 0.7071}
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    found = []
    for key, some in groups.items():
        line: dict[str, Any] = {**dict(zip(by, key)), "seeds": len(some)}
        for name in (name for name in some[0] if name not in by):
            values = [one[name] for one in some if one.get(name) is not None]
            line[name] = round(mean(values), 4) if values else None
            line[f"{name} ±"] = round(stdev(values), 4) if len(values) > 1 else None
        found.append(line)
    return found
