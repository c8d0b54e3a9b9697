"""The words for an entity: synonyms of its category, and for people those of their age and gender.

Paper: Sec. 3.1 (synonyms from WordNet, checked by hand) and Table 2. `categories.json` is the checked table, one row
for each category: `names` mean the category itself, `wider` words mean more than it ("bird" for an owl), `plural` and
`mass` are the nouns among them that take "are" or no article, `metres` is the longest side of the typical real thing
(1000 for what is never seen at its size, such as the moon), `also` are words of other data sets that no sentence uses.
A category that the table lacks has its own name only. `wordnet` makes the candidates that were read for the table.

Beyond the paper, and only where `data.wider_words` is not 0: `kinds` are words for a group ("furniture", "food"), by
which one can ask for what was never seen, and `perhaps` are those of which people disagree (a tomato is a fruit, a
glass is a drink): no sentence calls the thing so, and none tells another thing from it by the word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rimlib.entities.entity import Entity
from rimlib.plurals import plural_of

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
ADULTS = {"female": ("woman", "lady"), "male": ("man", "gentleman", "guy")}  # of any age from the teens on
CHILDREN = {"female": ("girl",), "male": ("boy",)}  # up to the teens
CHILD = ("child", "kid")
MASS_KINDS = ("food", "furniture", "clothing", "sports equipment")
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


def kind_words(entity: Entity) -> tuple[str, ...]:
    """The words for the group that an entity is of, the narrowest first, none twice.

    For an animal or a thing the `wider` words and the `kinds` of its category, and at the end "animal" and "creature",
    or "object" and "thing". A category that the table lacks has these two alone. For a person "person", "human", and
    what is true of the age and the gender: an old man is a man, a girl of sixteen a girl and a woman.

    >>> kind_words(Entity("a", "animal", "owl", "white"))
    ('bird of prey', 'bird', 'animal', 'creature')
    >>> kind_words(Entity("b", "thing", "stool", "red")), kind_words(Entity("c", "thing", "astrolabe", "red"))
    (('seat', 'piece of furniture', 'furniture', 'object', 'thing'), ('object', 'thing'))
    """
    if entity.kind == "person":
        gender, age = entity.gender or "", entity.age_group or ""
        adult = ADULTS[gender] if age != "child" else ()
        young = CHILDREN[gender] if age in ("child", "teenager") else ()
        return ("person", "human", *adult, *young, *(CHILD if age == "child" else ()))
    row = _table().get(entity.category, {"wider": []})
    last = ("animal", "creature") if entity.kind == "animal" else ("object", "thing")
    return tuple(dict.fromkeys((*row["wider"], *row.get("kinds", ()), *last)))


def denotes_widely(noun: str, entity: Entity) -> bool:
    """Can this noun mean this entity, for somebody who uses words for groups, and uses them loosely?

    A sentence with a word of `kind_words` singles out what it alone may mean. A category that the table lacks may be
    of any group, which is not known; it is told apart by "animal" or "object" alone.

    >>> glass = Entity("a", "thing", "glass", "white")
    >>> [denotes_widely(noun, glass) for noun in ("tumbler", "container", "thing", "drink", "vehicle")]
    [True, True, True, True, False]
    """
    return noun in nouns(entity) or noun in kind_words(entity) or noun in perhaps(entity)


def perhaps(entity: Entity) -> tuple[str, ...]:
    """The words that some would use for an entity and others not; see `denotes_widely`.

    >>> perhaps(Entity("a", "thing", "tomato", "red"))
    ('fruit', 'plant')
    """
    if entity.kind == "person":
        return CHILD if entity.age_group == "teenager" else ()
    return tuple(_table().get(entity.category, {}).get("perhaps", ()))


def plural(noun: str) -> str:
    """Several of what a noun means: "dogs". A plural stays ("leaves"), and what is not counted ("smoke").

    Of a noun with "of", what stands before it is counted: "glasses of beer".

    >>> [plural(noun) for noun in ("dog", "person", "knife", "cherry", "sheep", "glasses", "bird of prey")]
    ['dogs', 'people', 'knives', 'cherries', 'sheep', 'glasses', 'birds of prey']
    """
    head, of, rest = noun.partition(" of ")
    if not of and number(noun) != "one":
        return noun
    before, space, word = head.rpartition(" ")
    return before + space + plural_of(word) + of + rest


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
    rows = _table().values()
    known = {noun: "mass" if noun in MASS_KINDS else "one" for row in rows for noun in row.get("kinds", ())}
    for row in rows:
        counted = {noun: number for number in ("mass", "plural") for noun in row.get(number, ())}
        known.update((noun, counted.get(noun, "one")) for noun in (*row["names"], *row["wider"]))
    return known
