"""What it takes to go by the place of an entity: a recipe, and one change of it in each row.

Not in the paper. All rows go on from one training of the profile as it is, which knows its nouns and hardly a place.
They take the same few steps on top, on scenes of two look-alikes, in which the score map and the trimap learn and the
details do not: where the entity is comes first, and it is learned quickly. Rows are scored on `alike`, scenes of two
entities that share their words, so that only place, size or relation tells which is meant. A row with other data is
scored on the same scenes as the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.evaluation.evaluate import evaluate
from rimlib.experiments.frame import Row
from rimlib.experiments.seeds import MADE, in_order, made_of, over_seeds
from rimlib.experiments.trained import OPTIONS, Change, Plan, steps_of
from rimlib.profile import Profile
from rimlib.refmatte.build import folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

RECIPE = (
    "data.lookalikes=1",
    "data.three_share=0",
    "data.short_forms=0.4",
    "model.coordinates=true",
    "model.popup_layers=2",
    "model.dropout=0",
    "train.keyword_share=0.1",
    "train.lr=2e-3",
    "train.lr_text=1e-3",
)
STEPS = 1 / 5  # of the profile's own, 300 of `tiny`'s 1,500
CHANGES = (
    Change("recipe", (), "all of it"),
    Change("no-coordinates", ("model.coordinates=false",), "TSP's image tokens are without their place"),
    Change("one-round", ("model.popup_layers=0",), "image and words attend once, as in the paper"),
    Change("no-score-map", ("train.losses.score_map=0",), "nothing is asked of the score map, as in the paper"),
    Change("weak-score-map", ("train.losses.score_map=0.5",), "a quarter of its weight"),
    Change("no-lookalikes", ("data.lookalikes=0",), "only scenes that a noun and a colour mostly decide"),
    Change("half-lookalikes", ("data.lookalikes=0.5",), "every second scene is of look-alikes"),
    Change("no-short-forms", ("data.short_forms=0",), "only the phrases of Table 4"),
    Change("no-negatives", ("train.no_target=0",), "every sentence fits something"),
    Change("one-sentence", ("train.grounding_sentences=1",), "one sentence of each image in a step, not four"),
    Change("details-too", ("train.grounding_steps=0", "train.sentences=4"), "the details learn from the first step on"),
    Change("frozen-words", ("train.lr_text=0",), "the text encoder stays as it is"),
    Change("half-rates", ("train.lr=1e-3", "train.lr_text=5e-4"), "all but the image encoder learns more slowly"),
    Change("fixed-rates", ("train.schedule=fixed",), "no cosine, as in the paper"),
    Change("last-weights", ("train.ema=0",), "no average over the last steps"),
    Change("dropout", ("model.dropout=0.1",), "as in the profile"),
    Change("160-pixels", ("model.image_size=160",), "100 image tokens for 64"),
)


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
        return {"alike": scores(model, profile, folder, options.images)}

    return Plan(base, score, options, splits=("train", "alike"), recipe="listening", first=first).rows(CHANGES)


def base_of(first: Profile) -> Profile:
    """A profile with the recipe on top, and the steps that are added to its own training.

    Raises RimError where the profile counts epochs or minutes: all rows take the same steps.
    """
    steps = max(1, round(STEPS * steps_of(first)))
    return profiles.with_settings(first, (*RECIPE, f"train.steps={steps}", f"train.grounding_steps={steps}"))


def scores(model: CLIPMat, profile: Profile, data: str | Path, images: int | None = None) -> dict[str, Any]:
    """How many sentences of `alike` there are, all and by arrangement, and the share whose entity is localised."""
    alike = RefMatte(data, "alike", "expression")
    metrics = evaluate(model, alike, limit=images, every=True, edges=False)["metrics"]
    return {
        part: {"sentences": row["entities"], "localised": round(row["localised"], 4)}
        for part, row in {"all": metrics, **metrics["by_relation"]}.items()
    }


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each change, over its seeds, and the look-alikes of each by their arrangement in the scene."""
    listening, by_arrangement = [], []
    for record in in_order(found, CHANGES):
        metrics, about = record["metrics"], record["about"]
        head = {"profile": record["profile"], "change": about["change"]}
        scored = {"localised": metrics["alike"]["all"]["localised"], "minutes": metrics["training"]["minutes"]}
        listening.append({**head, **made_of(record), **scored})
        by_arrangement.append({**head, **{part: row["localised"] for part, row in metrics["alike"].items()}})
    return {
        "listening": over_seeds(listening, ("profile", "change", *MADE)),
        "alike_by_arrangement": over_seeds(by_arrangement, ("profile", "change")),
    }
