"""Rows that are trainings: a profile with some settings changed, trained on the same steps as the others, and scored.

A training that was stopped goes on where it was. Its folder is named after what is trained, so that two experiments
that need the same model train it once. Each change is trained with several seeds, on the same data; `seeds` makes
tables of their records.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import Refiner, shipped_file
from rimlib.entities import rwmini
from rimlib.errors import RimError, nearest
from rimlib.evaluation import cost
from rimlib.evaluation.evaluate import scores_on, sets_of
from rimlib.experiments.frame import Row, plain_name
from rimlib.io.files import sha256
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training import baselines as baseline_training
from rimlib.training import clipmat as training
from rimlib.training.record import Record

OPTIONS = ("rows", "seeds", "runs")  # of an experiment whose rows are trainings
LONGEST = 100  # letters of a folder's name that its changes may have
Score = Callable[[Any, Profile], dict[str, Any]]  # of a trained model and its profile


@dataclass(frozen=True)
class Change:
    """What a row changes.

    Attributes:
        name: of the row.
        settings: as `rim train --set` takes them, "model.coordinates=false"; (): nothing.
        what: it is, in words.
        weights: what a CLIPMat starts from, see `CLIPMat.from_profile`.
        method: what is trained: "clipmat", or one of `baselines.TRAINABLE`, which starts where `train-baseline` does
            and has what the profile's `baselines` change.
    """

    name: str
    settings: tuple[str, ...]
    what: str
    weights: str = "clip"
    method: str = "clipmat"

    def profile(self, base: Profile, seed: int) -> Profile:
        """The profile that is trained."""
        profile = replace(profiles.with_settings(base, self.settings), seed=seed)
        return profile if self.method == "clipmat" else baseline_training.with_changes(profile, self.method)

    def start(self, profile: Profile) -> str:
        """What its training starts from."""
        return self.weights if self.method == "clipmat" else baseline_training.weights_of(profile) or "public"

    def folder(self, base: Profile, seed: int, recipe: str = "") -> str:
        """The name of its training's folder; `recipe` names what the base has beside its profile."""
        changes = "-".join(plain_name(text.replace(".", "-")) for text in self.settings)
        if len(changes) > LONGEST:
            changes = hashlib.sha256(changes.encode()).hexdigest()[:8]
        own = [self.method] * (self.method != "clipmat") + [self.weights] * (self.weights != "clip")
        return "-".join(filter(None, [base.name, recipe, *own, changes, f"seed{seed}"]))

    def train(
        self, profile: Profile, data: Path, out: Path, resume: bool, weights: str | Path = ""
    ) -> tuple[Record, Any]:
        """The record of its training, and the trained model. `weights`: for a CLIPMat, in place of its own."""
        if self.method == "clipmat":
            return training.train(profile, data, out, weights or self.weights, resume=resume), CLIPMat.load(out)
        record = baseline_training.train(self.method, profile, data, out, resume=resume)
        size, weights = baseline_training.size_of(profile), out / f"{self.method}.safetensors"
        return record, baselines.get(self.method, size, str(weights))


