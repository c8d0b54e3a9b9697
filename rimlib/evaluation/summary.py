"""Means of an evaluation's rows, by kind of sentence and entity, and how sure they are.

Paper: Sec. 5.1, Tables 2, 6 and 9; Eq. 10 and 11. The headline counts one sentence of each entity, or every one.
Intervals are not in the paper: they say by how much a mean would change with other images of the same sort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rimlib.matting import metrics
from rimlib.matting.failures import KINDS, WRONG

Row = dict[str, Any]
DRAWS, LEVEL = 1000, 0.95
MEASURED = ("sad", "mse", "mad", "iou", "localised")  # what gets an interval, and the (E) forms of `metrics.BY_IMAGE`


def _transparency(value: Any) -> str | None:
    return None if value is None else "transparent" if value else "opaque"


GROUPS: dict[str, tuple[str, Callable[[Any], str | None]]] = {  # name: (key of a row, its group)
    "by_sentence": ("sentence_kind", lambda value: value),
    "by_entity": ("entity_kind", lambda value: value),
    "by_relation": ("relation", lambda value: value),
    "by_transparency": ("transparent", _transparency),
    "by_entities_in_image": ("entities_in_image", str),
}


def summary(rows: list[Row], every: bool = False) -> dict[str, Any]:
    """All means of an evaluation.

    Args:
        rows: as `Scoring.rows` gives them, of all images.
        every: whether the headline counts every sentence, and not those alone that are `scored`.

    Returns:
        The headline, `metrics.summarise` with `interval` and, where rows name the kinds, `failures`; beside it, if more
        sentences were put than are scored, `all`, the same of every sentence, or `scored`, the same of those; the same
        by group as in `GROUPS`, over every sentence; and `refined`, all of that of the refiner's mattes, if there was
        one.
    """
    plain, refined = ([row for row in rows if row.get("refined", False) is value] for value in (False, True))
    found = _summary(plain, every)
    return {**found, "refined": _summary(refined, every)} if refined else found


def failures(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """How many mattes are of each kind, where rows name it (`matting.failures`).

    Returns:
        For each of `failures.KINDS` the `count`, the `share`, and its `interval` as of `interval`, where there is one;
        of wrong instances also how many are of `another` entity of their image, and not of the background.

    >>> rows = [{"image": name, "failure": "part", "gives": None} for name in "ab"]
    >>> failures(rows)["part"], failures(rows)["missed"]["count"]
    ({'count': 2, 'share': 1.0, 'interval': [1.0, 1.0]}, 0)
    """
    of_kind = [{"image": row["image"], **{kind: row["failure"] == kind for kind in KINDS}} for row in rows]
    between = interval(of_kind, measured=KINDS)
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        count = sum(row[kind] for row in of_kind)
        found[kind] = {"count": count, "share": count / len(rows)}
        if kind in between:
            found[kind]["interval"] = between[kind]
    found[WRONG]["another"] = sum(row["gives"] is not None for row in rows)
    return found


def interval(
    rows: list[Row], draws: int = DRAWS, level: float = LEVEL, seed: int = 0, measured: Sequence[str] = MEASURED
) -> dict[str, list[float]]:
    """Bootstrap intervals of the means: images are drawn with replacement, each with all of its rows.

    Entities of one image are not independent, hence images and not rows. Percentiles; the same seed gives the same.

    Args:
        rows: as in `summary`.
        draws: how many.
        level: share of the draws within the interval.
        seed: of the draws.
        measured: of which keys.

    Returns:
        [low, high] for each of `measured` that the rows have, and of the (E) forms; nothing for fewer than two images.

    >>> rows = [{"image": name, "sad": value} for name, value in zip("abcdef", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0))]
    >>> low, high = interval(rows)["sad"]
    >>> 1 < low < 3.5 < high < 6
    True
    """
    names = [name for name in measured if all(name in row for row in rows)]
    numbers = {image: number for number, image in enumerate(dict.fromkeys(row["image"] for row in rows))}
    if len(numbers) < 2 or not names:
        return {}
    values = np.array([[float(row[name]) for name in names] for row in rows])  # (rows, measures)
    of = np.array([numbers[row["image"]] for row in rows])
    counts = np.bincount(of).astype(np.float64)  # rows of each image
    sums = np.stack([np.bincount(of, column) for column in values.T], axis=1)  # (images, measures)
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(draws):
        times = np.bincount(rng.integers(len(counts), size=len(counts)), minlength=len(counts))
        drawn.append([*(times @ sums / (times @ counts)), *(times @ (sums / counts[:, None]) / len(counts))])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    kept = [*names, *(f"{name}_e" if name in metrics.BY_IMAGE else "" for name in names)]
    return {name: [a, b] for name, a, b in zip(kept, low, high) if name}


def _summary(rows: list[Row], every: bool) -> dict[str, Any]:
    scored = [row for row in rows if row.get("scored", True)]
    found: dict[str, Any] = _means(rows if every else scored)
    if len(scored) < len(rows):
        found |= {"scored": _means(scored)} if every else {"all": _means(rows)}
    for name, (key, group_of) in GROUPS.items():
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            group = group_of(row.get(key))
            if group is not None:
                groups[group].append(row)
        if groups and set(groups) != {"keyword"}:
            found[name] = {group: _means(groups[group]) for group in sorted(groups)}
    return found


def _means(rows: list[Row]) -> dict[str, Any]:
    found = metrics.summarise(rows)
    if between := interval(rows):
        found["interval"] = between
    if rows and all("failure" in row for row in rows):
        found["failures"] = failures(rows)
    return found
