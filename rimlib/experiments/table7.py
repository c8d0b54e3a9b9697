"""The paper's Table 7: CLIPMat trained again and again, each time with another seed.

Paper: S4.3.1, Table 7: three seeds, the mean of SAD and its sample deviation (n - 1). The records are Table 2's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.evaluation.evaluate import ERRORS
from rimlib.experiments import paper, seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.table2 import CHANGES, OPTIONS
from rimlib.experiments.trained import rows_on_sets
from rimlib.training.record import Record

__all__ = ["OPTIONS", "RECORDS", "rows", "tables"]

RECORDS = "table2"
CLIPMAT = CHANGES[:1]


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """CLIPMat's row of Table 2, for each seed."""
    return rows_on_sets(CLIPMAT, options, refiner=True)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each set and seed, without the refiner; the mean of SAD over the seeds; and the paper's."""
    by_seed = [
        {"seed": record["seed"], **line}
        for record in sorted(found, key=lambda record: record["seed"])
        for line in seeds.table_of([record], CLIPMAT, ERRORS)
        if line["refiner"] == "-"
    ]
    bars = [line for line in seeds.table_of(found, CLIPMAT, ("sad",)) if line["refiner"] == "-"]
    return {
        "table_7": [{key: line[key] for key in line if not key.endswith("±") and key != "seeds"} for line in by_seed],
        "error_bars": bars,
        "the_paper": list(paper.table(7)),
        "its_error_bars": list(paper.table("7_error_bars")),
    }
