"""Which of two things hides the other, by their mattes alone.

Where the outline of a thing that is hidden meets the outline of what hides it, the two make a T: the nearer outline
goes on, and the farther one ends (a T-junction). Around that point the nearer thing fills about half of a small disc,
and the farther one shares the rest with the background. What is hidden has a bite taken out of it besides: its convex
hull covers some of what hides it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

SOLID = 0.5  # of an alpha: what hides what is behind it
RADII = (0.03, 0.05, 0.08)  # of the discs, as shares of the side of a square of the smaller thing's area
SIDE = 512  # pixels; larger mattes are looked at in steps
POINTS = 200  # as many junctions suffice
_CROSS = np.ones((3, 3), np.uint8)


def hides(one: np.ndarray, other: np.ndarray) -> float:
    """How clearly does one hide a part of the other? In [-1, 1]; negative where it is hidden, 0 where they are apart.

    Args:
        one: alpha of what is visible of it, float32 (H, W) in [0, 1].
        other: of the other one.

    >>> disc = lambda x: ((np.indices((80, 120)) - np.array([40, x])[:, None, None]) ** 2).sum(0) < 900
    >>> near, far = disc(40), disc(70) & ~disc(40)
    >>> hides(near.astype(np.float32), far.astype(np.float32)) > 0.5
    True
    """
    window = _window(one, other)
    if window is None:
        return 0.0
    one, other = (np.ascontiguousarray(alpha[window], dtype=np.float32) for alpha in (one, other))
    masks = [(alpha > SOLID).view(np.uint8) for alpha in (one, other)]
    grown = [cv2.dilate(mask, _CROSS) for mask in masks]
    contact = cv2.bitwise_and(*grown)
    if not contact.any():
        return 0.0
    background = cv2.morphologyEx(1 - (masks[0] | masks[1]), cv2.MORPH_OPEN, _CROSS)
    points = np.argwhere(cv2.bitwise_and(contact, cv2.dilate(background, _CROSS)))
    area = min(float(mask.sum()) for mask in masks)
    fill = sum(_fill(one - other, points, max(3, round(share * math.sqrt(area)))) for share in RADII)
    bitten = [float((_hull(mask) & by).sum()) for mask, by in (masks, masks[::-1])]
    bite = (bitten[1] - bitten[0]) / max(sum(bitten), 1.0)
    return max(-1.0, min(1.0, 5 * fill + 0.25 * bite))


def _window(one: np.ndarray, other: np.ndarray) -> tuple[slice, slice] | None:
    """What both mattes cover, in steps where it is large; None where one covers nothing."""
    sides = []
    for axis in (1, 0):
        covered = [np.flatnonzero((alpha > SOLID).any(axis)) for alpha in (one, other)]
        if not all(map(len, covered)):
            return None
        first, last = min(int(line[0]) for line in covered), max(int(line[-1]) for line in covered)
        sides.append((max(0, first - 2), last + 3))
    step = max(1, max(last - first for first, last in sides) // SIDE)
    return slice(*sides[0], step), slice(*sides[1], step)


def _fill(difference: np.ndarray, points: np.ndarray, radius: int) -> float:
    """The mean of a map over discs around some points (n, 2), (y, x); 0 without a point."""
    if not len(points):
        return 0.0
    points = points[:: max(1, len(points) // POINTS)]
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    padded = cv2.copyMakeBorder(difference, radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0)
    size = 2 * radius + 1
    total = sum(float((padded[y : y + size, x : x + size] * disc).sum()) for y, x in points)
    return total / (len(points) * float(disc.sum()))


def _hull(mask: np.ndarray) -> np.ndarray:
    hull = np.zeros_like(mask)
    cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(mask)), 1)
    return hull
