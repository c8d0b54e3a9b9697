"""The state of each printed number, computed from the records.

Where a number can be had here to its last digit (counts of a plan, sizes of layers) it is *reproduced* or it *differs*.
All others are errors of trained models. Ours are small models on small images, so they are compared within a table
alone: a row with another row, as a ratio. The paper's ratio has an order, better or worse, unless it is within the
noise of its seeds (Table 7). Ours has an interval.

* *same trend*: the interval is on the paper's side of 1; or the paper's ratio is within its noise, and ours within 10 %
  of 1.
* *differs*: it is on the other side; or it does not decide, where the paper has an order.
* *not attempted*: there is no such record, or too few seeds for an interval.

Of one model the interval is over images, as its record has it; of several seeds it is Student's over the logarithms of
the ratios, seed by seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from rimlib import printed
from rimlib.claims.evidence import Evidence
from rimlib.experiments import NAMES
from rimlib.printed import Number, Table
from rimlib.training.record import Record

REPRODUCED, SAME, DIFFERS, NOT = "reproduced", "same trend", "differs", "not attempted"
STATES = (REPRODUCED, SAME, DIFFERS, NOT)
CLOSE = 0.1  # how far from 1 a ratio and its interval may lie where the paper has no order
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # Student's, two-sided, for 2 to 10 values
Z95 = 1.96


@dataclass(frozen=True)
class Ratio:
    """A row's number by that of the row that it is compared with, of ours with its interval over `count` seeds."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Result:
    """What became of a number.

    Attributes:
        number: the printed one.
        state: one of `STATES`.
        why: in a few words; of all but *reproduced* and *same trend*.
        against: name of the row that it is compared with.
        theirs: the paper's ratio to it.
        ours: ours.
        value: our number, where it may be compared with the printed one.
    """

    number: Number
    state: str
    why: str = ""
    against: str = ""
    theirs: float | None = None
    ours: Ratio | None = None
    value: float | None = None


@dataclass(frozen=True)
class Measured:
    """Our number in a row: by seed, and the interval over images that the one record of a model has."""

    by_seed: dict[int, float]
    between: tuple[float, float] | None = None


def results(evidence: Evidence, tables: Iterable[Table] | None = None) -> list[Result]:
    """One result for each number of the tables (None: of all)."""
    found = []
    of_seeds = noise()
    for table in printed.tables().values() if tables is None else tables:
        compared = [_result(table, number, evidence, of_seeds) for number in table.numbers.values()]
        found += [result or _of_reference(table, number, compared) for number, result in compared]
    return found


def counts(found: list[Result]) -> dict[str, int]:
    """How many numbers, and of each state."""
    return {"numbers": len(found)} | {state: sum(one.state == state for one in found) for state in STATES}


def ratio(one: Measured, other: Measured) -> Ratio | None:
    """`one` by `other`, with its interval; None where there is none: a single seed, and none over images.

    >>> print(ratio(Measured({1: 8.0, 2: 9.0, 3: 8.5}), Measured({1: 10.0, 2: 10.0, 3: 10.0})))
    0.85 (0.73 to 0.98)
    >>> ratio(Measured({1: 8.0}), Measured({1: 10.0})) is None
    True
    """
    seeds = sorted(one.by_seed.keys() & other.by_seed.keys())
    if any(value <= 0 for some in (one, other) for value in some.by_seed.values()):
        return None
    logs = [math.log(one.by_seed[seed] / other.by_seed[seed]) for seed in seeds]
    if len(logs) > 1:
        half = T95[min(len(logs), len(T95) + 1) - 2] * stdev(logs) / math.sqrt(len(logs))
    elif logs and one.between and other.between and min(*one.between, *other.between) > 0:
        # Both are of the same images, so that their errors go together: taken as independent, the interval is too wide.
        half = math.hypot(*(math.log(high / low) / 2 for low, high in (one.between, other.between)))
    else:
        return None
    value, low, high = (math.exp(mean(logs) + shift) for shift in (0, -half, half))
    return Ratio(value, low, high, len(logs))


def judge(theirs: float, ours: Ratio, noise: float) -> tuple[str, str]:
    """The state of a comparison, and why.

    Args:
        theirs: the paper's ratio.
        ours: with its interval.
        noise: relative, of the paper's seeds; a ratio that is as near to 1 has no order.

    >>> judge(0.8, Ratio(0.9, 0.85, 0.95, 3), noise=0.01)[0]
    'same trend'
    >>> judge(0.8, Ratio(0.9, 0.7, 1.1, 3), noise=0.01)
    ('differs', 'the paper has an order, ours does not decide it')
    """
    side = -1 if ours.high < 1 else 1 if ours.low > 1 else 0
    order = -1 if theirs < 1 else 1 if theirs > 1 else 0
    if side and side == order:
        return SAME, ""
    if side:
        return DIFFERS, "the other way round" if abs(theirs - 1) > noise else "the paper has no order beyond its noise"
    if abs(theirs - 1) > noise:
        return DIFFERS, "the paper has an order, ours does not decide it"
    if ours.low >= 1 / (1 + CLOSE) and ours.high <= 1 + CLOSE:
        return SAME, ""
    return DIFFERS, "the paper has no order beyond its noise, ours is too uncertain to say so"


