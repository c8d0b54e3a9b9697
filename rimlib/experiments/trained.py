"""Rows that are trainings: a profile with some settings changed, trained on the same steps as the others, and scored.

A training that was stopped goes on where it was. Its folder is named after what is trained, so that two experiments
that need the same model train it once. Each change is trained with several seeds, on the same data; a table has their
mean and their sample deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.entities import rwmini
from rimlib.errors import RimError, nearest
from rimlib.evaluation.evaluate import SCORES, evaluate, scores
from rimlib.experiments.frame import Row, plain_name
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training import clipmat as training
from rimlib.training.record import Record

OPTIONS = ("rows", "seeds", "runs")  # of an experiment whose rows are trainings
Score = Callable[[CLIPMat, Profile], dict[str, Any]]  # of a model and its profile


@dataclass(frozen=True)
class Change:
    """What a row changes.

    Attributes:
        name: of the row.
        settings: as `rim train --set` takes them, "model.coordinates=false"; (): nothing.
        what: it is, in words.
        weights: what the training starts from, see `CLIPMat.from_profile`.
    """

    name: str
    settings: tuple[str, ...]
    what: str
    weights: str = "clip"


def rows_of(
    changes: Sequence[Change],
    base: Profile,
    options: argparse.Namespace,
    score: Score,
    splits: tuple[str, ...] = ("train", "seen", "test"),
) -> Iterator[Row]:
    """The rows of an experiment, for each seed all changes; what cannot be used is refused before the first of them.

    Args:
        changes: of the base's settings.
        base: the profile that all rows have in common.
        options: rows (names of some changes, or None for all), seeds (how many, or None for one), images (that a model
            is scored on, or None for all), runs (the folder of the trainings, or None for `runs/experiments` of the
            repository) and fresh (train again what is trained).
        score: measures a trained model on the base's data set, whose folder is the base's.
        splits: of that data set.

    Raises:
        RimError: an unknown row, no seed, no image, a setting that does not exist.
    """
    for name, number in (("seeds", options.seeds), ("images", options.images)):
        if number is not None and number < 1:
            raise RimError(f"--{name} {number}: must be 1 or more", setting=name)
    names = [change.name for change in changes]
    for name in options.rows or ():
        if name not in names:
            message = f"--rows {name}{nearest(name, names)}: must be some of {', '.join(names)}"
            raise RimError(message, setting="rows")
    chosen = [change for change in changes if not options.rows or change.name in options.rows]
    for change in chosen:
        profiles.with_settings(base, change.settings)
    folder = Path(options.runs or repository() / "runs" / "experiments")

    def every() -> Iterator[Row]:
        data = build(base.data, folder_of(base), splits=splits, workers=1)
        for seed in range(1, (options.seeds or 1) + 1):
            for change in chosen:
                yield row(change, base, seed, folder, score, data, not options.fresh)

    return every()


def rows_on_sets(changes: Sequence[Change], options: argparse.Namespace) -> Iterator[Row]:
    """The rows of one of the paper's tables: of the profile `options.profile`, scored by `on_sets`."""
    base = profiles.load(options.profile or "tiny")
    return rows_of(changes, base, options, partial(on_sets, data=folder_of(base), images=options.images))


def on_sets(model: CLIPMat, profile: Profile, data: Path, images: int | None = None) -> dict[str, Any]:
    """The scores of the paper's tables: of both settings on scenes of seen and of unseen entities, and of RW-mini.

    Args:
        model: the trained model.
        profile: its own, whose template it is asked in.
        data: the folder of a data set with the splits `seen` and `test`.
        images: of each set, the first so many; all if None.
    """
    real = evaluate(model, RefMatte(rwmini.FOLDER, "rw100", "expression"), limit=images, profile=profile)["metrics"]
    found = {"expression, RW-mini": {key: round(real[key], 4) for key in SCORES}}
    return {"sets": scores(model, data, profile, limit=images) | found}


def table_of(
    found: list[Record], changes: Sequence[Change], keys: Sequence[str], sets: str = ""
) -> list[dict[str, Any]]:
    """A line for each change and each of the sets that were scored, over the seeds, in the changes' order.

    Args:
        found: the records of an experiment.
        changes: those of the experiment.
        keys: of `SCORES`, the columns.
        sets: only those whose name begins so.
    """
    names = [change.name for change in changes]
    lines = [
        {
            **{"profile": record["profile"], "row": record["about"]["change"], "scored on": name},
            "settings": ", ".join(record["about"]["changes"]),
            "steps": record["about"]["steps"],
            **{key: scored[key] for key in keys},
            "minutes": record["metrics"]["training"]["minutes"],
        }
        for record in sorted(found, key=lambda record: names.index(record["about"]["change"]))
        for name, scored in record["metrics"]["sets"].items()
        if name.startswith(sets)
    ]
    return over_seeds(lines, ("profile", "row", "scored on", "settings", "steps"))


def row(
    change: Change, base: Profile, seed: int, folder: Path, score: Score, scored_on: Path, resume: bool = True
) -> Row:
    """The row of a change, with a seed.

    Args:
        change: of the base's settings.
        base: the profile that all rows have in common.
        seed: of the training; the data have their own.
        folder: of the trainings; each has one of its own in it.
        score: measures the trained model.
        scored_on: the data set that `score` looks at.
        resume: go on from an interrupted training, and keep one that is complete.

    Raises:
        RimError: a setting that does not exist, or a value out of its range.
    """
    profile = replace(profiles.with_settings(base, change.settings), seed=seed)
    name = f"{change.name}-seed{seed}"
    changed = [plain_name(text.replace(".", "-")) for text in change.settings]
    run_name = "-".join([base.name, *([] if change.weights == "clip" else [change.weights]), *changed, f"seed{seed}"])
    about = {
        "change": change.name,
        "changes": list(change.settings),
        "what": change.what,
        "weights": change.weights,
        "steps": profile.train.steps,
        "images": profile.train.images,
        "data": asdict(profile.data),
        "scored_on": RefMatte(scored_on, "train").fingerprint,
    }

    def measure(stages: Any) -> dict[str, Any]:
        with stages("data"):
            data = build(profile.data, folder_of(profile), workers=1)
        with stages("training"):
            run = training.train(profile, data, folder / run_name, change.weights, resume=resume)
        with stages("scoring"):
            found = score(CLIPMat.load(folder / run_name), profile)
        return {"training": run["metrics"], **found}

    return Row(name, profile, about, measure, device="cpu")


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
