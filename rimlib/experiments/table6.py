"""The paper's Table 6: all of Table 2, with the (E) forms of the errors, from the same records.

Paper: S4.2, Table 6, Eq. 11: the mean over the entities of an image first, then over images. (E) is larger where images
of few entities are the harder ones.
"""

from __future__ import annotations

from typing import Any

from rimlib.evaluation.evaluate import ERRORS
from rimlib.experiments import paper, seeds
from rimlib.experiments.table2 import CHANGES, OPTIONS, rows
from rimlib.training.record import Record

__all__ = ["OPTIONS", "RECORDS", "rows", "tables"]

RECORDS = "table2"  # whose records these are


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, and the paper's."""
    return {"table_6": seeds.table_of(found, CHANGES, ERRORS), "the_paper": list(paper.table(6))}
