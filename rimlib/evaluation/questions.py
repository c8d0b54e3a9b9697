"""Sentences by kind, colour and place about what no training has shown, and the same sentence otherwise written.

Not in the paper. The word for an entity that was never seen cannot be known, but "the animal on the left" can be
understood. `questions` makes such sentences from what is known of an image's entities: each is true of one of them
alone. `rewritten` gives a sentence in the other forms in which people type it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rimlib.entities.color import color_distance
from rimlib.entities.synonyms import indefinite
from rimlib.matting import relations
from rimlib.matting.relations import RELATIONS, Box
from rimlib.refmatte.referents import FAR_APART

KINDS = ("person", "animal", "bird", "vehicle", "instrument", "fruit", "plant", "object")  # the words that are asked by
CLEAR = 0.1  # share of an image's longer side by which two centres differ that stand in a clear order
OTHER_ARTICLES = ("this", "that")


@dataclass(frozen=True)
class Shown:
    """What is known of one entity of an image.

    Attributes:
        words: those of `KINDS` that it is.
        box: where it stands, in pixels.
        depth: order in the image, larger is nearer to the viewer.
        color: a CSS3 name, or "" where it is not known; a person's is the garment's.
        clothes: of a person.
    """

    words: tuple[str, ...]
    box: Box
    depth: int = 0
    color: str = ""
    clothes: str = ""


class Question(NamedTuple):
    """A sentence that is true of one entity alone."""

    sentence: str
    entity: int  # its number, from 0
    form: str  # "kind", "colour" or "place"
    relation: str = ""  # of a place
    among: int = 1  # how many entities its words fit without the place


def questions(shown: Sequence[Shown]) -> list[Question]:
    """All questions about the entities of an image, by the entities' order.

    "the animal", where there is one animal; "the blue animal", where all others have plainly another colour; "the
    animal on the left" of several animals, or of one among other entities.

    >>> dogs = [Shown(("animal",), (0, 0, 9, 9), color="white"), Shown(("animal",), (20, 0, 29, 9), color="black")]
    >>> [question.sentence for question in questions(dogs) if question.entity == 0]
    ['the white animal', 'the animal on the left']
    """
    return [question for index in range(len(shown)) for question in _about(shown, index)]


def _about(shown: Sequence[Shown], index: int) -> Iterator[Question]:
    one, every = shown[index], range(len(shown))
    boxes, depths = [other.box for other in shown], [other.depth for other in shown]
    for word in one.words:
        alike = [other for other in every if word in shown[other].words]
        if len(alike) == 1:
            yield Question(f"the {word}", index, "kind")
        named = word != "person" or one.clothes
        others = [shown[other].color for other in alike if other != index]
        if one.color and named and all(color and color_distance(one.color, color) > FAR_APART for color in others):
            colored = f"person in the {one.color} {one.clothes}" if word == "person" else f"{one.color} {word}"
            yield Question(f"the {colored}", index, "colour")
        for name in RELATIONS:
            form = next((form for form in RELATIONS[name].first if form.startswith("{noun}")), "")
            among = alike if len(alike) > 1 else list(every)
            if form and relations.comes(name, 1, index, among, boxes, depths):
                yield Question(f"the {form.format(noun=word)}", index, "place", name, len(alike))


def core(alpha: np.ndarray) -> Box:
    """A small box about a matte's centre of mass: boxes of photographs overlap where the order of centres is clear.

    Two of these lie apart, as `relations.holds` demands, where the centres differ by `CLEAR` of the longer side.

    >>> core(np.pad(np.ones((2, 2)), ((0, 98), (0, 98))))
    (-4.5, -4.5, 5.5, 5.5)
    """
    height, width = alpha.shape
    total, half = alpha.sum(dtype=np.float64), CLEAR * max(height, width) / 2
    x = float(alpha.sum(axis=0, dtype=np.float64) @ np.arange(width) / total)
    y = float(alpha.sum(axis=1, dtype=np.float64) @ np.arange(height) / total)
    return x - half, y - half, x + half, y + half


def rewritten(sentence: str) -> dict[str, str]:
    """The same sentence as people type it, by what is different.

    >>> rewritten("the dog")["opener"], rewritten("the dog")["other article"], rewritten("a dog")["no article"]
    ('cut out the dog', 'a dog', 'dog')
    """
    forms = {
        "full stop": f"{sentence}.",
        "question mark": f"{sentence}?",
        "exclamation mark": f"{sentence} !",
        "capital": sentence[:1].upper() + sentence[1:],
        "upper case": sentence.upper(),
        "quotes": f'"{sentence}"',
        "curly quotes": f"\N{LEFT DOUBLE QUOTATION MARK}{sentence}\N{RIGHT DOUBLE QUOTATION MARK}",
        "opener": f"cut out {sentence}",
        "request": f"Please select {sentence}.",
        "please": f"{sentence}, please",
        "spaces": f"  {sentence.replace(' ', '  ')} ",
        "zero-width space": f"{sentence}\N{ZERO WIDTH SPACE}",
    }
    article, _, rest = sentence.partition(" ")
    if article in ("the", "a", "an") and rest:
        forms["other article"] = f"the {rest}" if article != "the" else f"{indefinite(rest)} {rest}"
        forms["no article"] = rest
        forms |= {word: f"{word} {rest}" for word in OTHER_ARTICLES}
    return forms
