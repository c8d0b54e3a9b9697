"""From composed scenes to photographs: how well a model does on each, and how it fails.

Paper: Sec. 5.1 and S4.4, which name the *domain gap* between composed and real images, and S4.4's kinds of failure. The
model is asked in three ways about scenes of entities that its training had, about scenes of others, and about the
photographs of RW-mini: by keyword, by the sentence that is scored of each entity, and by kind and place
(`evaluation.by_kind`). The middle set tells what of the gap is new things and what is photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib.experiments import measured
from rimlib.experiments.frame import Row
from rimlib.experiments.measured import BY_KIND
from rimlib.training.record import Record

OPTIONS = measured.OPTIONS
WAYS: dict[str, measured.Way] = {
    "keyword": ("keyword", {"failures": True}),
    "sentence": ("expression", {"failures": True}),
    "kind": (BY_KIND, {"failures": True, "every": True}),
}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A row for each set and each way of asking."""
    return measured.rows_by(options, WAYS, real=True)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """Two lines for each record: its scores, and the shares of mattes by kind."""
    scores, kinds = [], []
    for record in sorted(found, key=lambda one: (*measured.place(one), list(WAYS).index(way_of(one)))):
        metrics, way = record["metrics"]["scores"], way_of(record)
        scores.append(measured.line(record, metrics, **{"asked by": way}) | {"chance": round(metrics["chance"], 4)})
        line = {"profile": record["profile"], "model": record["about"]["model"]}
        line |= {"scored on": record["about"]["data"]["split"], "asked by": way, "sentences": metrics["entities"]}
        for kind, part in metrics["failures"].items():
            line |= {kind: round(part["share"], 4)}
            if "interval" in part:
                line |= {f"{kind} 95 %": [round(value, 4) for value in part["interval"]]}
        kinds.append(line)
    return {"the_gap": scores, "kinds_of_failure": kinds}


def way_of(record: Record) -> str:
    """Which of `WAYS` a record is of."""
    return record["row"].rpartition("-")[2]
