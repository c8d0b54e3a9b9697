"""The keyword of an entity: from its label, or read from its sentences where a release has none.

Paper: Sec. 3.3: the keyword is the entry-level category. Which key of the released labels holds it, if any, is open, so
several are tried. Where none is there, the rule is:

1. The noun of a sentence is what is left before its first "which", "with", place or the like, without article, colours
   and attributes (Paper: S2.2, Tables 3 and 4).
2. A noun that names one category of `categories.json` gives that category, one for a person gives "human"; a noun that
   the table lacks is the keyword itself.
3. A wider noun ("animal", "bird") may mean many categories: those that the nouns of the entity's other sentences may
   mean too are kept. Where several are left, the noun's own category is taken ("bird" for what is only ever called a
   bird), and without one ("animal") the entity has no keyword, and so its image none that is clear.

The basic sentence comes first. Sentences that people wrote freely follow no template: nothing is read from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import webcolors

from rimlib.entities import synonyms
from rimlib.matting import relations
from rimlib.refmatte.phrases import ADJECTIVES

KEYS = ("keyword", "entity_label", "category", "label")  # of a label's row, in this order
HUMAN = "human"
PAPERS_HUMAN = ("citizenry", "mankind", "people", "female", "male", "youth")  # Paper: S2.2, Table 2; ours are countable
PAPERS_ANIMAL = ("animate being", "beast", "brute", "fauna")  # WordNet's for an animal; Figure 7 has "brute"


def of_row(row: dict[str, Any]) -> str:
    """The keyword that a label has under one of `KEYS`; "" for none.

    >>> of_row({"entity_label": "Glass_Ice"}), of_row({"label": 3})
    ('glass ice', '')
    """
    for key in KEYS:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return value if key == KEYS[0] else " ".join(value.lower().replace("_", " ").split())
    return ""


def of_sentences(sentences: Iterable[str]) -> str:
    """The keyword by the rule above; "" where the sentences leave several.

    >>> of_sentences(["the lightpink and salient flower"]), of_sentences(["a young lady in the linen lace"])
    ('flower', 'human')
    >>> of_sentences(["the gray animal", "the creature at the left of the photo"])
    ''
    >>> of_sentences(["the gray bird", "the owl on the left of the photo"]), of_sentences(["the gray bird"])
    ('owl', 'bird')
    """
    left: set[str] | None = None
    nouns = [noun_of(sentence) for sentence in sentences]
    for noun in nouns:
        found = _meanings(noun)
        left = found if left is None else (left & found or left)
        if len(left) == 1:
            return next(iter(left))
    return next((named for noun in nouns if (named := synonyms.category_of(noun)) in (left or ())), None) or ""


def noun_of(sentence: str) -> str:
    """The noun of what a sentence refers to.

    >>> noun_of("the female human with the lightgray lace on top of the image")
    'human'
    >>> noun_of("the rosybrown and salient brute"), noun_of("an orange orange"), noun_of("the cup to the left of it")
    ('brute', 'orange', 'cup')
    """
    words = re.findall(r"[\w'-]+", _end().split(sentence.lower().strip(), maxsplit=1)[0])
    while len(words) > 1 and words[0] in _before():
        words.pop(0)
    return " ".join(words)


def _meanings(noun: str) -> set[str]:
    """The categories that a noun may mean, itself for one that the table lacks."""
    if noun in people():
        return {HUMAN}
    wider, named = _wider().get(noun, set()), synonyms.category_of(noun)
    return wider | {named} if named else wider or {noun} - {""}


@cache
def _end() -> re.Pattern[str]:
    places = "|".join(map(re.escape, sorted(relations.phrases(), key=len, reverse=True)))
    return re.compile(rf"\s+(?:which|that|who|with|wearing|in|{places})\b|[.]")


@cache
def _before() -> frozenset[str]:
    return frozenset({"the", "a", "an", "and", "old", "little", "baby", *ADJECTIVES, *webcolors.names("css3")})


@cache
def people() -> frozenset[str]:
    """The nouns for a person that sentences may have, ours and the paper's."""
    words = {HUMAN, *synonyms.HUMAN, *PAPERS_HUMAN, *(word for many in synonyms.BY_AGE.values() for word in many)}
    return frozenset(words | {" ".join(parts) for word in words for parts in [_bare(word)]})


def _bare(word: str) -> list[str]:
    parts = word.split()
    while len(parts) > 1 and parts[0] in _before():
        parts = parts[1:]
    return parts


@cache
def _wider() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for category in synonyms.categories():
        for word in synonyms.words(category):
            found.setdefault(word, set()).add(category)
    return found | {word: found["animal"] for word in PAPERS_ANIMAL}
