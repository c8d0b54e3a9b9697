"""From the tree of a sentence to a `Question`: what each rule of `grammar.lark` means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rimlib.understanding import words
from rimlib.understanding.question import Condition, Phrase, Question

VIEWER = "left and right are the viewer's"
COUNTED = "counted from the left"
NO_NOUN = "the sentence names no thing; every object is asked for"
# Words of the class ADJ that may be nouns of their own; all others need a noun, or stand for "the red one".
_NOUNS_TOO = frozenset(
    """orange adult female male senior salmon plum tomato wheat coral olive chocolate lavender orchid thistle seashell
    lime snow linen square round""".split()
)
_CHILDREN = frozenset("girl boy child kid one baby lady".split())


class Meaningless(ValueError):
    """A sentence that the grammar parses and that asks for nothing."""


def read(tree: Any, sentence: str) -> Question:
    """The question of a parsed sentence. Raises Meaningless where it asks for nothing."""
    first, excluded, joined, fronted = None, [], [], []
    for part in tree.children:
        rule = _rule(part)
        if rule == "np":
            first = _Reading().np(part)
        elif rule == "exclusion":
            excluded.append(_Reading().np(part.children[-1]))
        elif rule == "joined":
            joined.append(_Reading().np(part.children[-1]))
        elif rule == "place":
            fronted.append(part)
        elif first is not None and rule in _POSTS:
            first.post(part)
    first = first or _Reading(pronoun=True, plural=not fronted)
    for part in fronted:
        first.post(part)
    named = next((one for one in (first, *joined) if not one.pronoun), first)
    for one in (first, *joined, *excluded):
        if one.pronoun and not named.pronoun:
            one.noun, one.pronoun = named.noun if one.plural else words.singular(named.noun)[0], False
    if first.noun in ("everything", "anything"):
        first.noun, first.pronoun, first.plural = "", True, True
        if not excluded:
            raise Meaningless
    elif first.pronoun and not (first.conditions or first.attributes or first.rank or excluded):
        raise Meaningless
    question = first.question(sentence)
    return replace(
        question,
        excluded=(*question.excluded, *(one.question() for one in excluded)),
        joined=tuple(one.question() for one in joined),
        notes=(*question.notes, *((NO_NOUN,) if first.pronoun else ())),
    )


@dataclass
class _Reading:
    """A noun phrase while its words are gone through."""

    noun: str = ""
    pronoun: bool = False  # "one", or no head at all
    plural: bool = False
    count: int | None = None
    attributes: list[str] = field(default_factory=list)  # before the noun
    after: list[str] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)  # attributes that it must not have
    rank: int = 0  # of an ordinal
    of: int = 0  # how many there are, where it is said: "of the two"
    part: str = ""
    notes: list[str] = field(default_factory=list)
    owner: _Reading | None = None  # "the dog's"

    def question(self, sentence: str = "") -> Question:
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

    def _place_rank(self) -> None:
        """An ordinal counts from the side that is named, or else by size or nearness, or else from the left."""
        rank, self.rank = self.rank, 0
        if not rank:
            return
        sides = [at for at, one in enumerate(self.conditions) if not one.others and one.name != "middle"]
        related = [at for at, one in enumerate(self.conditions) if one.others and one.name in _RANKED]
        if at := (sides or related)[-1:]:
            condition = self.conditions[at[0]]
            if rank == -1 and not condition.words.startswith("from"):
                rank = 1  # "the last one on the right" is the one farthest to the right
            self.conditions[at[0]] = replace(condition, rank=rank, optional=False)
        else:
            self.conditions.append(Condition("left", rank=rank, words="from the left"))
            self.notes.append(COUNTED)

    # The noun phrase itself -----------------------------------------------------------------------------------------
    def np(self, tree: Any) -> _Reading:
        for part in tree.children:
            rule = _rule(part)
            if rule in ("full", "headless"):
                self.thing(part)
            elif rule != "DET":
                self.post(part)
        self.pronoun = self.pronoun or not self.noun
        return self

    def thing(self, tree: Any) -> _Reading:
        self.pronoun = tree.data == "headless"
        for part in tree.children:
            rule = _rule(part)
            if rule == "owner":
                self._owner(part)
            elif rule in ("noun", "one"):
                self._head(part)
            elif rule == "listed":
                self.attributes.append(str(part.children[0]))
            else:
                self._word(rule, str(part))
        if self.owner is not None and words.singular(self.noun)[0] in words.PARTS:
            self._whole(self.owner, self.noun)
        elif self.owner is not None:
            self.conditions.append(Condition("of", (self.owner.question(),), words="of"))
        return self

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
        elif kind == "SIDE":
            self.conditions.append(Condition(words.side(text), words=text))
        elif kind == "SIZE":
            self._size(text)
        elif kind == "NEAREST":
            self.conditions.append(Condition(_distance(text), words=text))
        elif kind == "ADJ":
            self.attributes.append(text)

    def _size(self, text: str, others: tuple[Question, ...] = ()) -> None:
        second = text.startswith("second")
        plain = text[6:].strip(" -") if second else text
        optional = plain in words.PLAIN_SIZES
        self.conditions.append(Condition(words.SIZES[plain], others, 2 if second else 0, optional=optional, words=text))

    def _head(self, tree: Any) -> None:
        groups = [part for part in tree.children if _rule(part) == "words"]
        if tree.data == "one":
            self.pronoun = True
            self.plural = self.plural or str(tree.children[-1]) == "ones"
            self.attributes += [str(token) for group in groups for token in group.children]
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
            self.noun += " of " + " ".join(map(str, groups[1].children))
        for at, one in enumerate(self.conditions):
            if one.optional and self.noun in _CHILDREN and one.words == "little":  # a young one, and not a small one
                self.attributes.append(one.words)
                del self.conditions[at]
                break

    def _owner(self, tree: Any) -> None:
        """What was read until here belongs to the owner."""
        owner = _Reading(**{name: getattr(self, name) for name in self.__dataclass_fields__})
        self.__init__()  # type: ignore[misc]
        said = [str(token) for part in tree.children for token in getattr(part, "children", [part])]
        said[-1] = said[-1].removesuffix("'s").removesuffix("'")
        owner.noun, owner.pronoun = " ".join(said), False
        self.owner = owner

    # What follows it ------------------------------------------------------------------------------------------------
    def post(self, tree: Any) -> None:
        rule = _rule(tree)
        if rule == "negated":
            self._negated(tree.children[-1])
        elif rule == "posts":
            for part in tree.children:
                if _rule(part) != "AND_POST":
                    self.post(part)
        elif rule in _POSTS:
            getattr(self, f"_{rule}")(tree)

    def _negated(self, tree: Any) -> None:
        start = len(self.conditions)
        after, self.after = self.after, []
        self.post(tree)
        self.lacking, self.after = [*self.lacking, *self.after], after
        self.conditions[start:] = [replace(one, negated=True) for one in self.conditions[start:]]

    def _place(self, tree: Any) -> None:
        first = tree.children[0]
        if _rule(first) == "RELATION":
            name = words.PREPOSITIONS.get(str(first), "")
            if name not in ("top", "bottom", "behind"):
                raise Meaningless
            self.conditions.append(Condition(name, words=str(first)))
            return
        self.conditions.append(Condition(_side(first), words=_text(first)))
        if any(_rule(token) == "DET" and str(token) in ("my", "your", "our") for token in first.children):
            self.notes.append(VIEWER)

    def _nowhere(self, tree: Any) -> None:
        pass  # "in the photo"

    def _relation(self, tree: Any) -> None:
        first, other = tree.children[0], _Reading().np(tree.children[-1])
        if _rule(first) in ("where", "aside"):
            name, said = _side(first), f"{_text(first)} of"
            if other.plural and (self.pronoun or self.noun == other.noun):
                self._among(other)
                self.conditions.append(Condition(name, words=_text(first)))
                return
            if str(first.children[0]) == "on" and name in ("top", "behind", "front", "bottom"):
                name = "on"
            elif name == "middle":
                name = "between" if words.singular(other.noun)[1] or other.plural else "inside"
        else:
            said = str(first)
            name = words.PREPOSITIONS.get(said, "near")
            if _rule(first) in ("TO", "FROM"):
                self._nearest(other)
                return
        self.conditions.append(Condition(name, (other.question(),), words=said))

    def _nearest(self, other: _Reading) -> None:
        """After "the nearest dog": "to the tree"."""
        for at, one in enumerate(self.conditions):
            if not one.others and one.words.split()[0] in _NEARESTS:
                name = "near" if one.name == "front" else "far"
                self.conditions[at] = Condition(name, (other.question(),), words=f"{one.words} {name}")
                return
        raise Meaningless

    def _distance(self, tree: Any) -> None:
        said, *others = tree.children
        if others and _rule(others[0]) == "onp":
            name = "near" if _distance(str(said)) == "front" else "far"
            self.conditions.append(Condition(name, (_Reading().np(others[0]).question(),), words=str(said)))
        else:
            self.conditions.append(Condition(_distance(str(said)), words=str(said)))

    def _described(self, tree: Any) -> None:
        said, *things = tree.children
        rule, text = _rule(said), str(said)
        things = [part for part in things if _rule(part) == "full"]
        if rule == "WITHOUT_A":
            self.conditions.append(Condition("without", (_Reading().thing(things[0]).question(),), words=text))
            return
        shown = [_bare(thing) for thing in things]
        if rule == "IN":
            one = _Reading().thing(things[0])
            if not (one.pronoun or words.singular(one.noun.split()[-1])[0] in words.GARMENTS or _is_worn(one.noun)):
                self.conditions.append(Condition("inside", (one.question(),), words=text))
                return
        if rule == "WITH" and text != "wearing":
            text = "with" if text not in ("who wears", "that wears", "which wears") else "wearing"
        self.after.append(" ".join((text, " and ".join(shown))).strip())

    def _between(self, tree: Any) -> None:
        others = tuple(_Reading().np(part).question() for part in tree.children if _rule(part) == "onp")
        name = "between" if len(others) == 2 or others[0].target.plural else "near"
        self.conditions.append(Condition(name, others, words=str(tree.children[0])))

    def _who(self, tree: Any) -> None:
        negated = _rule(tree.children[0]) == "WHO_IS_NOT"
        for part in tree.children[1:]:
            if _rule(part) == "seen":
                seen = [str(token) for one in part.children for token in getattr(one, "children", [one])[:1]]
                (self.lacking if negated else self.attributes).extend(seen)
            elif negated:
                self._negated(part)
            else:
                self._word(_rule(part), str(part))

    def _compared(self, tree: Any) -> None:
        others = [_Reading().thing(part) for part in tree.children if _rule(part) in ("full", "headless")]
        others = [one for one in others if one.noun.split()[:1] not in (["other"], ["others"], ["rest"])]
        self._size(str(tree.children[0]), tuple(one.question() for one in others if not one.pronoun))

    def _counted(self, tree: Any) -> None:
        self.rank = words.rank(str(tree.children[0]))

    def _group(self, tree: Any) -> None:
        """Of "the left of the two dogs" the dogs are meant; of "the tail of the dog" the dog, and a part of it."""
        other = _Reading().thing(tree.children[-1])
        if self.pronoun and (other.plural or words.singular(other.noun)[1]):
            self._among(other)
        elif self.pronoun and len(self.conditions) == 1 and not other.pronoun:  # "the top of the car"
            self._whole(other, self.conditions.pop().words)
        elif words.singular(self.noun.split()[-1] if self.noun else "")[0] in words.PARTS:
            self._whole(other, self.noun)
        else:
            self.conditions.append(Condition("of", (other.question(),), words="of"))

    def _among(self, group: _Reading) -> None:
        self.of = group.count or 0
        if group.noun:
            self.noun, self.pronoun = group.noun, False
            self.attributes += group.attributes
            self.conditions += group.conditions
        one = not self.plural
        self.noun, many = words.singular(self.noun) if one else (self.noun, False)
        self.after += group.after

    def _whole(self, owner: _Reading, part: str) -> None:
        self.part = part
        for name in ("noun", "pronoun", "plural", "count", "attributes", "after"):
            setattr(self, name, getattr(owner, name))
        self.conditions = owner.conditions + self.conditions


_POSTS = frozenset("posts negated place nowhere relation distance described between who compared counted group".split())
_RANKED = frozenset(("near", "far", "left", "right", "top", "bottom"))
_NEARESTS = frozenset("nearest closest nearer closer farthest furthest farther further most".split())


def _rule(part: Any) -> str:
    """The name of a rule, or the class of a word."""
    return part.data if hasattr(part, "data") else part.type


def _text(tree: Any) -> str:
    return " ".join(str(token) for token in tree.children)


def _side(tree: Any) -> str:
    return next(words.side(str(token)) for token in tree.children if token.type == "SIDE_END")


def _distance(text: str) -> str:
    return "front" if text.startswith(("near", "clos")) else "behind"


def _bare(tree: Any) -> str:
    """The words of a noun phrase without its articles."""
    said = [token for token in tree.scan_values(lambda token: token.type != "DET")]
    return " ".join(str(token).strip(" ,") for token in said)


def _is_worn(noun: str) -> bool:
    return noun in ("black", "white", "uniform", "costume") or noun.endswith(("wear", "clothing"))