@dataclass(frozen=True)
class Plan:
    """What all rows of an experiment have in common.

    Attributes:
        base: the profile that they change.
        score: measures a trained model.
        options: rows (names of some changes, or None for all), seeds (see `seeds_of`), images (that a model
            is scored on, or None for all), runs (the folder of the trainings, or None for `runs/experiments` of the
            repository) and fresh (train again what is trained).
        splits: of the base's data set, which is what `score` looks at.
        refiner: whether the shipped refiner is scored too.
        recipe: names what the base has beside its profile, "" for nothing.
        first: the profile of a training that all rows go on from, on its own data; None for none. The experiments that
            need a model of it share it, as all their trainings.
    """

    base: Profile
    score: Score
    options: argparse.Namespace
    splits: tuple[str, ...] = ("train", "seen", "test")
    refiner: bool = False
    recipe: str = ""
    first: Profile | None = None

    def rows(self, changes: Sequence[Change]) -> Iterator[Row]:
        """For each seed a row of each change; what cannot be used is refused before the first of them.

        Raises:
            RimError: an unknown row, no seed, no image, a setting that does not exist.
        """
        options, seeds = self.options, seeds_of(self.options.seeds)
        if options.images is not None and options.images < 1:
            raise RimError(f"--images {options.images}: must be 1 or more", setting="images")
        chosen = chosen_of(changes, options.rows)
        for change in chosen:
            change.profile(self.base, seed=1)
        return self._rows(chosen, seeds)

    def _rows(self, changes: Sequence[Change], seeds: Sequence[int]) -> Iterator[Row]:
        data = build(self.base.data, folder_of(self.base), splits=self.splits, workers=1)
        scored_on = RefMatte(data, "train").fingerprint
        for seed in seeds:
            for change in changes:
                yield self._row(change, seed, scored_on)

    def _row(self, change: Change, seed: int, scored_on: str) -> Row:
        trained, folder = change.profile(self.base, seed), Path(self.options.runs or repository() / "runs/experiments")
        about = {
            "change": change.name,
            "changes": list(change.settings),
            "what": change.what,
            "method": change.method,
            "weights": change.start(trained),
            **({"first": {"profile": self.first.name, "steps": self.first.train.steps}} if self.first else {}),
            "steps": trained.train.steps,
            "batch": trained.train.images,
            "data": asdict(trained.data),
            "scored_on": scored_on,
            "images": self.options.images,
            **({"refiner": sha256(shipped_file())} if self.refiner else {}),
        }

        def measure(stages: Any) -> dict[str, Any]:
            with stages("first"):
                weights = self._first(seed, folder)
            with stages("data"):
                data = build(trained.data, folder_of(trained), workers=1)
            with stages("training"):
                out = folder / change.folder(self.base, seed, self.recipe)
                run, model = change.train(trained, data, out, resume=not self.options.fresh, weights=weights)
            with stages("scoring"):
                found = self.score(model, trained)
            return {"training": run["metrics"], "data": run["data"], "cost": self._cost(model), **found}

        # The record has the settings as the profile gives them; those of a baseline are a section of it.
        own = replace(profiles.with_settings(self.base, change.settings), seed=seed)
        return Row(f"{change.name}-seed{seed}", own, about, measure, device="cpu")

    def _first(self, seed: int, folder: Path) -> str | Path:
        """The folder of the training that all go on from; "" where there is none. It is kept where it is complete."""
        if self.first is None:
            return ""
        plain, profile = Change("first", (), "the profile as it is"), replace(self.first, seed=seed)
        out = folder / plain.folder(self.first, seed)
        plain.train(profile, build(profile.data, folder_of(profile), workers=1), out, resume=True)
        return out

    def _cost(self, model: Any) -> dict[str, Any]:
        own, data = cost.of_model(model), self.base.data
        found = {"parameters": own.parameters, "gflops": own.gflops}
        if self.refiner:
            found["refiner_gflops"] = cost.of_refiner(Refiner.shipped(), data.height, data.width).gflops
        return found


def steps_of(profile: Profile) -> int:
    """The steps of a profile that counts them. Raises RimError for one that counts epochs or minutes."""
    if profile.train.steps is None:
        message = f"profile {profile.name}: train.steps is null; this experiment needs a number of steps, such as 1500"
        raise RimError(message, setting="train.steps")
    return profile.train.steps


def seeds_of(text: str | None) -> list[int]:
    """Seeds as a command line names them: how many, from 1 on, or a list of them. Raises RimError.

    >>> seeds_of("3"), seeds_of("2,5"), seeds_of(None)
    ([1, 2, 3], [2, 5], [1])
    """
    parts = (text or "1").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts) or len({*parts}) < len(parts):
        message = f"--seeds {text}: must be how many, 1 or more, or a list of seeds such as 2,3"
        raise RimError(message, setting="seeds")
    return [int(part) for part in parts] if len(parts) > 1 else list(range(1, int(parts[0]) + 1))


def chosen_of(changes: Sequence[Change], names: Sequence[str] | None) -> list[Change]:
    """The changes of some names, or all of them. Raises RimError for a name that none has."""
    known = [change.name for change in changes]
    for name in names or ():
        if name not in known:
            message = f"--rows {name}{nearest(name, known)}: must be some of {', '.join(known)}"
            raise RimError(message, setting="rows")
    return [change for change in changes if not names or change.name in names]


def rows_on_sets(changes: Sequence[Change], options: argparse.Namespace, refiner: bool = False) -> Iterator[Row]:
    """The rows of one of the paper's tables: of the profile `options.profile`, scored by `on_sets`."""
    base = profiles.load(options.profile or "tiny")
    score = partial(on_sets, data=folder_of(base), images=options.images, refiner=refiner)
    return Plan(base, score, options, refiner=refiner).rows(changes)


def on_sets(
    model: Any, profile: Profile, data: Path, images: int | None = None, refiner: bool = False
) -> dict[str, Any]:
    """The scores of the paper's tables: on scenes of seen and of unseen entities, and on RW-mini.

    Args:
        model: a trained CLIPMat or baseline.
        profile: its own, whose template it is asked in; it is scored in the settings that it was trained in.
        data: the folder of a data set with the splits `seen` and `test`.
        images: of each set, the first so many; all if None.
        refiner: score each matte after the shipped refiner too.
    """
    settings = ("keyword", "expression") if profile.train.setting == "both" else (profile.train.setting,)
    sets = sets_of(data, settings)
    if "expression" in settings:
        sets["expression, RW-mini"] = RefMatte(rwmini.FOLDER, "rw100", "expression")
    return {"sets": scores_on(sets, model, profile, limit=images, refiner=Refiner.shipped() if refiner else None)}
