"""Is a score a probability? Of the sentences that get 0.8, eight in ten should fit something.

Not in the paper. `fit` makes probabilities of a model's scores, by sentences that no training has seen, true ones and
such that fit nothing; `reliability` has the rows of a reliability diagram, `expected_error` their mean distance from
the diagonal. Guo et al. (2017) have both for classifiers; the map is that of Kull et al. (2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rimlib.additions.calibration import Calibration, columns
from rimlib.errors import RimError

BINS = 10
KEPT = 0.95  # share of the true sentences that a threshold keeps
TOLERANCE = 1e-8  # of the gradient


def fit(scores: Any, right: Any, kept: float = KEPT) -> Calibration:
    """The map under which held-out sentences are most probable, and the threshold that keeps most true ones.

    Targets are Platt's (1999), a little inside 0 and 1, so that two groups that do not overlap have a finite fit too.

    Args:
        scores: of a model, in [0, 1], one for each sentence.
        right: bool, does the sentence fit something in its image.
        kept: share of the true sentences with a probability at the threshold or above it.

    Raises:
        RimError: there are no true sentences, or no others, or the true ones have no higher scores.

    >>> found = fit([0.6, 0.7, 0.8, 0.9, 0.9], [False, False, True, False, True])
    >>> bool(found(0.9) > 0.5 > found(0.6))
    True
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    values, true = columns(scores), np.asarray(right, bool)  # (n, 3)
    if true.all() or not true.any():
        raise RimError(f"calibration: {int(true.sum())} of {true.size} sentences are true; both sorts are needed")
    target = np.where(true, (true.sum() + 1) / (true.sum() + 2), 1 / ((~true).sum() + 2))

    def cross_entropy(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = values @ weights
        return float((np.logaddexp(0, z) - target * z).mean()), values.T @ (expit(z) - target) / len(z)

    bounds = [(0, None), (0, None), (None, None)]
    low, high, offset = minimize(cross_entropy, np.zeros(3), jac=True, bounds=bounds, tol=TOLERANCE).x.tolist()
    if not low + high > 0:
        raise RimError("calibration: the true sentences have no higher scores than the others; there is no fit")
    unplaced = Calibration(low, high, offset, 0.0)
    return Calibration(low, high, offset, threshold(unplaced(scores)[true], kept))


def threshold(true: Any, kept: float = KEPT) -> float:
    """The largest threshold at which at least this share of the true sentences' values is kept (>=).

    >>> threshold([0.1, 0.5, 0.6, 0.9], kept=0.75)
    0.5
    """
    values = np.sort(np.asarray(true, np.float64))
    return float(values[int(np.floor((1 - kept) * len(values) + 1e-9))])


def reliability(probabilities: Any, right: Any, bins: int = BINS) -> list[dict[str, float]]:
    """The rows of a reliability diagram, in `bins` groups of equal counts, by probability.

    Groups of equal width would leave most of them empty, since scores are crowded near 0 and 1. Equal probabilities
    stay together, so that there may be fewer groups.

    Returns:
        For each group its `count`, mean `probability` and the share that is `right`.

    >>> reliability([0.1, 0.2, 0.9, 0.9], [False, True, True, True], bins=2)
    [{'count': 2, 'probability': 0.15..., 'right': 0.5}, {'count': 2, 'probability': 0.9, 'right': 1.0}]
    """
    values, true = np.asarray(probabilities, np.float64), np.asarray(right, np.float64)
    order = np.argsort(values, kind="stable")
    values, true = values[order], true[order]
    cuts = np.searchsorted(values, values[[len(values) * number // bins for number in range(bins)]])
    edges = [*dict.fromkeys(cuts.tolist()), len(values)]
    return [
        {"count": end - start, "probability": float(values[start:end].mean()), "right": float(true[start:end].mean())}
        for start, end in zip(edges, edges[1:])
    ]


def expected_error(probabilities: Any, right: Any, bins: int = BINS) -> float:
    """Expected calibration error: the mean over sentences of their group's |probability - share that is right|.

    >>> round(expected_error([0.1, 0.2, 0.9, 0.9], [False, True, True, True], bins=2), 3)
    0.225
    """
    rows = reliability(probabilities, right, bins)
    total = sum(row["count"] for row in rows)
    return float(sum(row["count"] * abs(row["probability"] - row["right"]) for row in rows) / total)
