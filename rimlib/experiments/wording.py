"""A sentence with some of its words changed: which of them does a model go by?

The changes are made on the text, so that they are the same for our data, the released data and what people write. Words
that name a place or a relation are those of `relations` and of the short forms; a noun such as *little girl* and a
garment such as *tank top* have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from rimlib.matting import relations

_TWO_SIDED = (  # each is the other's opposite
    ("left", "right"),
    ("leftmost", "rightmost"),
    ("above", "below"),
    ("over", "under"),
    ("in the upper part of", "in the lower part of"),
    ("upper", "lower"),
    ("top", "bottom"),
    ("in front of", "behind"),
    ("in front", "in the back"),
    ("in the foreground", "in the background"),
    ("front", "back"),
    ("larger", "smaller"),
    ("largest", "smallest"),
    ("big", "small"),
)
_ONE_SIDED = {  # the opposite has another word already
    "on": "under",
    "on top of": "below",
    "underneath": "above",
    "on top": "below",
    "in the back of": "in front of",
    "at the back of": "in front of",
    "bigger": "smaller",
    "biggest": "smallest",
    "large": "small",
    "little": "big",
}
_SWAP = {**_ONE_SIDED, **dict(_TWO_SIDED), **{two: one for one, two in _TWO_SIDED}}
_SIDES = ("left", "right", "top", "bottom")
_PLACES = (  # more of them than have an opposite, or longer ones
    *relations.phrases(),
    *_SWAP,
    *(f"{side} of" for side in _SIDES[:2]),
    *(f"to the {side} of" for side in _SIDES[:2]),
    *(f"on the {side} side" for side in _SIDES[:2]),
    *(f"{before} the {side}" for before in ("on", "at", "from", "to") for side in _SIDES),
    *("in the middle", "in the center", "in the centre", "middle", "second", "third"),
)


_NOUNS = re.compile(r"\b(little (?:girl|boy)|big cat|tank top)\b")  # words of these name no size and no place


def _pattern(phrases: tuple[str, ...]) -> str:
    longest = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    words = [
        # "on the lamp" is a relation, "on the far left of" another one
        r"on(?= (?:the|an?) (?!(?:(?:far|most) )?(?:left|right|top|bottom)\b))" if phrase == "on" else re.escape(phrase)
        for phrase in longest
    ]
    return rf"\b(?:{'|'.join(words)})\b"


_SWAPPED = re.compile(_pattern(tuple(_SWAP)))
_IMAGE = re.compile(r"the (?:image|photo|picture)")
_BLANKED = re.compile(rf"{_pattern(_PLACES)}(?: {_IMAGE.pattern}\b)?")


def blanked(sentence: str) -> str:
    """Without the words for places, relations, orders and sizes; "in the image" goes with its place.

    >>> blanked("the red dog to the left of the cat"), blanked("the dog at the leftmost edge of the photo")
    ('the red dog the cat', 'the dog')
    >>> blanked("the second dog from the left"), blanked("the little girl on the left")
    ('the dog', 'the little girl')
    """
    return " ".join(_apart(sentence, lambda part: _BLANKED.sub("", part)).split())


def swapped(sentence: str) -> str:
    """With each side turned into its opposite; as it is where it has none, or holds for either side (*beside*).

    >>> swapped("the dog on the left"), swapped("the dog beside the cat")
    ('the dog on the right', 'the dog beside the cat')
    >>> swapped("a cup on the table"), swapped("the cup behind")
    ('a cup under the table', 'the cup in front')
    """
    return _apart(sentence, lambda part: _SWAPPED.sub(_opposite, part))


def _opposite(found: re.Match[str]) -> str:
    after = found.string[found.end() :].strip()
    if found[0] == "below" and _IMAGE.fullmatch(after):
        return "on top of"  # the only phrase of the top that Table 4 has for both
    return _SWAP[found[0]] if after else _SWAP[found[0]].removesuffix(" of")  # "the cup behind", and nothing after it


def shuffled(sentence: str, rng: Random) -> str:
    """The same words in another order, drawn; as it is where they have one alone.

    >>> shuffled("the dog left of the cat", Random(1))
    'left of cat the the dog'
    """
    words = sentence.split()
    if len(set(words)) < 2:
        return sentence
    drawn = list(words)
    while drawn == words:
        rng.shuffle(drawn)
    return " ".join(drawn)


def _apart(sentence: str, change: Callable[[str], str]) -> str:
    """A change of all but the nouns and garments that have such words in them."""
    parts = _NOUNS.split(sentence)
    return "".join(part if kept % 2 else change(part) for kept, part in enumerate(parts))
