"""Counting a data set: the columns of the paper's Table 5, ambiguity, and the words that are used.

Paper: Sec. 3.3, Table 1; S2.3, Table 5 and Figure 2. A `Tally` is fed image by image, so that it counts a plan that has
no pixels, a data set on disk and the released one alike, in little memory. Lengths are words between spaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain

import webcolors

from rimlib.matting import relations
from rimlib.refmatte.format import Target
from rimlib.refmatte.phrases import ADJECTIVES

KINDS = ("basic", "absolute", "relative")
COLUMNS = ("images", "mattes", "texts", "categories", "attributes", "relations", "length")
TABLE_5: tuple[dict, ...] = tuple(  # Paper: S2.3; 449,624 training texts are printed, see the audit
    dict(zip(("data", "setting", "split", *COLUMNS), row))
    for row in (
        ("RefMatte", "keyword", "train", 30391, 77849, 77849, 230, None, None, 1.06),
        ("RefMatte", "keyword", "test", 1602, 4085, 4085, 66, None, None, 1.04),
        ("RefMatte", "expression", "train", 45000, 112506, 449624, 230, 132, 31, 16.86),
        ("RefMatte", "expression", "test", 2500, 6243, 24972, 66, 102, 31, 16.80),
        ("RefMatte-RW100", "expression", "test", 100, 221, 884, 29, 135, 34, 12.01),
    )
)


class Tally:
    """Counts of one split. Feed it with `add`, read it with `to_dict`."""

    def __init__(self) -> None:
        self.images: Counter[str] = Counter()  # by setting
        self.mattes: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.words: Counter[str] = Counter()  # words altogether, by setting
        self.categories: dict[str, Counter[str]] = {"expression": Counter(), "keyword": Counter()}
        self.attributes: Counter[str] = Counter()  # how often each attribute word is used
        self.relations: Counter[str] = Counter()  # how often each phrase of Table 4 is used
        self.arrangements: Counter[str] = Counter()  # scenes by relation
        self.entities_in_scene: Counter[int] = Counter()
        self.of_kind: Counter[str] = Counter()  # sentences by kind …
        self.ambiguous: Counter[str] = Counter()  # … and those that fit more than one entity
        self.judged: Counter[str] = Counter()  # sentences whose referents the data set has

    def add(self, targets: list[Target]) -> None:
        """Count one image, given all its targets."""
        settings = ("expression", "keyword") if keywords_clear(targets) else ("expression",)
        for setting in settings:
            self.images[setting] += 1
            self.mattes[setting] += len(targets)
            self.categories[setting].update(target.keyword for target in targets if target.keyword)
            sentences = (target.expressions if setting == "expression" else (target.keyword,) for target in targets)
            texts = list(chain.from_iterable(sentences))
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
                kind = kind.partition("-")[0]  # both lengths of the relative ones
                self.of_kind[kind] += 1
                if fitting is not None:
                    self.judged[kind] += 1
                    self.ambiguous[kind] += len(fitting) > 1

    def row(self, setting: str) -> dict:
        """One row of Table 5 by its `COLUMNS`; length is the mean number of words of a text."""
        has_places = setting == "expression"
        middle = set(relations.RELATIONS["middle"].absolute)  # the paper counts the six relations' phrases
        return {
            "images": self.images[setting],
            "mattes": self.mattes[setting],
            "texts": self.texts[setting],
            "categories": len(self.categories[setting]),
            "attributes": len(self.attributes) if has_places else None,
            "relations": len(set(self.relations) - middle) if has_places else None,
            "length": round(self.words[setting] / max(1, self.texts[setting]), 2),
        }

    def ambiguity(self) -> dict[str, float | None]:
        """Share of the sentences of each kind that fit more than one entity; None without referents."""
        return {kind: self.ambiguous[kind] / self.judged[kind] if self.judged[kind] else None for kind in KINDS}

    def to_dict(self) -> dict:
        """All counts, as JSON takes them."""
        return {
            "keyword": self.row("keyword"),
            "expression": self.row("expression"),
            "ambiguity": self.ambiguity(),
            "arrangements": dict(self.arrangements.most_common()),
            "entities_in_scene": {str(size): number for size, number in sorted(self.entities_in_scene.items())},
        }


def tally(images: Iterable[list[Target]]) -> Tally:
    """Count many images."""
    counted = Tally()
    for targets in images:
        counted.add(targets)
    return counted


def keywords_clear(targets: list[Target]) -> bool:
    """Does each keyword mean one entity of the image?

    Paper: Sec. 3.3 leaves out images with two entities of one category; ours know of wider words too ("bird", "owl").
    """
    keywords = [target.keyword for target in targets]
    return (
        all(keywords)
        and len(set(keywords)) == len(keywords)
        and all(target.extra.get("keyword_clear", True) for target in targets)
    )


@cache
def _attribute_words() -> re.Pattern:
    words = sorted({*ADJECTIVES, *webcolors.names("css3")}, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?![\w-]|(?<=young) (?:lady|woman))")


@cache
def _phrases() -> re.Pattern:
    words = sorted(relations.phrases(), key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(map(re.escape, words)) + r") (?:the|an?)\b")
