"""How far a matte is from the truth: SAD, MSE, MAD, and whether it is of the right thing at all.

Paper: Sec. 5.1, S4.2 (Eq. 10 and 11). Errors are taken over the whole image at its own size, on float mattes.
A matte of the wrong entity and a soft edge in the wrong place are different failures, so localisation
(does the matte cover the right entity?) is reported beside the error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from rimlib.errors import RimError
from rimlib.matting.trimap import trimap_from_alpha

# What `summarise` averages, where a row has it.
AVERAGED = ("sad", "mse", "mad", "sad_in_band", "iou", "localised", "chance")
# What is averaged within each image first as well: the paper's (E) forms.
BY_IMAGE = ("sad", "mse", "mad")


def sad(pred: np.ndarray, true: np.ndarray) -> float:
    """Sum of absolute differences, in thousands.

    Args:
        pred: the matte, float (H, W) in [0, 1].
        true: the truth, of the same shape.

    Raises:
        RimError: the shapes differ.

    >>> sad(np.ones((50, 40)), np.zeros((50, 40)))
    2.0
    """
    return float(np.abs(_difference(pred, true)).sum() / 1000)


def mse(pred: np.ndarray, true: np.ndarray) -> float:
    """Mean squared error over all pixels; arguments as in `sad`.

    >>> mse(np.full((2, 2), 0.5), np.zeros((2, 2)))
    0.25
    """
    return float(np.square(_difference(pred, true)).mean())


def mad(pred: np.ndarray, true: np.ndarray) -> float:
    """Mean absolute difference over all pixels; arguments as in `sad`.

    >>> mad(np.full((2, 2), 0.5), np.zeros((2, 2)))
    0.5
    """
    return float(np.abs(_difference(pred, true)).mean())


def iou(pred: np.ndarray, true: np.ndarray, threshold: float = 0.5) -> float:
    """Intersection over union of the two mattes, each cut at `threshold`; 1 where both are empty.

    >>> iou(np.array([[0.9, 0.9]]), np.array([[0.8, 0.1]]))
    0.5
    """
    _difference(pred, true)
    pred, true = np.asarray(pred) > threshold, np.asarray(true) > threshold
    union = np.count_nonzero(pred | true)
    return float(np.count_nonzero(pred & true) / union) if union else 1.0


def localised(pred: np.ndarray, true: np.ndarray) -> bool:
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


def sad_in_band(pred: np.ndarray, true: np.ndarray, kernel: int = 25) -> float:
    """SAD, in thousands, inside the true transition band alone: the quality of the edge."""
    return float(np.abs(_difference(pred, true))[transition_band(true, kernel)].sum() / 1000)


def score(pred: np.ndarray, true: np.ndarray, band_kernel: int = 25) -> dict:
    """All measures of one matte, as a row for `summarise`; arguments as in `sad`.

    `sad_empty` is the SAD of an empty matte.
    """
    covered = iou(pred, true)
    return {
        "sad": sad(pred, true),
        "mse": mse(pred, true),
        "mad": mad(pred, true),
        "sad_empty": float(np.asarray(true, dtype=np.float64).sum() / 1000),
        "sad_in_band": sad_in_band(pred, true, band_kernel),
        "iou": covered,
        "localised": covered > 0.5,
    }


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


def _difference(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    # float64: a float32 sum over two million pixels is wrong in the digits that a table shows.
    pred, true = np.asarray(pred, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if pred.shape != true.shape:
        raise RimError(f"metrics: the matte is {pred.shape} and the truth {true.shape}; they must be of one shape")
    return pred - true


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(float(value) for value in values) / len(values)