def _result(
    table: Table, number: Number, evidence: Evidence, of_seeds: dict[str, float]
) -> tuple[Number, Result | None]:
    """A number with its result; None for one that others are compared with."""
    if why := table.why_not(number.row, number.column.name):
        return number, Result(number, NOT, why)
    found = evidence.of(table.experiment, table.profile)
    if not found:
        # A record that is stale is none: the command that makes it anew is the same.
        hint = f"`rim experiment {table.experiment}` makes it"
        return number, Result(number, NOT, f"no record yet ({hint})" if table.experiment in NAMES else "no record yet")
    ours = measured(found, table, number.part, number.row, number.column.key)
    if ours is None:
        return number, Result(number, NOT, f"the records of {table.experiment} do not have it")
    if table.exact:
        return number, _exact(number, mean(ours.by_seed.values()))
    other = table.against(number.part, number.row)
    if other is None:
        return number, None
    beside = table.numbers.get((*other, number.column.name))
    theirs = None if beside is None else number.value / beside.value
    basis = measured(found, table, *other, number.column.key)
    name = "/".join(filter(None, other))
    if theirs is None or basis is None:
        return number, Result(number, NOT, f"{name}, which it is compared with, has no record", name)
    between = ratio(ours, basis)
    if between is None:
        return number, Result(number, NOT, "one seed: an interval takes two", name, theirs)
    setting = table.about.get("setting", number.part)
    return number, Result(number, *judge(theirs, between, of_seeds.get(setting, 0.0)), name, theirs, between)


def _exact(number: Number, value: float) -> Result:
    if round(value, number.column.digits) == number.value:
        return Result(number, REPRODUCED, value=value)
    return Result(number, DIFFERS, f"{number.column.text(value)} here", value=value)


def _of_reference(table: Table, number: Number, compared: list[tuple[Number, Result | None]]) -> Result:
    """The result of a number that others are compared with: theirs together."""
    here = (number.part, number.row)
    those = [
        result
        for other, result in compared
        if result and other.column == number.column and table.against(other.part, other.row) == here
    ]
    decided = [result for result in those if result.state in (SAME, DIFFERS)]
    if not decided:
        return Result(number, NOT, "no row that is compared with it has an interval")
    differing = [result for result in decided if result.state == DIFFERS]
    if differing:
        return Result(number, DIFFERS, f"{len(differing)} of {len(decided)} rows that are compared with it differ")
    return Result(number, SAME)


def measured(found: list[Record], table: Table, part: str, row: str, key: str) -> Measured | None:
    """Our number in a row of a table, of some records; None where they do not have it."""
    wanted, where = table.record_row(part, row), table.record_set(part, row)
    by_seed, between = {}, None
    for record in found:
        # Of other models than the shipped one there may be records too; a row that is a training names none.
        if wanted in _names(record) and record["about"].get("model", "shipped") == "shipped":
            scores = _sets(record).get(where, {})
            if isinstance(value := scores.get(key), (int, float)):
                by_seed[record["seed"]] = float(value)
                between = scores.get("interval", {}).get(key)
    if not by_seed:
        return None
    return Measured(by_seed, tuple(between) if between and len(by_seed) == 1 else None)


def _names(record: Record) -> set[str]:
    """What a record's row may be called: its name, what it changes, or the template or the model that it measures."""
    about = record["about"]
    return {record["row"], *(about[key] for key in ("change", "template", "model") if key in about)}


def _sets(record: Record) -> dict[str, dict[str, Any]]:
    """What a record has scores of: sets by name, or a split and the kinds of its sentences."""
    metrics = record["metrics"]
    if "scores" not in metrics:
        return metrics.get("sets", {})
    scores, split = metrics["scores"], record["about"]["data"]["split"]
    return {split: scores} | {f"{split}, {kind}": row for kind, row in scores.get("by_sentence", {}).items()}


def noise() -> dict[str, float]:
    """The paper's deviation over its seeds by their mean, by setting (Paper: Table 7)."""
    bars = printed.tables()["table7_error_bars"]
    values = {part: [bars.number("all", column, part).value for column in bars.columns] for part in bars.parts}
    return {part: deviation / average for part, (average, deviation) in values.items()}
