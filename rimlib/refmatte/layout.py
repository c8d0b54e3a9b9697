"""Where the entities of a scene stand: boxes from sizes, a relation and a seed, without a pixel.

Paper: Sec. 3.2: no occlusion for left, right, top and bottom; front and behind are made by overlap; nothing is cropped.
The paper gives no sizes. Here each entity gets a slot of the canvas, larger entities a larger one, and fills it as far
as its own shape and its own pixels allow. Relative sizes follow the sixth root of real sizes, so that small entities
keep enough pixels.
"""

from __future__ import annotations

import math
from itertools import accumulate
from random import Random
from typing import NamedTuple

from rimlib.matting import relations

ROOT = 6  # of the real sizes: a bus is 100 cups long, and here two
METRES = (0.05, 20.0)  # smaller and larger entities count as these, so that a fly beside the moon keeps its pixels
SLACK = 1.6  # an entity may be so much larger than its place in that order, where its slot has room
HIDDEN = (0.12, 0.4)  # the share of the far one's ellipse that a nearer entity covers
TRIES = 60


class Placement(NamedTuple):
    """An entity's box in the scene, whole pixels, and its depth (larger is nearer to the viewer)."""

    left: int
    top: int
    width: int
    height: int
    depth: int = 0

    @property
    def box(self) -> relations.Box:
        """(left, top, right, bottom)."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


def place(
    sizes: list[tuple[int, int]],
    arrangement: tuple[str, str],
    canvas: tuple[int, int],
    rng: Random,
    metres: list[float] | None = None,
    enlarge: float = 2.0,
) -> list[Placement]:
    """Boxes for two or three entities, in the order of the relation (left to right, top to bottom, front first).

    Args:
        sizes: (height, width) of each cut-out in pixels.
        arrangement: one of `relations.ARRANGEMENTS`.
        canvas: (height, width) of the scene in pixels.
        rng: the source of all that is drawn.
        metres: the longer side of each real thing; all alike when not given.
        enlarge: a cut-out grows to no more than this times its own pixels.
    """
    weights = [min(max(value, METRES[0]), METRES[1]) ** (1 / ROOT) for value in metres or [1.0] * len(sizes)]
    if arrangement == ("front", "behind"):
        return _overlapping(sizes, canvas, rng, weights, enlarge)
    along_x = arrangement == ("left", "right")
    length, breadth = (canvas[1], canvas[0]) if along_x else canvas
    total = sum(weights)
    # shares from Dirichlet's distribution, near the weights: a slot never gets too thin to see its entity
    shares = [rng.gammavariate(24.0 * len(sizes) * weight / total, 1.0) for weight in weights]
    edges = [length * edge / sum(shares) for edge in accumulate(shares, initial=0.0)]
    slots = [(breadth, end - start) if along_x else (end - start, breadth) for start, end in zip(edges[:-1], edges[1:])]
    scales = [
        rng.uniform(0.75, 0.98) * min(slot[0] / height, slot[1] / width) for slot, (height, width) in zip(slots, sizes)
    ]
    placements = []
    limited = _limit_scales(scales, sizes, weights, enlarge)
    for (height, width), scale, start, end in zip(sizes, limited, edges[:-1], edges[1:]):
        tall, wide = _pixels(height, scale), _pixels(width, scale)
        along, across = (wide, tall) if along_x else (tall, wide)
        first = math.ceil(start) + rng.randrange(max(1, int(end) - math.ceil(start) - along + 1))
        # things rest low in an image more often than they hang high
        second = int((breadth - across) * (rng.betavariate(2.5, 1.5) if along_x else rng.random()))
        left, top = (first, second) if along_x else (second, first)
        placements.append(Placement(left, top, wide, tall))
    return placements


def covered_share(back: relations.Box, front: relations.Box) -> float:
    """The share of one box's ellipse that lies under the other's."""
    (x, y), (a, b) = _ellipse(back)
    (u, v), (c, d) = _ellipse(front)
    if abs(x - u) >= a + c or abs(y - v) >= b + d:
        return 0.0
    return sum(((x + a * s - u) / c) ** 2 + ((y + b * t - v) / d) ** 2 < 1 for s, t in _DISK) / len(_DISK)


# points spread evenly over the unit circle
_DISK = [(x / 4, y / 4) for x in range(-4, 5) for y in range(-4, 5) if x * x + y * y <= 16]


def _ellipse(box: relations.Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """The centre of a box, and its half width and half height."""
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), ((box[2] - box[0]) / 2, (box[3] - box[1]) / 2)


def _limit_scales(
    scales: list[float], sizes: list[tuple[int, int]], weights: list[float], enlarge: float
) -> list[float]:
    """The scales that fit, lowered where an entity would be too large beside a larger one, or for its own pixels."""
    scales = [min(scale, enlarge) for scale in scales]
    size_per_weight = [scale * max(size) / weight for scale, size, weight in zip(scales, sizes, weights)]
    limits = [min(size for size, other in zip(size_per_weight, weights) if other >= weight) for weight in weights]
    return [
        min(scale, SLACK * limit * weight / max(size))
        for scale, size, weight, limit in zip(scales, sizes, weights, limits)
    ]


def _pixels(length: int, scale: float) -> int:
    return max(2, int(length * scale))


def _overlapping(
    sizes: list[tuple[int, int]], canvas: tuple[int, int], rng: Random, weights: list[float], enlarge: float
) -> list[Placement]:
    """The first one in front of the second, which stays in view for the most part.

    Boxes that overlap may hide nothing, at a corner. So each silhouette is taken for the ellipse in its box, and the
    share of the back one's that is covered is drawn until it lies within `HIDDEN`.
    """
    best: list[Placement] = []
    best_error = math.inf
    for _ in range(TRIES):
        scales = [rng.uniform(0.55, 0.95) * min(canvas[0] / height, 0.7 * canvas[1] / width) for height, width in sizes]
        placements = []
        for depth, (height, width), scale in zip((1, 0), sizes, _limit_scales(scales, sizes, weights, enlarge)):
            tall, wide = _pixels(height, scale), _pixels(width, scale)
            left, top = rng.randrange(canvas[1] - wide + 1), rng.randrange(canvas[0] - tall + 1)
            placements.append(Placement(left, top, wide, tall, depth))
        hidden = covered_share(placements[1].box, placements[0].box)
        error = max(HIDDEN[0] - hidden, hidden - HIDDEN[1], 0)
        if hidden and error < best_error:
            best, best_error = placements, error
        if hidden and error == 0:
            return best
    if best:
        return best
    front, back = placements  # fallback: the front one on the middle of the back one
    left = min(back.left + back.width // 2, canvas[1] - front.width)
    top = min(back.top + back.height // 2, canvas[0] - front.height)
    return [Placement(left, top, front.width, front.height, 1), back]
