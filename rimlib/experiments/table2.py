"""The paper's Table 2: CLIPMat and the methods that it is compared with, each without and with the refiner.

Paper: Sec. 5.2, Table 2. All methods have the same data, steps, images of a step and schedule; what they differ in is
`baselines` of the profile. CLIPSeg and MDETR stand on the same pre-trained CLIP as CLIPMat. The paper's had learnt from
VGPhraseCut too, of which there are no weights at this size. The refiner is the one that ships. Tables 6 and 7 are made
of the same records.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.experiments import paper, seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import OPTIONS, Change, rows_on_sets
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

CHANGES = (
    Change("clipmat", (), "the profile as it is"),
    Change("clipseg", (), "a decoder on the frozen CLIP", method="clipseg"),
    Change("mdetr", (), "a detector on the frozen text encoder of CLIP, and its masks", method="mdetr"),
)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_on_sets` has them."""
    return rows_on_sets(CHANGES, options, refiner=True)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, CLIPMat by each baseline that is better than an empty matte, and the paper's table."""
    by_baseline = seeds.ratios(found, CHANGES, "clipmat")
    worthless = ("ratio", "ratio ±")
    return {
        "table_2": seeds.table_of(found, CHANGES),
        "ratios": [row | (dict.fromkeys(worthless) if row["its sad_ratio"] >= 1 else {}) for row in by_baseline],
        "the_paper": list(paper.table(2)),
    }
