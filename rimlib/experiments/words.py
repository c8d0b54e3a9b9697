"""The audit of words: which words of a sentence are needed, and which a model goes by.

Two kinds of rows. `plan` counts sentences of a whole plan by what decides them (`needed`), of the paper's numbers and
of a profile. `<model>-<split>` has how often a model finds the entities of changed sentences (`changes`). Beside both
stands the paper's Table 9 (`paper_table9`), from which the paper concludes that relations help.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.experiments import needed, paper_table9
from rimlib.experiments.changes import Levels
from rimlib.experiments.changes import measure as measure_model
from rimlib.experiments.frame import Row
from rimlib.experiments.measured import Subject
from rimlib.profile import Profile
from rimlib.refmatte import manifest, paper_pool, plan, released
from rimlib.refmatte.build import build, folder_of, pool_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

OPTIONS = ("data", "model", "scenes")
SPLITS = tuple(split for split in plan.SPLITS if split in ("seen", "alike"))  # of entities that a training has


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows; whatever cannot be used is refused before the first of them.

    Args:
        options: profile, data (a folder, or None for the profile's own, which is built), model (a path or `shipped`),
            images (of a model's row) and scenes (of a plan's), None for all; model may be None for `shipped`.
    """
    profile = profiles.load(options.profile or "tiny")
    for name in ("images", "scenes"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise RimError(f"--{name} {value}: must be 1 or more", setting=name)
    if options.data is not None:
        _splits_of(options.data)
    return _rows(profile, Subject.of(options), options)


def _rows(profile: Profile, subject: Subject, options: argparse.Namespace) -> Iterator[Row]:
    paper = replace(profiles.load("paper-b16"), data=paper_pool.settings())
    yield _plan(paper, paper_pool.pool(), ("train", "test"), options.scenes)  # the paper has no other split
    if profile.name == paper.name:
        return
    pool = pool_of(profile.data)
    yield _plan(profile, pool, plan.splits_of(profile.data), options.scenes)
    data = options.data or build(profile.data, folder_of(profile), splits=SPLITS, workers=1)
    for split in _splits_of(data):
        yield _model(profile, pool, subject, RefMatte(data, split), options.images)


def _splits_of(data: str | Path) -> list[str]:
    """Those of a data set that are looked at: scenes of entities of the training, or else its test."""
    there = released.splits(data)
    known = [split for split in SPLITS if split in there]
    found = known or [split for split in there if split in ("test", "rw100")]
    if not found:
        raise RimError(f"{data}: it has {', '.join(there)}, and none of {', '.join(SPLITS)} and test", path=data)
    for split in found:
        RefMatte(data, split)  # refuses what is broken or unfinished
    return found


def _plan(profile: Profile, pool: Pool, splits: tuple[str, ...], scenes: int | None) -> Row:
    about = {
        "engine": plan.version(profile.data),
        "pool": pool.fingerprint(),
        "settings": asdict(profile.data),
        "splits": list(splits),
        "scenes": scenes,
    }

    def measure(stages: Any) -> dict[str, Any]:
        counted = {}
        for split in splits:
            with stages(split):
                counted[split] = needed.audit(pool, profile.data, split, scenes)
        return {"splits": counted}

    return Row("plan", profile, about, measure)


def _model(profile: Profile, pool: Pool, subject: Subject, refmatte: RefMatte, images: int | None) -> Row:
    about = {
        "model": subject.name,
        "weights": subject.weights,
        "data": {"fingerprint": refmatte.fingerprint, "split": refmatte.split},
        "images": images,
    }

    def measure(stages: Any) -> dict[str, Any]:
        with stages("plan"):
            levels = _levels(profile, pool, refmatte)
        with stages("model"):
            given: dict[str, Any] = {"images": images, "seed": profile.seed, "batch": profile.evaluate.batch}
            template = prompt.template(subject.model.profile or profile)
            return measure_model(subject.model, refmatte, template, levels=levels, progress=True, **given)

    return Row(f"{subject.name}-{refmatte.split}", profile, about, measure, device="cpu")


def _levels(profile: Profile, pool: Pool, refmatte: RefMatte) -> Levels:
    """What decides each sentence of a data set that this profile made, by image; nothing of any other."""
    if refmatte.split not in plan.SPLITS or manifest.stamp_of(refmatte.root) is None:
        return {}
    found = {}
    there = set(refmatte.image_names)
    for planned in plan.scenes(pool, profile.data, refmatte.split):
        targets = refmatte.targets_of(planned.name) if planned.name in there else []
        here = [
            (tuple(one.text for one in some), list(place[:4]))
            for some, place in zip(planned.sentences, planned.placements)
        ]
        if here == [(target.expressions, target.extra.get("box")) for target in targets]:
            found[planned.name] = needed.levels_of(planned, pool, profile.data)
    return found


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """Sentences by what decides them, models on changed sentences and by what decides them, and the paper's table."""
    sentences, models, by_kind, by_need = [], [], [], []
    for record in found:
        head = {"profile": record["profile"], "seed": record["seed"]}
        for split, row in record["metrics"].get("splits", {}).items():
            for kind, shares in {"all": row["all"], **row["by_kind"]}.items():
                sentences.append({**head, "split": split, "scenes": row["scenes"], "kind": kind, **shares})
        if "changes" in record["metrics"]:
            head |= {"model": record["about"]["model"], "split": record["about"]["data"]["split"]}
            head["images"] = record["metrics"]["images"]
            for change, row in record["metrics"]["changes"].items():
                models.append({**head, "change": change, **{key: row[key] for key in row if key != "by_kind"}})
                by_kind += [{**head, "change": change, "kind": kind, **part} for kind, part in row["by_kind"].items()]
            for level, row in record["metrics"]["by_need"].items():
                by_need.append({**head, "decided_by": level, **row})
    return {
        "sentences": sentences,
        "models": models,
        "models_by_kind": by_kind,
        "models_by_need": by_need,
        "table_9": paper_table9.rows(),
    }
