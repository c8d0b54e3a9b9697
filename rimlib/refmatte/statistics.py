"""Counting a data set: the columns of the paper's Table 5, ambiguity, and the words that are used.

Paper: Sec. 3.3, Table 1; S2.3, Table 5 and Figure 2. A `Tally` is fed picture by picture, so that it counts a plan that has no
pixels, a data set on disk and the released one alike, in little memory. Lengths are words between spaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from rimlib.matting import relations
from rimlib.refmatte.expressions import ADJECTIVES
from rimlib.refmatte.format import Target

KINDS = ("basic", "absolute", "relative")

TABLE_5 = (  # Paper: S2.3; the training texts of the expression setting are printed as 449,624, see the audit
    {
        "data": "RefMatte",
        "setting": "keyword",
        "split": "train",
        "images": 30391,
        "mattes": 77849,
        "texts": 77849,
        "categories": 230,
        "attributes": None,
        "relations": None,
        "length": 1.06,
    },
    {
        "data": "RefMatte",
        "setting": "keyword",
        "split": "test",
        "images": 1602,
        "mattes": 4085,
        "texts": 4085,
        "categories": 66,
        "attributes": None,
        "relations": None,
        "length": 1.04,
    },
    {
        "data": "RefMatte",
        "setting": "expression",
        "split": "train",
        "images": 45000,
        "mattes": 112506,
        "texts": 449624,
        "categories": 230,
        "attributes": 132,
        "relations": 31,
        "length": 16.86,
    },
    {
        "data": "RefMatte",
        "setting": "expression",
        "split": "test",
        "images": 2500,
        "mattes": 6243,
        "texts": 24972,
        "categories": 66,
        "attributes": 102,
        "relations": 31,
        "length": 16.80,
    },
    {
        "data": "RefMatte-RW100",
        "setting": "expression",
        "split": "test",
        "images": 100,
        "mattes": 221,
        "texts": 884,
        "categories": 29,
        "attributes": 135,
        "relations": 34,
        "length": 12.01,
    },
)


class Tally:
    """Counts of one split. Feed it with `add`, read it with `to_dict`."""

    def __init__(self) -> None:
        self.images = Counter()  # by setting
        self.mattes = Counter()
        self.texts = Counter()
        self.words = Counter()  # words altogether, by setting
        self.categories: dict[str, Counter] = {"expression": Counter(), "keyword": Counter()}
        self.attributes = Counter()  # how often each attribute word is said
        self.relations = Counter()  # how often each phrase of Table 4 is said
        self.arrangements = Counter()  # scenes by relation
        self.entities_in_scene = Counter()
        self.of_kind = Counter()  # sentences by kind …
        self.ambiguous = Counter()  # … and those that fit more than one entity
        self.judged = Counter()  # sentences of which the data set says what they fit

    def add(self, targets: list[Target]) -> None:
        """Count one picture, given all its targets."""
        settings = ("expression", "keyword") if keywords_clear(targets) else ("expression",)
        for setting in settings:
            self.images[setting] += 1
            self.mattes[setting] += len(targets)
            self.categories[setting].update(target.keyword for target in targets if target.keyword)
            texts = [
                text
                for target in targets
                for text in (target.expressions if setting == "expression" else (target.keyword,))
            ]
            self.texts[setting] += len(texts)
            self.words[setting] += sum(len(text.split()) for text in texts)
        self.entities_in_scene[len(targets)] += 1
        self.arrangements[targets[0].extra.get("relation", "unknown")] += 1
        for target in targets:
            garment = (target.extra.get("attributes") or {}).get("clothes")
            if garment:
                self.attributes[garment] += sum(garment in text for text in target.expressions)
            fits = target.extra.get("fits") or [None] * len(target.expressions)
            for text, kind, fitting in zip(target.expressions, target.kinds, fits):
                self.attributes.update(_attribute_words().findall(text))
                self.relations.update(_phrases().findall(text) if kind != "basic" else ())
                self.of_kind[kind] += 1
                if fitting is not None:
                    self.judged[kind] += 1
                    self.ambiguous[kind] += len(fitting) > 1

    def row(self, setting: str) -> dict:
        """One row of Table 5: images, mattes, texts, categories, attributes, relations, length (mean words of a text)."""
        spoken = setting == "expression"
        middle = set(relations.RELATIONS["middle"].absolute)
        return {
            "images": self.images[setting],
            "mattes": self.mattes[setting],
            "texts": self.texts[setting],
            "categories": len(self.categories[setting]),
            "attributes": len(self.attributes) if spoken else None,
            "relations": len(set(self.relations) - middle)
            if spoken
            else None,  # the paper counts the six relations' phrases
            "length": round(self.words[setting] / max(1, self.texts[setting]), 2),
        }

    def ambiguity(self) -> dict[str, float | None]:
        """Share of the sentences of each kind that fit more than one entity of their picture; None where the data do not say."""
        return {kind: self.ambiguous[kind] / self.judged[kind] if self.judged[kind] else None for kind in KINDS}

    def to_dict(self) -> dict:
        return {
            "keyword": self.row("keyword"),
            "expression": self.row("expression"),
            "ambiguity": self.ambiguity(),
            "arrangements": dict(self.arrangements.most_common()),
            "entities_in_scene": {str(size): number for size, number in sorted(self.entities_in_scene.items())},
        }


def tally(pictures: Iterable[list[Target]]) -> Tally:
    """Count many pictures."""
    counted = Tally()
    for targets in pictures:
        counted.add(targets)
    return counted


def keywords_clear(targets: list[Target]) -> bool:
    """Does each keyword mean one entity of the picture?

    Paper: Sec. 3.3 leaves out pictures with two entities of one category; ours know of wider words too ("bird", "owl").
    """
    keywords = [target.keyword for target in targets]
    return (
        all(keywords)
        and len(set(keywords)) == len(keywords)
        and all(target.extra.get("keyword_clear", True) for target in targets)
    )


@cache
def _attribute_words() -> re.Pattern:
    import webcolors

    words = sorted({*ADJECTIVES, *webcolors.names("css3")}, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?![\w-]|(?<=young) (?:lady|woman))")


@cache
def _phrases() -> re.Pattern:
    words = sorted(relations.phrases(), key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(map(re.escape, words)) + r") (?:the|an?)\b")
