"""The relations on boxes as a detector finds them: how clearly they hold, as a number.

`relations.holds` is for scenes that were laid out, and wants boxes that do not overlap along an axis. Found boxes do:
two people side by side share some columns, and a box is a little too large or too small. Here centres are compared, and
each answer lies in [-1, 1]: 1 is beyond doubt, 0 undecided, -1 beyond doubt untrue.

Boxes are (left, top, right, bottom) in pixels, y grows downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rimlib.matting.occlusion import hides
from rimlib.matting.relations import RELATIONS, SIZE_RATIO, Box, area

COMPARED = ("larger", "smaller", "taller", "shorter")
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Seen:
    """What is known of one instance in an image.

    box: in pixels; alpha: float32 (H, W) in [0, 1], of what is visible of it; depth: larger is nearer to the viewer.
    """

    box: Box
    alpha: np.ndarray | None = None
    depth: float | None = None


def centre(box: Box) -> tuple[float, float]:
    """Of a box, x and y in pixels."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def clearness(name: str, one: Seen, other: Seen) -> float:
    """How clearly does one instance stand in a relation to another, or exceed it in size? In [-1, 1].

    Args:
        name: one of the relations of `matting.relations` other than `middle`, two of them ("top left"), a size of
            `COMPARED`, or `near`, `far`, `on`, `inside`. The last four are at least 0: nothing contradicts them.
        one: whose relation it is.
        other: to what.

    >>> left, right = Seen((0, 0, 10, 10)), Seen((8, 0, 18, 10))
    >>> round(clearness("left", left, right), 2), round(clearness("right", left, right), 2)
    (0.8, -0.8)
    """
    if " " in name:
        return min(clearness(word, one, other) for word in name.split())
    if name in ("right", "bottom", "behind", "smaller", "shorter"):
        return clearness({**_OPPOSITE, "smaller": "larger", "shorter": "taller"}[name], other, one)
    if name in ("left", "top"):
        axis = 0 if name == "left" else 1
        extent = (one.box[axis + 2] - one.box[axis] + other.box[axis + 2] - other.box[axis]) / 2
        return _clip((centre(other.box)[axis] - centre(one.box)[axis]) / max(extent, 1e-6))
    if name == "front":
        return _nearer(one, other)
    if name in COMPARED:
        sizes = [area(seen.box) if name == "larger" else seen.box[3] - seen.box[1] for seen in (one, other)]
        ratio = SIZE_RATIO if name == "larger" else math.sqrt(SIZE_RATIO)
        return _clip(math.log(max(sizes[0], 1e-6) / max(sizes[1], 1e-6)) / math.log(ratio))
    if name == "near":
        return closeness(one.box, other.box)
    if name == "far":
        return 1 - closeness(one.box, other.box)
    if name == "on":
        return _lies_on(one.box, other.box)
    if name == "inside":
        return shared(one.box, other.box) / max(area(one.box), 1e-6)
    raise ValueError(f"no relation {name!r}")


def closeness(box: Box, other: Box) -> float:
    """1 where two boxes touch, falling to 0 with the gap between them, measured by their own size."""
    x = max(box[0] - other[2], other[0] - box[2], 0.0)
    y = max(box[1] - other[3], other[1] - box[3], 0.0)
    scale = (math.sqrt(area(box)) + math.sqrt(area(other))) / 2
    touching = 1 / (1 + math.hypot(x, y) / max(scale, 1e-6))
    apart = math.dist(centre(box), centre(other)) / max(scale, 1e-6)
    return touching * (0.9 + 0.1 / (1 + apart))  # of two that touch, the one whose centre is nearer


def between(one: Seen, first: Seen, second: Seen) -> float:
    """How clearly does one stand between two others? In [-1, 1]; 1 halfway on the line of their centres.

    >>> boxes = [Seen((x, 0, x + 10, 10)) for x in (0, 40, 20)]
    >>> round(between(boxes[2], boxes[0], boxes[1]), 2), between(boxes[0], boxes[1], boxes[2])
    (1.0, -1.0)
    """
    (x, y), (x1, y1), (x2, y2) = centre(one.box), centre(first.box), centre(second.box)
    length = math.hypot(x2 - x1, y2 - y1)
    if length < 1e-6:
        return 0.0
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length**2
    if not 0 < along < 1:
        return _clip(-4 * max(-along, along - 1) - 0.01)
    aside = abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1)) / length**2
    return _clip(min(1.0, 4 * min(along, 1 - along)) - aside)


