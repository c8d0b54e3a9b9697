"""The paper's Table 3: which module helps, switched on one after the other.

Paper: Sec. 5.3, Table 3, in the keyword setting. What takes a module's place where it is off, which the paper leaves
open, is in `evaluation.ablation`. Our model has a score map beside the modules, which finds entities too: two rows more
are the first and the last without it.
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

MODULES = {"TSP": "tsp", "MDE": "mde", "Pre-CP": "pre_context", "Post-CP": "post_context"}  # the table's columns


def _row(*there: str, score_map: bool = True) -> Change:
    off = tuple(f"model.{setting}=false" for module, setting in MODULES.items() if module not in there)
    name, what = "-".join(there).lower() if off else "all", ", ".join(there) or "none of them"
    if not score_map:
        return Change(f"{name or 'none'}-no-score-map", (*off, "model.score_map=false"), f"{what}, no score map")
    return Change(name or "none", off, what)


PAPERS = (
    _row(),
    _row("TSP"),
    _row("TSP", "MDE"),
    _row("TSP", "MDE", "Pre-CP"),
    _row("TSP", "MDE", "Post-CP"),
    _row("TSP", "MDE", "Pre-CP", "Post-CP"),
)
OURS = (_row(score_map=False), _row("TSP", "MDE", "Pre-CP", "Post-CP", score_map=False))
CHANGES = (*PAPERS, *OURS)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_on_sets` has them."""
    return rows_on_sets(CHANGES, options)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table, on scenes of seen and of unseen entities, the rows of ours, the whole model by each, the paper's."""
    return {
        "table_3": seeds.table_of(found, PAPERS, sets="keyword"),
        "score_map": seeds.table_of(found, (PAPERS[0], PAPERS[-1], *OURS), sets="keyword"),
        "ratios": seeds.ratios(found, CHANGES, "all", "keyword"),
        "the_paper": list(paper.table(3)),
    }
