"""Grad and Conn: errors that weigh the edge of a matte, and the parts of it that hang together.

Not in the paper. After Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting" (CVPR 2009), whose
Grad follows strands and whose Conn counts what has come off. Over the whole image. Other definitions of both are in
use; `rimlib.evaluation.definitions` shows how far they differ.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rimlib.matting.boxes import visible_box

SIGMA = 1.4
STEP, TOLERANCE = 0.1, 0.15  # of Conn: between two levels, and the distance to its level that costs nothing


def gradient(alpha: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """The length of a matte's gradient, float32 (H, W): derivatives of a Gaussian, each filter's squares summing to 1.

    alpha: float (H, W). Beyond the image its border goes on.
    """
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))  # down to 0.01
    place = np.arange(-half, half + 1)
    gauss = np.exp(-(place**2) / (2 * sigma**2))
    slope = -place * gauss
    gauss, slope = gauss / np.linalg.norm(gauss), slope / np.linalg.norm(slope)
    values, border = np.ascontiguousarray(alpha, np.float32), cv2.BORDER_REPLICATE
    across = cv2.sepFilter2D(values, cv2.CV_32F, slope, gauss, borderType=border)
    down = cv2.sepFilter2D(values, cv2.CV_32F, gauss, slope, borderType=border)
    return np.sqrt(across * across + down * down)  # the last digit of cv2.magnitude depends on where the array lies


def grad(pred: np.ndarray, true: np.ndarray, true_gradient: np.ndarray | None = None) -> float:
    """Grad: the sum of squared differences of the two gradients' lengths, in thousands.

    Args:
        pred: the matte, float (H, W) in [0, 1].
        true: the truth, of the same shape.
        true_gradient: its `gradient`, if that is known.

    >>> edge = np.repeat([[0.0] * 8 + [1.0] * 8], 16, axis=0)
    >>> grad(edge, edge), grad(0 * edge, edge) > grad(0.5 * edge, edge) > 0
    (0.0, True)
    """
    difference = gradient(pred) - (gradient(true) if true_gradient is None else true_gradient)
    return float(np.square(difference).sum(dtype=np.float64)) / 1000


def conn(pred: np.ndarray, true: np.ndarray, neighbours: int = 4, skip_empty: bool = False) -> float:
    """Conn: the sum of differences of the two mattes' degrees of connectedness, in thousands.

    A pixel's level is the last of the steps 0.1, 0.2, … 1 up to which it belongs, at every step, to the largest part of
    where both mattes reach the step; 0 if it never does. Alpha at least 0.15 above the level counts as loose.

    Args:
        pred: the matte, float (H, W) in [0, 1].
        true: the truth, of the same shape.
        neighbours: of a pixel in a part, 4 or 8.
        skip_empty: pass over steps that the mattes reach nowhere together, so that what has lasted until then gets
            level 1: a definition by which an empty matte has no error.

    >>> square = np.zeros((20, 40)); square[5:15, 5:15] = 1
    >>> away = square.copy(); away[5:15, 25:35] = 1
    >>> conn(square, square), conn(away, square)
    (0.0, 0.1)
    """
    level = _levels(pred, true, neighbours, skip_empty)
    total = 0.0
    for start in range(0, len(level), 32):  # stripes stay in the processor's cache
        rows = slice(start, start + 32)
        loose = [np.subtract(matte[rows], level[rows], dtype=np.float64) for matte in (pred, true)]
        loose = [values * (values >= TOLERANCE) for values in loose]
        total += float(np.abs(loose[0] - loose[1]).sum())
    return total / 1000


def _levels(pred: np.ndarray, true: np.ndarray, neighbours: int, skip_empty: bool) -> np.ndarray:
    """The level of each pixel that `conn` measures from, float32 (H, W)."""
    both = np.minimum(pred, true)
    result = np.zeros(both.shape, np.float32)
    window = visible_box(both >= STEP)
    if window is None:
        return result + skip_empty
    values, steps, size = both[window], round(1 / STEP), 0
    kept, passed = np.ones(values.shape, bool), np.zeros(values.shape, np.uint8)
    for step in range(1, steps + 1):
        above = values >= step / steps
        count = int(np.count_nonzero(above))
        if not count:
            passed[kept & skip_empty] = steps
            break
        if count != size:  # else it is the set of the step before, and its largest part is known
            kept &= _largest_part(above, neighbours)
            size = count
        passed += kept
    result[window] = passed / np.float32(steps)
    return result


def _largest_part(mask: np.ndarray, neighbours: int) -> np.ndarray:
    """The largest of its connected parts; bool (H, W)."""
    count, labels, parts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=neighbours)
    return mask if count == 2 else labels == 1 + parts[1:, cv2.CC_STAT_AREA].argmax()
