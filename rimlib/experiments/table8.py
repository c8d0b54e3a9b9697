"""The paper's Table 8: the sentence around a keyword, in eight forms, at test time.

Paper: S4.3.2, Table 8, in the keyword setting. A model that has learnt from several templates is marked with each of
them; the paper's last, "to extract {keyword}", is none of those that its supplement lists (`prompt.TEMPLATES`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.experiments import measured, paper
from rimlib.experiments.frame import Row, plain_name
from rimlib.training.record import Record

OPTIONS = measured.OPTIONS
TEMPLATES = tuple(row["template"] for row in paper.table(8))


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A row for each set and template, as `measured.rows_of` has them."""
    return measured.rows_of(options, "keyword", {plain_name(text): {"template": text} for text in TEMPLATES})


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each set and template, in the paper's order, and the paper's."""
    lines = []
    for record in sorted(found, key=lambda one: (*measured.place(one), TEMPLATES.index(one["about"]["template"]))):
        template, learnt = record["about"]["template"], record["metrics"]["model"]["templates"]
        facts = {"template": template, "trained with": "yes" if template in learnt else "no"}
        lines.append(measured.line(record, record["metrics"]["scores"], **facts))
    return {"table_8": lines, "the_paper": list(paper.table(8))}
