"""What it takes to go by the whole sentence: a recipe, and one change of it in each row.

Not in the paper. All rows go on from one training of the profile as it is, which knows its nouns and hardly a place,
and take the same number of steps on top; those about the share of look-alikes have data of their own. From the small
CLIP alone, as many steps are too few: with this recipe `tiny` then finds fewer look-alikes than chance. The rows are
scored on the same scenes: `seen`, as every model is, and `alike`, whose entities share their words, so that only
place, order, size or relation tells which is meant.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.experiments.frame import Row
from rimlib.experiments.seeds import MADE, made_of, over_seeds
from rimlib.experiments.trained import OPTIONS, Change, Plan
from rimlib.profile import Profile
from rimlib.refmatte.build import folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

RECIPE = (
    "data.lookalikes=0.6",
    "model.coordinates=true",
    "model.popup_layers=2",
    "model.dropout=0",
    "train.lr=2e-3",
    "train.lr_text=1e-3",
)
STEPS = 4 / 15  # of the profile's own, 400 of `tiny`'s 1,500 …
GROUNDING = 3 / 4  # … and of these, those that only find the entity
CHANGES = (
    Change("recipe", (), "all of it"),
    Change("no-coordinates", ("model.coordinates=false",), "TSP's image tokens are without their place"),
    Change("one-round", ("model.popup_layers=0",), "image and words attend once, as in the paper"),
    Change("no-score-map", ("model.score_map=false",), "as in the paper"),
    Change("weak-score-map", ("train.losses.score_map=0.5",), "a quarter of its weight"),
    Change("no-lookalikes", ("data.lookalikes=0",), "only scenes that a noun and a colour mostly decide"),
    Change("lookalikes-alone", ("data.lookalikes=1",), "all scenes are of look-alikes"),
    Change("no-negatives", ("train.no_target=0",), "every sentence fits something"),
    Change("no-grounding-first", ("train.grounding_steps=0",), "the details learn from the first step on"),
    Change("frozen-words", ("train.lr_text=0",), "the text encoder stays as it is"),
    Change("half-rates", ("train.lr=1e-3", "train.lr_text=5e-4"), "all but the image encoder learns more slowly"),
    Change("fixed-rates", ("train.schedule=fixed",), "no cosine, as in the paper"),
    Change("last-weights", ("train.ema=0",), "no average over the last steps"),
    Change("dropout", ("model.dropout=0.1",), "as in the profile"),
    Change("details-alone", ("model.details_text=false",), "the details decoder is not conditioned on the sentence"),
    Change("160-pixels", ("model.image_size=160",), "100 image tokens for 64"),
)
NAMES = tuple(change.name for change in CHANGES)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows; a wrong setting or name is refused before the first training.

    Args:
        options: profile, rows (names of some, or None for all), seeds (how many), images (that a model is scored on,
            None for all) and runs (the folder of the trainings).
    """
    first = profiles.load(options.profile or "tiny")
    base = base_of(first)
    folder = folder_of(base)

    def score(model: CLIPMat, profile: Profile) -> dict[str, Any]:
        return scores(model, profile, folder, options.images)

    return Plan(base, score, options, splits=("train", "seen", "alike"), recipe="listening", first=first).rows(CHANGES)


def base_of(first: Profile) -> Profile:
    """A profile with the recipe on top, and the steps that are added to its own training.

    Raises RimError where the profile counts epochs or minutes: all rows take the same steps.
    """
    if first.train.steps is None:
        message = f"profile {first.name}: train.steps is null; this experiment needs a number of steps, such as 1500"
        raise RimError(message, setting="train.steps")
    steps = max(1, round(STEPS * first.train.steps))
    added = (f"train.steps={steps}", f"train.grounding_steps={max(1, round(GROUNDING * steps))}")
    return profiles.with_settings(first, RECIPE + added)


def scores(model: CLIPMat, profile: Profile, data: str | Path, images: int | None = None) -> dict[str, Any]:
    """Localised and SAD / empty of `seen` in both settings; of `alike` localised, by arrangement too, with counts."""
    template, found = prompt.template(profile), {}
    for setting in ("keyword", "expression"):
        metrics = evaluate(model, RefMatte(data, "seen", setting), limit=images, template=template)["metrics"]
        found[setting] = {key: round(metrics[key], 4) for key in ("localised", "chance", "sad_ratio")}
    alike = evaluate(model, RefMatte(data, "alike", "expression"), limit=images, every=True, edges=False)["metrics"]
    found["alike"] = {
        part: {"sentences": row["entities"], "localised": round(row["localised"], 4)}
        for part, row in {"all": alike, **alike["by_relation"]}.items()
    }
    return found


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each change, over its seeds, and the look-alikes of each by their arrangement in the scene."""
    order = sorted(found, key=lambda record: (record["profile"], NAMES.index(record["about"]["change"])))
    listening, by_arrangement = [], []
    for record in order:
        metrics, about = record["metrics"], record["about"]
        head = {"profile": record["profile"], "change": about["change"]}
        scored = {f"{name} localised": metrics[name]["localised"] for name in ("keyword", "expression")}
        listening.append(
            {
                **head,
                **made_of(record),
                "alike localised": metrics["alike"]["all"]["localised"],
                **scored,
                "keyword sad_ratio": metrics["keyword"]["sad_ratio"],
                "minutes": metrics["training"]["minutes"],
            }
        )
        by_arrangement.append({**head, **{part: row["localised"] for part, row in metrics["alike"].items()}})
    return {
        "listening": over_seeds(listening, ("profile", "change", *MADE)),
        "alike_by_arrangement": over_seeds(by_arrangement, ("profile", "change")),
    }