def in_image(name: str, box: Box, size: tuple[int, int]) -> float:
    """How far to that side of an image of `size` (height, width) does a box lie? 1 at the edge, -1 at the other one.

    0 for what an image has no place for.
    """
    if " " in name:
        return min(in_image(word, box, size) for word in name.split())
    if name not in SIDES:
        return 0.0
    axis = 0 if name in ("left", "right") else 1
    place = 2 * centre(box)[axis] / size[1 - axis] - 1
    return _clip(-place if name in ("left", "top") else place)


def order(name: str, seen: Sequence[Seen]) -> list[int]:
    """The indices of some instances, those farthest to that side, or largest, first.

    >>> order("right", [Seen((0, 0, 10, 10)), Seen((40, 0, 50, 10)), Seen((20, 0, 30, 10))])
    [1, 2, 0]
    """
    if name in SIDES:
        axis, sign = (0 if name in ("left", "right") else 1), (1 if name in ("left", "top") else -1)
        return sorted(range(len(seen)), key=lambda index: sign * centre(seen[index].box)[axis])
    total = [sum(clearness(name, one, other) for other in seen if other is not one) for one in seen]
    return sorted(range(len(seen)), key=lambda index: -total[index])


def middle(seen: Sequence[Seen], size: tuple[int, int]) -> list[int]:
    """The indices of some instances, the one that stands in the middle first.

    Of an odd number in a row or a column it is the one with as many on each side; else the one nearest to the centre of
    all, and of two the one nearest to the centre of the image, whose `size` is (height, width).
    """
    if len(seen) > 2 and len(seen) % 2:
        rows = [order(name, seen) for name in ("left", "top")]
        apart = [
            min(clearness(name, seen[one], seen[two]) for one, two in zip(row, row[1:]))
            for name, row in zip(("left", "top"), rows)
        ]
        row = rows[apart.index(max(apart))]
        half = len(seen) // 2
        return sorted(range(len(seen)), key=lambda index: abs(row.index(index) - half))
    places = [centre(one.box) for one in seen]
    if len(seen) == 2:  # along the axis on which they are apart
        axis = 0 if abs(clearness("left", *seen)) >= abs(clearness("top", *seen)) else 1
        return sorted(range(2), key=lambda index: abs(places[index][axis] - size[1 - axis] / 2))
    aim = tuple((min(values) + max(values)) / 2 for values in zip(*places))
    return sorted(range(len(seen)), key=lambda index: math.dist(places[index], aim))


def shared(box: Box, other: Box) -> float:
    """The area that two boxes share, in square pixels."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(0.0, width) * max(0.0, height)


def iou(box: Box, other: Box) -> float:
    """Intersection over union of two boxes.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    both = shared(box, other)
    return both / max(area(box) + area(other) - both, 1e-6)


_OPPOSITE = {name: relation.opposite for name, relation in RELATIONS.items()}


def _clip(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _lies_on(box: Box, other: Box) -> float:
    """Over the other one, and with its lower edge on it; or at least higher."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    beside = max(0.0, width) / max(min(box[2] - box[0], other[2] - other[0]), 1e-6)
    higher = max(0.0, clearness("top", Seen(box), Seen(other)))
    slack = 0.15 * (box[3] - box[1])
    touches = other[1] - slack <= box[3] <= other[3] + slack
    return max(beside * (1.0 if touches else 0.5), 0.6 * higher)


def _nearer(one: Seen, other: Seen) -> float:
    """By depth where it is known; by who hides whom; then by the lower edge and the size.

    Without a depth the answer stays under 0.4: it is good enough to choose, and not to contradict a sentence.
    """
    if one.depth is not None and other.depth is not None:
        return _clip(4 * (one.depth - other.depth) / max(abs(one.depth), abs(other.depth), 1e-6))
    heights = (one.box[3] - one.box[1] + other.box[3] - other.box[1]) / 2
    lower = _clip((one.box[3] - other.box[3]) / max(0.5 * heights, 1e-6))
    larger = _clip(math.log(max(area(one.box), 1e-6) / max(area(other.box), 1e-6)) / 2)
    guess = 0.3 * lower + 0.08 * larger
    if one.alpha is None or other.alpha is None or not shared(one.box, other.box):
        return guess
    hidden = hides(one.alpha, other.alpha)
    return 0.36 * hidden + 0.03 * guess if hidden else guess
