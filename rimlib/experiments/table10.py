"""The paper's Table 10: what a pre-trained CLIP is worth, and whether it should learn.

Paper: S4.3.3, Table 10, in the keyword setting. For `tiny`, "pre-trained" is the contrast of regions and captions that
gave the small CLIP. The row from random weights is ours; the paper's row that began from VGPhraseCut needs that data
set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.evaluation.evaluate import ERRORS
from rimlib.experiments import paper, seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import OPTIONS, Change, rows_on_sets
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

CHANGES = (
    Change("frozen", ("train.lr_image=0", "train.lr_text=0"), "CLIP as it is"),
    Change("random", (), "CLIP learns, from random weights", weights="random"),
    Change("all", (), "CLIP learns, at rates of its own"),
)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_on_sets` has them."""
    return rows_on_sets(CHANGES, options)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, on scenes of seen and of unseen entities, the model that learns all by each row, and the paper's."""
    return {
        "table_10": seeds.table_of(found, CHANGES, (*ERRORS, "localised", "sad_ratio"), "keyword"),
        "ratios": seeds.ratios(found, CHANGES, "all", "keyword"),
        "the_paper": list(paper.table(10)),
    }
