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
    import cv2

    left, top, width, height = cv2.boundingRect((alpha > threshold).view(np.uint8))
    if not width:
        return None
    rows = slice(max(0, top - margin), min(alpha.shape[0], top + height + margin))
    return rows, slice(max(0, left - margin), min(alpha.shape[1], left + width + margin))
