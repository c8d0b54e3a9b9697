"""The six relations (and the middle): what each means as geometry, and which words name it.

Paper: Sec. 3.2 and Table 4 (whose "n the center of" lost its first letter). The layout places entities by this table,
sentences are realised from it and verified against it, and the words of a mirrored image are mirrored by it.

Boxes are (left, top, right, bottom) in pixels, y grows downwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Box = tuple[float, float, float, float]
_NEAR = ("beside", "next to", "close to", "near")


@dataclass(frozen=True)
class Relation:
    """One relation of an entity to another, or to the image.

    Attributes:
        name: `left`, `right`, `top`, `bottom`, `front`, `behind`, `middle`.
        opposite: the relation of the other one; empty for `middle`.
        absolute: phrases before "the image"; relative: phrases before another entity.
        vague: those of `relative` that hold for either side.
    """

    name: str
    opposite: str
    absolute: tuple[str, ...]
    relative: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()


RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation(
            "left",
            "right",
            ("at the most left side of", "on the far left of", "at the leftmost edge of", "farthest to the left of"),
            ("to the left of", "on the left side of", "at the left side of", *_NEAR),
            _NEAR,
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
        ),
        Relation("middle", "", ("in the middle of", "in the center of")),
        Relation("top", "bottom", ("on top of", "in the upper part of"), ("above", "over", "on top of", "on")),
        Relation("bottom", "top", ("below", "in the lower part of"), ("below", "under", "underneath")),
        Relation("front", "behind", ("in front of",), ("in front of",)),
        Relation(
            "behind",
            "front",
            ("behind", "in the back of", "at the back of"),
            ("behind", "in the back of", "at the back of"),
        ),
    )
}

ARRANGEMENTS = (("left", "right"), ("top", "bottom"), ("front", "behind"))  # in the order of the paper's 7:2:1
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
