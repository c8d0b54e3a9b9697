"""What each method of Table 2 goes by: the audit of words, sentences that fit nothing, and where a matte loses.

Not in the paper, whose Table 2 has errors alone. The trainings are those of Table 2. Each method is asked about scenes
of seen entities: with sentences as they are and changed (`changes`), with sentences that fit nothing (`no_target`), and
with keywords, whose error is parted into that of the entities which are found, the quality of a matte, and the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.no_target import no_target_rejection
from rimlib.experiments import changes, seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.table2 import CHANGES
from rimlib.experiments.trained import OPTIONS, Plan
from rimlib.matting import metrics
from rimlib.profile import Profile
from rimlib.refmatte.build import folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

REFUSAL = ("auc", "true_positive_rate", "true_negative_rate", "empty")
QUALITY = ("localised", "sad_ratio", "sad_ratio_localised")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows; a wrong setting or name is refused before the first training."""
    base = profiles.load(options.profile or "tiny")
    folder = folder_of(base)

    def score(model: Any, profile: Profile) -> dict[str, Any]:
        return scores(model, profile, folder, options.images)

    return Plan(base, score, options).rows(CHANGES)


def scores(model: Any, profile: Profile, data: str | Path, images: int | None = None) -> dict[str, Any]:
    """The three measurements of a method on `seen`.

    Args:
        model: a trained CLIPMat or baseline.
        profile: its own, whose template it is asked in.
        data: the folder of a data set with the split `seen`.
        images: the first so many, or about so many of the words; all if None.
    """
    template, batch = prompt.template(profile), profile.evaluate.batch
    sentences, keywords = (RefMatte(data, "seen", setting) for setting in ("expression", "keyword"))
    words = changes.measure(model, sentences, template, images, profile.seed, batch)
    refusal = no_target_rejection(model, sentences, images, batch, template)
    matte_rows = evaluate(model, keywords, limit=images, batch=batch, template=template, edges=False)["rows"]
    return {
        "words": words["changes"],
        "refusal": {name: round(value, 4) for name, value in refusal.items()},
        "quality": quality(matte_rows),
    }


def quality(matte_rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """The share of entities that are localised, SAD by that of an empty matte, and the same of the localised alone.

    >>> one, other = {"sad": 1.0, "sad_empty": 4.0, "localised": 1.0}, {"sad": 5.0, "sad_empty": 4.0, "localised": 0.0}
    >>> quality([{**one, "image": "a"}, {**other, "image": "a"}])
    {'localised': 0.5, 'sad_ratio': 0.75, 'sad_ratio_localised': 0.25}
    """
    found = [row for row in matte_rows if row["localised"]]
    every, there = metrics.summarise(matte_rows), metrics.summarise(found) if found else {}
    values = (every["localised"], every["sad_ratio"], there.get("sad_ratio"))
    return {name: None if value is None else round(value, 4) for name, value in zip(QUALITY, values)}


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """For each method, over its seeds: sentences as they are and changed, refusal, and quality of the localised."""
    words, refusal, parted = [], [], []
    for record in seeds.in_order(found, CHANGES):
        measured, made = record["metrics"], seeds.made_of(record)
        head = {"profile": record["profile"], "method": record["about"]["change"], "steps": made["steps"]}
        for change, row in measured["words"].items():
            words.append({**head, "change": change, **{key: row[key] for key in ("localised", "as_it_is", "other")}})
        refusal.append({**head, **{key: measured["refusal"][key] for key in REFUSAL}})
        parted.append({**head, **measured["quality"]})
    by = ("profile", "method", "steps")
    return {
        "words": seeds.over_seeds(words, (*by, "change")),
        "refusal": seeds.over_seeds(refusal, by),
        "quality": seeds.over_seeds(parted, by),
    }
