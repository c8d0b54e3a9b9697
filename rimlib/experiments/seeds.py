"""Tables of trainings: a line for each row and set, with the mean over its seeds and their sample deviation (n - 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean, stdev
from typing import Any

from rimlib.evaluation.evaluate import REFINED
from rimlib.experiments.trained import Change
from rimlib.training.record import Record

SCORED = ("sad", "mse", "mad", "localised", "sad_ratio")  # columns of most tables
MADE = ("settings", "data", "steps", "GFLOPs")
MOST = 4  # settings that a line names


def table_of(
    found: list[Record], changes: Sequence[Change], keys: Sequence[str] = SCORED, sets: str = ""
) -> list[dict[str, Any]]:
    """A line for each change and each of the sets that were scored, over the seeds, in the changes' order.

    Args:
        found: the records of an experiment.
        changes: those of its changes that the table has.
        keys: of `SCORES`, the columns.
        sets: only those whose name begins so.
    """
    lines = [
        {
            **{"profile": record["profile"], "row": record["about"]["change"], **where},
            **made_of(record, where["refiner"] == "yes"),
            **{key: scored[key] for key in keys},
            "minutes": record["metrics"]["training"]["minutes"],
        }
        for record in in_order(found, changes)
        for where, scored in _sets(record, sets)
    ]
    return over_seeds(lines, ("profile", "row", "scored on", "refiner", *MADE))


def made_of(record: Record, refined: bool = False) -> dict[str, Any]:
    """The columns `MADE` of a row: what is changed, the training's data and steps, and the cost of an image."""
    about, metrics = record["about"], record["metrics"]
    data, spent = metrics["data"], metrics["cost"]
    return {
        "settings": ", ".join(about["changes"]) if len(about["changes"]) <= MOST else about["what"],
        "data": f"{data['images']:,} images ({data['fingerprint'][:8]})",
        "steps": about["steps"],
        "GFLOPs": round(spent["gflops"] + (spent["refiner_gflops"] if refined else 0), 3),
    }


def ratios(found: list[Record], changes: Sequence[Change], best: str, sets: str = "") -> list[dict[str, Any]]:
    """SAD of the row `best` by that of each other row, seed by seed, below 1 where it is better; see `table_of`.

    Beside it stands the other row's SAD by that of an empty matte: from 1 on, there is nothing to compare with.
    """
    bests = {
        (record["profile"], record["seed"], *where.values()): scored["sad"]
        for record in found
        if record["about"]["change"] == best
        for where, scored in _sets(record, sets)
    }
    lines = []
    for record in in_order(found, [change for change in changes if change.name != best]):
        for where, scored in _sets(record, sets):
            sad = bests.get((record["profile"], record["seed"], *where.values()))
            if sad is not None:
                head = {"profile": record["profile"], f"{best} by": record["about"]["change"], **where}
                lines.append({**head, "ratio": sad / scored["sad"], "its sad_ratio": scored["sad_ratio"]})
    return over_seeds(lines, ("profile", f"{best} by", "scored on", "refiner"))


def over_seeds(rows: Iterable[dict[str, Any]], by: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that agree in `by` as one: their number, and of each other number its mean and sample deviation (n - 1).

    >>> over_seeds([{"row": "a", "sad": 1.0}, {"row": "a", "sad": 2.0}, {"row": "b", "sad": 3.0}], ["row"])[0]
    {'row': 'a', 'seeds': 2, 'sad': 1.5, 'sad ±': 0.7071}
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    found = []
    for key, some in groups.items():
        line: dict[str, Any] = {**dict(zip(by, key)), "seeds": len(some)}
        for name in (name for name in some[0] if name not in by):
            values = [one[name] for one in some if one.get(name) is not None]
            line[name] = round(mean(values), 4) if values else None
            line[f"{name} ±"] = round(stdev(values), 4) if len(values) > 1 else None
        found.append(line)
    return found


def in_order(found: list[Record], changes: Sequence[Change]) -> list[Record]:
    """The records of some changes, in their order."""
    names = [change.name for change in changes]
    here = [record for record in found if record["about"]["change"] in names]
    return sorted(here, key=lambda record: (record["profile"], names.index(record["about"]["change"])))


def _sets(record: Record, begin: str) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """The sets of a record whose name begins so: which set, whether after the refiner, and the scores."""
    for name, scored in record["metrics"]["sets"].items():
        if name.startswith(begin):
            plain = name.removesuffix(f", {REFINED}")
            yield {"scored on": plain, "refiner": "-" if name == plain else "yes"}, scored
