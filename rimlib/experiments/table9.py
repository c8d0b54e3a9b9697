"""The paper's Table 9: how well a model does by the kind of sentence.

Paper: S4.3.2, Table 9. All sentences of each entity are scored, of scenes of seen and of unseen entities and of
RW-mini. What the table can and cannot show is in `paper_table9`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.experiments import measured, paper
from rimlib.experiments.frame import Row
from rimlib.refmatte.format import KINDS, REAL_KINDS
from rimlib.training.record import Record

OPTIONS = measured.OPTIONS
ORDER = (*KINDS, *REAL_KINDS, "other")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A row for each set, as `measured.rows_of` has them."""
    return measured.rows_of(options, "expression", {"": {"every": True}}, real=True)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each set and kind of sentence, and the paper's."""
    lines = []
    for record in sorted(found, key=measured.place):
        by_kind = record["metrics"]["scores"]["by_sentence"]
        lines += [measured.line(record, by_kind[kind], kind=kind) for kind in dict.fromkeys(ORDER) if kind in by_kind]
    return {"table_9": lines, "the_paper": list(paper.table(9))}
