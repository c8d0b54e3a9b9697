"""Boxes: of what is visible in a map of alpha, and of groups."""

from __future__ import annotations

import numpy as np

from rimlib.matting.arrangement import shared
from rimlib.matting.relations import Box, area


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


def is_group(box: np.ndarray, others: np.ndarray, inside: float = 0.8, filled: float = 0.6) -> bool:
    """Whether a box is that of a group: several others lie in it, apart from each other, and fill most of it.

    Args:
        box: (4,), left, top, right, bottom.
        others: (n, 4).
        inside: the least share of a member's area that lies in the box.
        filled: the least share of the box that its members fill.

    >>> dogs = np.array([[0, 0, 10, 10], [12, 0, 20, 10]])
    >>> is_group(np.array([0, 0, 20, 10]), dogs), is_group(np.array([0, 0, 20, 30]), dogs), is_group(dogs[0], dogs[1:])
    (True, False, False)
    """
    whole, *rest = (_plain(one) for one in (box, *others))
    members: list[Box] = []
    for other in rest:
        apart = all(shared(other, member) < 0.3 * min(area(other), area(member)) for member in members)
        if apart and shared(whole, other) >= inside * area(other) and area(other) < filled * area(whole):
            members.append(other)
    return len(members) > 1 and sum(shared(whole, member) for member in members) >= filled * area(whole)


def _plain(box: np.ndarray) -> Box:
    left, top, right, bottom = box.tolist()
    return left, top, right, bottom
