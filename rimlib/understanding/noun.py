"""A noun phrase of a sentence while its words are gone through: what stands before its noun, and the noun."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from rimlib.understanding import words
from rimlib.understanding.question import Condition, Phrase, Question

COUNTED = "counted from the left"
# Words of the class ADJ that may be nouns of their own; all others need a noun, or stand for "the red one".
_NOUNS_TOO = frozenset(
    """orange adult female male senior salmon plum tomato wheat coral olive chocolate lavender orchid thistle seashell
    lime snow linen square round""".split()
)
# A young one, and not a small one; a lion, or a large cat: an engine is asked for it so.
_NAMES = {"little": ("girl", "boy", "child", "kid"), "big": ("cat",)}
_RANKED = frozenset(("near", "far", "left", "right", "top", "bottom"))  # relations that have an order


def rule_of(part: Any) -> str:
    """The name of a rule of the grammar, or the class of a word."""
    return part.data if hasattr(part, "data") else part.type


def toward(text: str) -> str:
    """Of "nearest" and the like, alone: to the viewer."""
    return "front" if text.startswith(("near", "close")) else "behind"


@dataclass
class NounPhrase:
    """What is known of a noun phrase so far; `question` is what it asks for."""

    noun: str = ""
    pronoun: bool = False  # "one", or no head at all
    plural: bool = False
    count: int | None = None
    attributes: list[str] = field(default_factory=list)  # before the noun
    after: list[str] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)  # attributes that it must not have
    rank: int = 0  # of an ordinal
    label: str = ""  # of an ordinal that is a number: "number 10"
    of: int = 0  # how many there are, where it is said: "of the two"
    part: str = ""
    notes: list[str] = field(default_factory=list)
    owner: NounPhrase | None = None  # "the dog's"

    def question(self, sentence: str = "") -> Question:
        """What is asked for."""
        self._place_label()
        self._place_rank()
        noun, plural = words.singular(self.noun) if not self.pronoun else (words.OBJECT, False)
        plural = plural or self.plural or (self.count or 1) > 1
        phrase = self._phrase(noun, plural)
        count = self.count if self.count is not None else (None if plural else 1)
        excluded = tuple(Question(one.text, True, one) for one in self._lacked(noun))
        return Question(
            sentence or phrase.text,
            True,
            phrase,
            tuple(self.conditions),
            excluded,
            count,
            self.of,
            self.part,
            tuple(dict.fromkeys(self.notes)),
        )

    def _phrase(self, noun: str, plural: bool) -> Phrase:
        text = " ".join((*self.attributes, noun, *self.after))
        return Phrase(noun, (*self.attributes, *self.after), plural, text)

    def _lacked(self, noun: str) -> list[Phrase]:
        """What one of them would be called if it had what it must not have."""
        plain = [replace(self, attributes=[*self.attributes, word]) for word in self.lacking if " " not in word]
        wordy = [replace(self, after=[*self.after, word]) for word in self.lacking if " " in word]
        return [one._phrase(noun, True) for one in (*plain, *wordy)]

    def _place_label(self) -> None:
        """A number may be written on a thing: "the player number 10" is no tenth player."""
        noun = words.singular(self.noun.split()[-1] if self.noun else "")[0]
        if self.label and not self.pronoun and (noun in words.NUMBERED or self.rank > max(words.NUMBERS.values())):
            self.after.insert(0, self.label)
            self.rank = 0

    def _place_rank(self) -> None:
        """An ordinal counts from the side that is named, or else by size or nearness, or else from the left."""
        rank, self.rank = self.rank, 0
        if not rank:
            return
        sides = [at for at, one in enumerate(self.conditions) if not one.others and one.name != "middle"]
        related = [at for at, one in enumerate(self.conditions) if one.others and one.name in _RANKED]
        counted = [at for at in sides if self.conditions[at].words.startswith("from")]
        if at := (counted or sides or related)[-1:]:
            condition = self.conditions[at[0]]
            if rank == -1 and not condition.words.startswith("from"):
                rank = 1  # "the last one on the right" is the one farthest to the right
            self.conditions[at[0]] = replace(condition, rank=rank, optional=False)
        else:
            self.conditions.append(Condition("left", rank=rank, words="from the left"))
            self.notes.append(COUNTED)

    def thing(self, tree: Any) -> None:
        """Read a noun with what stands before it."""
        self.pronoun = tree.data == "headless"
        if self.pronoun and str(tree.children[-1]) in words.GROUNDS:  # "the background" names a thing
            self.noun, self.pronoun = str(tree.children[-1]), False
            return
        for part in tree.children:
            rule = rule_of(part)
            if rule == "owner":
                self._owner(part)
            elif rule in ("noun", "one"):
                self._head(part)
            elif rule == "listed":
                self.attributes.append(str(part.children[0]))
            else:
                self._word(rule, str(part))
        if (
            tree.data == "headless" and self.attributes and self.attributes[-1] in _NOUNS_TOO
        ):  # "orange third from left"
            self.noun, self.pronoun = self.attributes.pop(), False
        if self.owner is not None and words.singular(self.noun)[0] in words.PARTS:
            self._whole(self.owner, self.noun)
        elif self.owner is not None:
            self.conditions.append(Condition("of", (self.owner.question(),), words="of"))

    def _word(self, rule: str, text: str) -> None:
        kind = rule.removesuffix("_END")
        if kind == "ALL":
            self.plural = True
            self.count = 2 if text == "both" else self.count
        elif kind == "NUM":
            self.count = words.NUMBERS.get(text) or int(text)
            self.plural = True
        elif kind == "ORD":
            self.rank = words.rank(text)
            self.label = text if re.match(r"#|n\w*\.? ", text) and not text.startswith("next") else ""
        elif kind == "SIDE":
            self.conditions.append(Condition(words.side(text), words=text))
        elif kind == "SIZE":
            self._size(text)
        elif kind == "NEAREST":
            self.conditions.append(Condition(toward(text), words=text))
        elif kind == "ADJ":
            self.attributes.append(text)
        elif kind == "PART" and self.conditions:  # "the left half"
            self.conditions[-1] = replace(self.conditions[-1], words=f"{self.conditions[-1].words} {text}")

    def _size(self, text: str, others: tuple[Question, ...] = ()) -> None:
        second = text.startswith("second")
        plain = text[6:].strip(" -") if second else text
        optional = plain in words.PLAIN_SIZES
        self.conditions.append(Condition(words.SIZES[plain], others, 2 if second else 0, optional=optional, words=text))

    def _head(self, tree: Any) -> None:
        groups = [part for part in tree.children if rule_of(part) in ("words", "kind")]
        if tree.data == "one":
            self.pronoun = True
            self._word(rule_of(tree.children[-1]), str(tree.children[-1]))
            self.plural = self.plural or str(tree.children[-1]) in ("ones", "others", "rest")
            said = [token for group in groups for token in group.children]
            sides = [at for at, token in enumerate(said) if token.type in ("SIDE", "SIZE")]
            for at in sides:
                self._word(said[at].type, str(said[at]))
            if sides:  # "the lion (left one)"
                self.noun, self.pronoun = " ".join(map(str, said[: sides[0]])), False
            else:
                self.attributes += map(str, said)
            return
        if not groups:  # an adjective alone
            word = str(tree.children[0])
            if word in _NOUNS_TOO:
                self.noun = word
            else:
                self.attributes.append(word)
                self.pronoun = True
            return
        tokens = groups[0].children
        for token in tokens:
            if token.type in ("SIDE", "SIZE"):
                self._word(token.type, str(token))
        kept = [token for token in tokens if token.type not in ("SIDE", "SIZE")]
        last = max((at for at, token in enumerate(kept[:-1]) if token.type.startswith("ADJ")), default=-1)
        self.attributes += map(str, kept[: last + 1])
        self.noun = " ".join(map(str, kept[last + 1 :]))
        if len(groups) > 1:
            self._of_kind(list(groups[1].scan_values(lambda token: True)))
        one = words.singular(self.noun)[0]
        for condition in [each for each in self.conditions if one in _NAMES.get(each.words, ())][-1:]:
            self.noun = f"{condition.words} {self.noun}"
            several = self.plural or words.singular(self.noun)[1]
            if condition.words == "little" or self.rank or several or len(self.conditions) > 1:
                self.conditions.remove(condition)

    def _of_kind(self, tokens: list[Any]) -> None:
        """After "cup": "of tea". A pair of shoes is two shoes; a pair of scissors is a thing of its own."""
        text = " ".join(map(str, tokens))
        if self.noun in words.GROUPS and words.singular(text)[1]:
            self.count = 2 if self.noun in ("pair", "couple") else self.count
            self.plural = True
            adjectives = [str(token) for token in tokens if token.type.startswith("ADJ")]
            self.attributes += adjectives
            self.noun = " ".join(str(token) for token in tokens if not token.type.startswith("ADJ"))
        else:
            self.noun += f" of {text}"

    def _owner(self, tree: Any) -> None:
        """What was read until here belongs to the owner."""
        owner = replace(self)
        for item in fields(owner):
            default = item.default if item.default_factory is MISSING else item.default_factory()
            setattr(self, item.name, default)
        said = [str(token) for part in tree.children for token in getattr(part, "children", [part])]
        said[-1] = said[-1].removesuffix("'s").removesuffix("'")
        owner.noun, owner.pronoun = " ".join(said), False
        self.owner = owner

    def _among(self, group: NounPhrase) -> None:
        self.of = group.count or 0
        if group.noun:
            self.noun, self.pronoun = group.noun, False
            self.attributes += group.attributes
            self.conditions += group.conditions
        one = not self.plural
        self.noun, many = words.singular(self.noun) if one else (self.noun, False)
        self.after += group.after

    def _whole(self, owner: NounPhrase, part: str) -> None:
        self.part = part
        for name in ("noun", "pronoun", "plural", "count", "attributes", "after"):
            setattr(self, name, getattr(owner, name))
        self.conditions = list(owner.conditions)  # "the front wheel of the left bike" is the left bike
