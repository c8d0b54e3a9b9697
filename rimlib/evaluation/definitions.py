"""The measures of this field by their definitions: several go by one name, and differ by factors.

The paper names SAD, MSE and MAD and their (E) forms (Sec. 5.1, Eq. 10 and 11), over the whole image; it has no Grad, no
Conn and no IoU. `compare` computes the definitions in use on one matte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from rimlib.matting import edges, metrics


@dataclass(frozen=True)
class Definition:
    """One definition of a measure.

    Attributes:
        measure: its name in tables.
        formula: p is the matte, a the truth, U the unknown region of the trimap, N the number of pixels.
        use: where it is used.
        ours: is it what `metrics.score` gives, and under which key ("" if not).
    """

    measure: str
    formula: str
    use: str
    ours: str = ""


DEFINITIONS = (
    Definition("SAD", "sum |p - a| / 1000, whole image", "the paper; GFM, P3M", "sad"),
    Definition("SAD", "sum over U of |p - a| / 1000", "matting by a trimap (Composition-1k)"),
    Definition("MSE", "sum (p - a)^2 / N, whole image", "the paper; GFM, P3M", "mse"),
    Definition("MSE", "sum over U of (p - a)^2 / |U|", "matting by a trimap (Composition-1k)"),
    Definition("MSE", "1000 times the whole image's", "video matting; many tables, in their heading or not"),
    Definition("MAD", "sum |p - a| / N, whole image", "the paper; GFM, P3M: 1000 SAD / N", "mad"),
    Definition("MAD", "1000 times the whole image's", "video matting"),
    Definition(
        "Grad",
        "sum (|grad p| - |grad a|)^2 / 1000, Gaussian derivatives of sigma 1.4, each filter of norm 1",
        "Rhemann et al. 2009 and most later works",
        "grad",
    ),
    Definition("Grad", "the same / 10, derivatives of a Gaussian of sum 1", "GFM, P3M"),
    Definition(
        "Conn",
        "sum |phi(p) - phi(a)| / 1000, steps of 0.1, 0.15 free, 4 neighbours; level 0 where the mattes never meet",
        "Rhemann et al. 2009 and most later works",
        "conn",
    ),
    Definition("Conn", "the same, with level 1 where no step has a part", "GFM, P3M: 0 for an empty matte"),
    Definition("Conn", "the first, 8 neighbours", "ports that leave their library's default"),
    Definition("IoU", "of p > 0.5 and a > 0.5, mean over entities", "here, beside the errors", "iou"),
    Definition("IoU", "of p > 0 and a > 0", "segmentation of mattes as masks"),
    Definition(
        "localised", "is the first IoU above 0.5", "here; precision at 0.5 of referring segmentation", "localised"
    ),
    Definition("localised", "is the first IoU above 0.7", "precision at 0.7 of referring segmentation"),
)


def names() -> dict[str, str]:
    """The definition of each measure that `metrics.score` gives, by its key: what a record states of its numbers."""
    return {definition.ours: definition.formula for definition in DEFINITIONS if definition.ours}


def compare(pred: np.ndarray, true: np.ndarray, kernel: int = 25) -> list[dict[str, Any]]:
    """One matte measured by every definition.

    Args:
        pred: the matte, float (H, W) in [0, 1].
        true: the truth, of the same shape.
        kernel: of the trimap whose unknown region is U; see `metrics.transition_band`.

    Returns:
        A row for each of `DEFINITIONS`, with its `value`.

    >>> true = np.zeros((60, 60)); true[20:40, 20:40] = 1
    >>> [row["value"] for row in compare(0.5 * true, true, kernel=5) if row["measure"] == "SAD"]
    [0.2, 0.072]
    """
    truth = metrics.Truth(true)
    row, unknown = metrics.score(pred, truth, None), truth.band(kernel)
    squares = np.square(np.asarray(pred, np.float64) - truth.alpha)
    covered = metrics.iou(pred, truth)
    other = {
        "SAD": [metrics.sad_in_band(pred, truth, kernel)],
        "MSE": [float(squares[unknown].mean()) if unknown.any() else 0.0, 1000 * row["mse"]],
        "MAD": [1000 * row["mad"]],
        "Grad": [_grad_of_sum_1(pred, truth.alpha)],
        "Conn": [edges.conn(pred, truth.alpha, skip_empty=True), edges.conn(pred, truth.alpha, neighbours=8)],
        "IoU": [metrics.iou(pred, truth, 0.0)],
        "localised": [covered > 0.7],
    }
    values = [
        row[definition.ours] if definition.ours else other[definition.measure].pop(0) for definition in DEFINITIONS
    ]
    return [
        {
            "measure": known.measure,
            "definition": known.formula,
            "use": known.use,
            "ours": bool(known.ours),
            "value": value,
        }
        for known, value in zip(DEFINITIONS, values)
    ]


def _grad_of_sum_1(pred: np.ndarray, true: np.ndarray) -> float:
    """Grad by filters that smooth with weights of sum 1, over 10."""
    place = np.arange(-6, 7)  # four sigmas and a half
    gauss = np.exp(-(place**2) / (2 * edges.SIGMA**2))
    gauss /= gauss.sum()
    slope = place / edges.SIGMA**2 * gauss
    lengths = []
    for matte in (pred, true):
        values = np.asarray(matte, np.float64)
        across, down = (
            cv2.sepFilter2D(values, cv2.CV_64F, along_x, along_y, borderType=cv2.BORDER_REFLECT)
            for along_x, along_y in ((slope, gauss), (gauss, slope))
        )
        lengths.append(np.hypot(across, down))
    return float(np.square(lengths[0] - lengths[1]).sum() / 10)
