"""The six relations (and the middle): what each means as geometry, and which words name it.

Paper: Sec. 3.2 and Table 4 (whose "n the center of" lost its first letter). The layout places entities by this table,
sentences are realised from it and verified against it, and the words of a mirrored image are mirrored by it.

Boxes are (left, top, right, bottom) in pixels, y grows downwards.

The table of relations and their words makes this file long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
_NEAR = ("beside", "next to", "close to", "near")
_FROM = ("{ordinal} {noun} from the {side}", "{noun} {ordinal} from the {side}")


@dataclass(frozen=True)
class Relation:
    """One relation of an entity to another, or to the image.

    Attributes:
        name: `left`, `right`, `top`, `bottom`, `front`, `behind`, `middle`.
        opposite: the relation of the other one; empty for `middle`.
        absolute: phrases before "the image"; relative: phrases before another entity.
        vague: those of `relative` that hold for either side.
        short: before another entity, as people type them (not in the paper).
        first: forms of the one farthest to that side among its like (not in the paper); {noun} is its noun.
        later: forms of the second and the third from that side, with {ordinal}.
    """

    name: str
    opposite: str
    absolute: tuple[str, ...]
    relative: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation(
            "left",
            "right",
            ("at the most left side of", "on the far left of", "at the leftmost edge of", "farthest to the left of"),
            ("to the left of", "on the left side of", "at the left side of", *_NEAR),
            _NEAR,
            ("left of", "to the left of"),
            ("left {noun}", "{noun} on the left", "leftmost {noun}", "{noun} on the left side", "{noun} at the left"),
            _FROM,
        ),
        Relation(
            "right",
            "left",
            (
                "at the most right side of",
                "on the far right of",
                "at the rightmost edge of",
                "farthest to the right of",
            ),
            ("to the right of", "on the right side of", "at the right side of", *_NEAR),
            _NEAR,
            ("right of", "to the right of"),
            (
                *("right {noun}", "{noun} on the right", "rightmost {noun}", "{noun} on the right side"),
                "{noun} at the right",
            ),
            _FROM,
        ),
        Relation(
            "middle",
            "",
            ("in the middle of", "in the center of"),
            first=("middle {noun}", "{noun} in the middle", "{noun} in the center"),
        ),
        Relation(
            "top",
            "bottom",
            ("on top of", "in the upper part of"),
            ("above", "over", "on top of", "on"),
            short=("above", "over"),
            first=("upper {noun}", "top {noun}", "{noun} at the top", "{noun} on top", "{noun} above"),
            later=_FROM,
        ),
        Relation(
            "bottom",
            "top",
            ("below", "in the lower part of"),
            ("below", "under", "underneath"),
            short=("below", "under"),
            first=("lower {noun}", "bottom {noun}", "{noun} at the bottom", "{noun} below"),
            later=_FROM,
        ),
        Relation(
            "front",
            "behind",
            ("in front of",),
            ("in front of",),
            short=("in front of",),
            first=("front {noun}", "{noun} in front", "{noun} in the foreground"),
        ),
        Relation(
            "behind",
            "front",
            ("behind", "in the back of", "at the back of"),
            ("behind", "in the back of", "at the back of"),
            short=("behind",),
            first=("{noun} behind", "{noun} in the back", "{noun} in the background"),
        ),
        # Sizes compare entities that share their words, and are no relation of the paper.
        Relation("larger", "smaller", (), first=("larger {noun}", "bigger {noun}", "big {noun}", "large {noun}")),
        Relation("smaller", "larger", (), first=("smaller {noun}", "small {noun}", "little {noun}")),
    )
}

ARRANGEMENTS = (("left", "right"), ("top", "bottom"), ("front", "behind"))  # in the order of the paper's 7:2:1
SIZES = ("larger", "smaller")
SUPERLATIVES = {"larger": ("largest {noun}", "biggest {noun}"), "smaller": ("smallest {noun}",)}  # of three or more
ORDINALS = ("second", "third")
SIZE_RATIO = 1.6  # the areas of two boxes of which one is plainly the larger
_SWAP = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
_SIDE_WORDS = re.compile(r"\b(" + "|".join(_SWAP) + r")\b")


def holds(name: str, box: Box, other: Box, depth: int = 0, other_depth: int = 0) -> bool:
    """Is an entity in this relation to another one?

    Args:
        name: a relation other than `middle`.
        box: of the entity.
        other: box of the one that it is related to.
        depth: order in the image, larger is nearer to the viewer.
        other_depth: of the other one.

    Left, right, top and bottom need boxes that do not overlap along that axis, so that there is no doubt; front and
    behind need boxes that do overlap.
    """
    if name in ("right", "bottom"):
        return holds(RELATIONS[name].opposite, other, box, other_depth, depth)
    if name == "left":
        return box[2] <= other[0]
    if name == "top":
        return box[3] <= other[1]
    overlap = min(box[2], other[2]) > max(box[0], other[0]) and min(box[3], other[3]) > max(box[1], other[1])
    return overlap and (depth > other_depth if name == "front" else depth < other_depth)


def holds_in_image(name: str, index: int, boxes: list[Box], depths: list[int]) -> bool:
    """Is entity `index` at this place of the image, compared with all the others of the scene?

    `left` means left of every other one; `middle` means that another stands on each of two opposite sides.
    """
    others = [other for other in range(len(boxes)) if other != index]

    def to(relation: str, other: int) -> bool:
        return holds(relation, boxes[index], boxes[other], depths[index], depths[other])

    if name != "middle":
        return bool(others) and all(to(name, other) for other in others)
    return any(
        any(to(one, other) for other in others) and any(to(opposite, other) for other in others)
        for one, opposite in ARRANGEMENTS[:2]
    )


def comes(name: str, rank: int, index: int, among: Sequence[int], boxes: Sequence[Box], depths: Sequence[int]) -> bool:
    """Is entity `index` the `rank`-th from a side among some, of which it is one?

    Args:
        name: a side; `middle`, of which the rank is 1; or one of `SIZES`.
        rank: 1 for the one farthest to that side, or the largest or smallest.
        index: of the entity.
        among: the indices that it is compared with.
        boxes: of all entities, as the depths.
        depths: see `holds`.

    All others must stand clearly on one side of it or the other, or be larger or smaller by `SIZE_RATIO`.

    >>> row = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 60, 20)]
    >>> [comes("left", 2, index, (0, 1, 2), row, (0, 0, 0)) for index in range(3)]
    [False, True, False]
    >>> comes("larger", 1, 2, (0, 1, 2), row, (0, 0, 0)), comes("larger", 1, 0, (0, 1), row, (0, 0, 0))
    (True, False)
    """
    others = [other for other in among if other != index]
    if not others:
        return False
    if name == "middle":
        half, odd = divmod(len(others), 2)
        return not odd and any(comes(one, half + 1, index, among, boxes, depths) for one, _ in ARRANGEMENTS[:2])

    def before(other: int, side: str) -> bool:
        if name in SIZES:
            one, two = (other, index) if side == "larger" else (index, other)
            return area(boxes[one]) >= SIZE_RATIO * area(boxes[two])
        return holds(side, boxes[other], boxes[index], depths[other], depths[index])

    nearer = [before(other, name) for other in others]
    return sum(nearer) == rank - 1 and all(
        near or before(other, RELATIONS[name].opposite) for near, other in zip(nearer, others)
    )


def area(box: Box) -> float:
    """Of a box, in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def order_forms(name: str, rank: int, count: int) -> tuple[str, ...]:
    """The forms of the `rank`-th from a side among `count`, with {noun}; none where people have none.

    >>> order_forms("left", 2, 3)
    ('second {noun} from the left', '{noun} second from the left')
    >>> order_forms("larger", 1, 3)
    ('largest {noun}', 'biggest {noun}')
    """
    relation = RELATIONS[name]
    if rank == 1:
        return SUPERLATIVES[name] if name in SIZES and count > 2 else relation.first
    if rank > len(ORDINALS) + 1:
        return ()
    ordinal = ORDINALS[rank - 2]
    return tuple(form.format(noun="{noun}", ordinal=ordinal, side=name) for form in relation.later)


def relative_holds(phrase: str, name: str, box: Box, other: Box, depth: int, other_depth: int) -> bool:
    """As `holds`, for a phrase: "beside" of a left entity is true on the right side too."""
    relation = RELATIONS[name]
    if phrase in relation.vague:
        return holds(name, box, other, depth, other_depth) or holds(relation.opposite, box, other, depth, other_depth)
    return holds(name, box, other, depth, other_depth)


def mirror(sentence: str) -> str:
    """The sentence for the image flipped from left to right.

    Example:
        >>> mirror("the dog at the leftmost edge of the photo")
        'the dog at the rightmost edge of the photo'
    """
    return _SIDE_WORDS.sub(lambda match: _SWAP[match.group(1)], sentence)


def phrases() -> list[str]:
    """All phrases of Table 4, each once, in its order."""
    return list(
        dict.fromkeys(phrase for relation in RELATIONS.values() for phrase in relation.absolute + relation.relative)
    )
