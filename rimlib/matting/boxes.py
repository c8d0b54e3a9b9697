"""The box of what is visible in a map of alpha."""

from __future__ import annotations

import numpy as np


def visible_box(alpha: np.ndarray, threshold: float = 0.0, margin: int = 0) -> tuple[slice, slice] | None:
    """The rows and columns that hold all of what is above a threshold, and a margin around it; None where nothing is.

    Args:
        alpha: (H, W) of any dtype.
        threshold: in the units of `alpha`.
        margin: pixels to each side, as far as the map reaches.

    >>> alpha = np.zeros((6, 8)); alpha[2:4, 5] = 1
    >>> visible_box(alpha, margin=1)
    (slice(1, 5, None), slice(4, 7, None))
    """
    visible = alpha > threshold
    spans = []
    for length, found in zip(alpha.shape, (np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0)))):
        if len(found) == 0:
            return None
        spans.append(slice(max(0, int(found[0]) - margin), min(length, int(found[-1]) + 1 + margin)))
    return spans[0], spans[1]
