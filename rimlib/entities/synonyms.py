"""The words for an entity: synonyms of its category, and for people those of their age and gender.

Paper: Sec. 3.1 (synonyms from WordNet, checked by hand) and Table 2. `categories.json` is the checked table, one row
for each category: `names` mean the category itself, `wider` words mean more than it ("bird" for an owl), `plural` and
`mass` are the nouns among them that take "are" or no article, `metres` is the longest side of the typical real thing
(1000 for what is never seen at its size, such as the moon), `also` are words of other data sets that no sentence uses.
A category that the table lacks has its own name only. `wordnet` makes the candidates that were read for the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rimlib.entities.entity import Entity

HUMAN = ("human being", "citizen", "person", "individual", "human", "mortal")  # Paper: S2.2, mass nouns made countable
BY_AGE = {  # Paper: Table 2, in our four groups; its "youth" is our teenager
    ("female", "child"): ("baby girl", "little girl", "girl"),
    ("female", "teenager"): ("girl", "teenager", "adolescent", "miss", "missy", "young lady", "young woman"),
    ("female", "adult"): ("woman", "lady"),
    ("female", "senior"): ("old woman", "senior citizen", "pensioner"),
    ("male", "child"): ("baby boy", "little boy", "boy"),
    ("male", "teenager"): ("boy", "teenager", "adolescent"),
    ("male", "adult"): ("man",),
    ("male", "senior"): ("old man", "senior citizen", "pensioner"),
}
METRES_BY_AGE = {"child": 1.1, "teenager": 1.65, "adult": 1.7, "senior": 1.65}
UNKNOWN_METRES = 0.5


def nouns(entity: Entity) -> tuple[str, ...]:
    """The words that a sentence may use for an entity, its category first, none twice."""
    if entity.kind == "person":
        return tuple(dict.fromkeys(("human", *BY_AGE[entity.gender or "", entity.age_group or ""], *HUMAN)))
    return words(entity.category)


def words(category: str) -> tuple[str, ...]:
    """The names and wider words of a category, its own name first, none twice.

    >>> words("owl")
    ('owl', 'bird of prey', 'bird', 'animal', 'creature')
    >>> words("astrolabe")
    ('astrolabe',)
    """
    row = _table().get(category, {"names": [], "wider": []})
    return tuple(dict.fromkeys((category, *row["names"], *row["wider"])))


def denotes(noun: str, entity: Entity) -> bool:
    """Can this noun mean this entity? "bird" can mean an owl, "owl" can't mean every bird."""
    return noun in nouns(entity)


def number(noun: str) -> str:
    """How a noun is counted: `one` ("a dog is"), `plural` ("leaves are") or `mass` ("smoke is", never "a smoke").

    A noun that the table lacks is counted as its last word is.

    >>> [number(noun) for noun in ("dog", "leaves", "smoke", "cloud of smoke", "dry leaves")]
    ['one', 'plural', 'mass', 'one', 'plural']
    """
    known = _numbers()
    return known.get(noun) or known.get(noun.rsplit(" ", 1)[-1], "one")


def metres(entity: Entity) -> float:
    """The longest side of the typical real thing in metres; 0.5 for a category that the table lacks."""
    if entity.kind == "person":
        return METRES_BY_AGE[entity.age_group or ""]
    return float(_table().get(entity.category, {}).get("metres", UNKNOWN_METRES))


def categories() -> tuple[str, ...]:
    """All categories of the table, in alphabetical order."""
    return tuple(sorted(_table()))


def kind_of(category: str) -> str:
    """`person`, `animal` or `thing`.

    >>> kind_of("owl"), kind_of("human"), kind_of("astrolabe")
    ('animal', 'person', 'thing')
    """
    if category == "human":
        return "person"
    return "animal" if "animal" in words(category) else "thing"


def with_article(noun: str) -> str:
    """A noun with "a" or "an" where it takes one.

    >>> [with_article(noun) for noun in ("owl", "smoke", "leaves", "uniform")]
    ['an owl', 'smoke', 'leaves', 'a uniform']
    """
    return noun if number(noun) != "one" else f"{indefinite(noun)} {noun}"


def indefinite(text: str) -> str:
    """Give "an" before the sound of a vowel, "a" before all else.

    >>> [indefinite(text) for text in ("owl", "unicycle", "hourglass", "one-eyed cat")]
    ['an', 'a', 'an', 'a']
    """
    if re.match(r"uni|use|eu|uku|one\b", text):
        return "a"
    return "an" if text[0] in "aeiou" or re.match(r"hour|heir|honest", text) else "a"


def unknown(categories: Iterable[str]) -> list[str]:
    """Those of some categories that the table lacks, which go by their own word alone; `human` has Table 2's words.

    >>> unknown(["owl", "astrolabe", "human"])
    ['astrolabe']
    """
    return sorted({category for category in categories if category != "human" and category not in _table()})


def category_of(word: str) -> str | None:
    """The category that a word names, None for an unknown word: its own, or else the first that has it among its names.

    Words that other data sets use and no sentence does, such as "glass_ice", are in the table's column `also`.

    >>> category_of("gull"), category_of("Bird"), category_of("cattle"), category_of("astrolabe")
    ('seagull', 'bird', 'cow', None)
    """
    word = " ".join(word.lower().replace("_", " ").split())
    if word in _table():
        return word
    rows = sorted(_table().items())
    return next((category for category, row in rows if word in (*row["names"], *row.get("also", ()))), None)


def names(category: str) -> tuple[str, ...]:
    """The words that mean the category itself, its own name first."""
    return tuple(dict.fromkeys((category, *_table().get(category, {"names": []})["names"])))


@cache
def _table() -> dict[str, dict]:
    return json.loads((Path(__file__).parent / "categories.json").read_text(encoding="utf-8"))


@cache
def _numbers() -> dict[str, str]:
    known: dict[str, str] = {}
    for row in _table().values():
        counted = {noun: number for number in ("mass", "plural") for noun in row.get(number, ())}
        known.update((noun, counted.get(noun, "one")) for noun in (*row["names"], *row["wider"]))
    return known
