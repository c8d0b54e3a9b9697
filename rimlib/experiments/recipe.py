"""Our recipe against the paper's: the profile as it is, and what the paper has in place of each part of it.

Paper: Sec. 4, Sec. 5.1, S4.1; where it is silent, the earlier work that it follows (`rimlib.protocol`). Not in the
paper. Each row takes some settings of `paper-b16`; `paper` takes all of them, and `paper-our-rates` all but the rates,
which are for a CLIP of 400 million images and 187,500 steps. The sizes are those of the profile in each row, and so are
data, steps and images of a step; one model learns both settings, where the paper trains one for each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from rimlib import profile as profiles
from rimlib.experiments import seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import OPTIONS, Change, rows_on_sets
from rimlib.settings import flat
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

PAPER = "paper-b16"
PARTS = {  # by row: the settings that are the paper's there, and what that is
    "score-map": (["model.score_map"], "no map of patches and sentence by CLIP's own projections"),
    "residual": (["model.popup_residual"], "Eq. 3 as printed: the image tokens are not added"),
    "details-text": (["model.details_text"], "the details decoder sees no feature of the sentence"),
    "padding": (["model.mask_padding"], "the padding of a sentence is attended to"),
    "schedule": (["train.schedule", "train.warmup"], "fixed rates from the first step on"),
    "average": (["train.ema"], "the last weights, not an average"),
    "optimizer": (["train.optimizer", "train.weight_decay", "train.clip_norm"], "Adam, no decay, no clipping"),
    "rates": (["train.lr", "train.lr_image", "train.lr_text"], "1e-4, of the encoders 1e-6 and 1e-7"),
    "sentences": (["train.sentences"], "one sentence of each image in a step"),
    "no-target": (["train.no_target"], "every sentence fits an entity"),
    "augmentation": (["train.augmentation"], "RSSN's noise and blur"),
}


def _changes() -> tuple[Change, ...]:
    theirs = flat(profiles.load(PAPER).to_dict())

    def settings(*parts: str) -> tuple[str, ...]:
        return tuple(f"{name}={json.dumps(theirs[name])}" for part in parts for name in PARTS[part][0])

    some = [part for part in PARTS if part != "rates"]
    return (
        Change("ours", (), "the profile as it is"),
        *(Change(part, settings(part), what) for part, (_, what) in PARTS.items()),
        Change("paper-our-rates", settings(*some), "all of these but the rates"),
        Change("paper", settings(*PARTS), "all of these"),
    )


CHANGES = _changes()


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_on_sets` has them."""
    return rows_on_sets(CHANGES, options)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, and our recipe by each row."""
    return {"recipe": seeds.table_of(found, CHANGES), "ratios": seeds.ratios(found, CHANGES, "ours")}
