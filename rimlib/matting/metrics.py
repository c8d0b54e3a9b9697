"""How far a matte is from the truth: SAD, MSE, MAD, and whether it is of the right thing at all.

Paper: Sec. 5.1, S4.2 (Eq. 10 and 11). Errors are taken over the whole image at its own size, on float mattes.
A matte of the wrong entity and a soft edge in the wrong place are different failures, so localisation
(does the matte cover the right entity?) is reported beside the error. Grad and Conn are in `edges`; which of the
field's definitions of each measure is used here is in `rimlib.evaluation.definitions`.

Each measure has its own function and a runnable example, which makes this file long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import TypeAlias

import numpy as np

from rimlib.errors import RimError
from rimlib.matting import edges
from rimlib.matting.trimap import trimap_from_alpha

# What `summarise` averages, where a row has it.
AVERAGED = ("sad", "mse", "mad", "sad_in_band", "grad", "conn", "iou", "localised", "chance")
# What is averaged within each image first as well: the paper's (E) forms.
BY_IMAGE = ("sad", "mse", "mad")
STRIPE = 32  # rows that are summed together: their float64 values stay in the processor's cache
SOFT = (0.05, 0.95)  # of a true alpha: between them it is soft
LEVEL = 1 / 255  # less than this outside [0, 1] is rounding


class Truth:
    """A true matte, with what does not depend on a prediction: computed once, however many sentences are scored on it.

    alpha: as `true` in `sad`. A `Truth` may stand wherever a true matte does.
    """

    def __init__(self, alpha: np.ndarray):
        self.alpha = _values(alpha, "truth")
        self._bands: dict[int, np.ndarray] = {}

    @cached_property
    def covered(self) -> np.ndarray:
        """Where alpha is above 0.5, bool (H, W)."""
        return self.alpha > 0.5

    @cached_property
    def total(self) -> float:
        """The sum of alpha."""
        return float(self.alpha.sum(dtype=np.float64))

    @cached_property
    def gradient(self) -> np.ndarray:
        """See `edges.gradient`."""
        return edges.gradient(self.alpha)

    def band(self, kernel: int) -> np.ndarray:
        """See `transition_band`."""
        if kernel not in self._bands:
            self._bands[kernel] = transition_band(self.alpha, kernel)
        return self._bands[kernel]


Matte: TypeAlias = np.ndarray | Truth


def sad(pred: np.ndarray, true: Matte) -> float:
    """Sum of absolute differences, in thousands.

    Args:
        pred: the matte, float (H, W) in [0, 1], or bool.
        true: the truth, of the same shape.

    Raises:
        RimError: the shapes differ, or values are NaN or not in [0, 1].

    >>> sad(np.ones((50, 40)), np.zeros((50, 40)))
    2.0
    """
    return _sums(*pair(pred, true))[0] / 1000


def mse(pred: np.ndarray, true: Matte) -> float:
    """Mean squared error over all pixels; arguments as in `sad`.

    >>> mse(np.full((2, 2), 0.5), np.zeros((2, 2)))
    0.25
    """
    matte, truth = pair(pred, true)
    return _sums(matte, truth)[1] / matte.size


def mad(pred: np.ndarray, true: Matte) -> float:
    """Mean absolute difference over all pixels; arguments as in `sad`.

    >>> mad(np.full((2, 2), 0.5), np.zeros((2, 2)))
    0.5
    """
    matte, truth = pair(pred, true)
    return _sums(matte, truth)[0] / matte.size


def iou(pred: np.ndarray, true: Matte, threshold: float = 0.5) -> float:
    """Intersection over union of the two mattes, each cut at `threshold`; 1 where both are empty.

    >>> iou(np.array([[0.9, 0.9]]), np.array([[0.8, 0.1]]))
    0.5
    """
    matte, truth = pair(pred, true)
    return _iou(matte > threshold, truth.covered if threshold == 0.5 else truth.alpha > threshold)


def localised(pred: np.ndarray, true: Matte) -> bool:
    """Is the matte of the right entity: is its IoU with the truth, both cut at 0.5, above 0.5?"""
    return iou(pred, true) > 0.5


def transition_band(true: np.ndarray, kernel: int = 25) -> np.ndarray:
    """Where the matte is hard: between the dilated [a > 0] and the eroded [a = 1].

    Args:
        true: float (H, W) in [0, 1].
        kernel: diameter in pixels of the elliptical kernel (25 in the earlier works, for images of about a megapixel).

    Returns:
        bool (H, W).
    """
    return trimap_from_alpha(np.asarray(true), kernel) == 128


def sad_in_band(pred: np.ndarray, true: Matte, kernel: int = 25) -> float:
    """SAD, in thousands, inside the true transition band alone: the quality of the edge."""
    matte, truth = pair(pred, true)
    return _sums(matte, truth, truth.band(kernel))[2] / 1000


def soft(true: np.ndarray) -> np.ndarray:
    """Where a true matte is soft, bool (H, W): its alpha is between those of `SOFT`."""
    return (true > SOFT[0]) & (true < SOFT[1])


def soft_errors(pred: np.ndarray, true: np.ndarray) -> tuple[float, float] | None:
    """Mean |error| where the truth is soft: of the matte, and of the truth cut at one half.

    The second is the best that a binary mask can do there: a matte is worth its soft values where the first is smaller.

    Args:
        pred: float (H, W) in [0, 1].
        true: the truth, of the same shape.

    Returns:
        Both errors, or None where the truth has no soft pixel.

    >>> [round(error, 3) for error in soft_errors(np.array([[0.3, 1.0]]), np.array([[0.4, 1.0]]))]
    [0.1, 0.4]
    """
    band = soft(true)
    if not band.any():
        return None
    values = true[band].astype(np.float64)
    matte, cut = (float(np.abs(answer[band] - values).mean()) for answer in (pred, true > 0.5))
    return matte, cut


def score(pred: np.ndarray, true: Matte, band_kernel: int | None = 25, with_edges: bool = True) -> dict:
    """All measures of one matte, as a row for `summarise`; arguments as in `sad`.

    Args:
        pred: as in `sad`.
        true: as in `sad`; a `Truth` where several predictions are scored on it.
        band_kernel: see `transition_band`; None leaves out `sad_in_band`, which takes most of the time.
        with_edges: whether `grad` and `conn` are measured too; see `edges`.

    Returns:
        Also `sad_empty`, the SAD of an empty matte.
    """
    matte, truth = pair(pred, true)
    band = None if band_kernel is None else truth.band(band_kernel)
    absolute, squared, in_band = _sums(matte, truth, band)
    covered = _iou(matte > 0.5, truth.covered)
    row = {"sad": absolute / 1000, "mse": squared / matte.size, "mad": absolute / matte.size}
    row |= {"sad_empty": truth.total / 1000, "iou": covered, "localised": covered > 0.5}
    if band is not None:
        row["sad_in_band"] = in_band / 1000
    if with_edges:
        row |= {"grad": edges.grad(matte, truth.alpha, truth.gradient), "conn": edges.conn(matte, truth.alpha)}
    return row


def summarise(rows: list[dict]) -> dict:
    """The means of many rows.

    Args:
        rows: one dict for each entity scored, as `score` gives, with "image" (which image it is of) added.

    Returns:
        The mean over entities of each measure; `sad_e`, `mse_e`, `mad_e`: the mean over the entities of an image first,
        then over images (Paper: Eq. 11); `sad_ratio`: the sum of SAD over that of empty mattes (below 1 is better than
        an empty matte); and the counts `entities` and `images`.

    Raises:
        RimError: there is no row.

    >>> rows = [{"image": "a", "sad": 1.0}, {"image": "a", "sad": 3.0}, {"image": "b", "sad": 8.0}]
    >>> summary = summarise(rows)
    >>> summary["sad"], summary["sad_e"]
    (4.0, 5.0)
    """
    if not rows:
        raise RimError("metrics: there is nothing to average, no entity was scored")
    result: dict = {"entities": len(rows), "images": len({row["image"] for row in rows})}
    for name in AVERAGED:
        if all(name in row for row in rows):
            result[name] = _mean([row[name] for row in rows])
    for name in BY_IMAGE:
        if name in result:
            images: dict[str, list[float]] = {}
            for row in rows:
                images.setdefault(row["image"], []).append(row[name])
            result[f"{name}_e"] = _mean([_mean(values) for values in images.values()])
    if "sad" in result and all("sad_empty" in row for row in rows):
        empty = math.fsum(row["sad_empty"] for row in rows)
        result["sad_empty"] = empty / len(rows)
        result["sad_ratio"] = result["sad"] * len(rows) / empty if empty else None
    return result


def by(rows: list[dict], key: str) -> dict[str, dict]:
    """`summarise` for each value that the rows have under `key`, in alphabetical order."""
    values = sorted({str(row[key]) for row in rows if row.get(key) is not None})
    return {value: summarise([row for row in rows if str(row.get(key)) == value]) for value in values}


def pair(pred: np.ndarray, true: Matte) -> tuple[np.ndarray, Truth]:
    """A matte and its truth, checked as `sad` states it."""
    matte, truth = _values(pred, "matte"), true if isinstance(true, Truth) else Truth(true)
    if matte.shape != truth.alpha.shape:
        shapes = f"the matte is {matte.shape} and the truth {truth.alpha.shape}"
        raise RimError(f"metrics: {shapes}; they must be of one shape")
    return matte, truth


def _values(alpha: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(alpha)
    if values.dtype == bool:
        return values.astype(np.float32)
    low, high = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
    if not (low >= -LEVEL and high <= 1 + LEVEL):  # NaN too
        found = f"{values.dtype} from {low:.4g} to {high:.4g}" if low <= high else "NaN" if values.size else "no pixel"
        raise RimError(f"metrics: the {name} holds {found}; floats in [0, 1] are expected")
    return values


def _sums(matte: np.ndarray, truth: Truth, band: np.ndarray | None = None) -> tuple[float, float, float]:
    """Absolute and squared differences, and the absolute ones in the band; summed in float64.

    A float32 sum over two million pixels is wrong in the digits that a table shows.
    """
    absolute = squared = in_band = 0.0
    for start in range(0, len(matte), STRIPE):
        rows = slice(start, start + STRIPE)
        difference = np.abs(np.subtract(matte[rows], truth.alpha[rows], dtype=np.float64))
        absolute += float(difference.sum())
        squared += float(np.vdot(difference, difference))
        if band is not None and band[rows].any():
            in_band += float(difference[band[rows]].sum())
    return absolute, squared, in_band


def _iou(matte: np.ndarray, truth: np.ndarray) -> float:
    common = np.count_nonzero(matte & truth)
    union = np.count_nonzero(matte) + np.count_nonzero(truth) - common
    return float(common / union) if union else 1.0


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(float(value) for value in values) / len(values)
