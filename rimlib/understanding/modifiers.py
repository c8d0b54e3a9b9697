"""What follows a noun: its place, its relations, what it wears or holds, and of how many it is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rimlib.understanding import words
from rimlib.understanding.noun import NounPhrase, rule_of, toward
from rimlib.understanding.question import Condition, Question

VIEWER = "left and right are the viewer's"
POSTS = frozenset("posts negated place nowhere relation distance described between who compared counted group".split())
_NEARESTS = frozenset("nearest closest nearer closer farthest furthest farther further most".split())


class Meaningless(ValueError):
    """A sentence that the grammar parses and that asks for nothing."""


def read_noun_phrase(tree: Any) -> Modified:
    """A noun phrase with all that belongs to it, of a rule `np`, `onp`, `full` or `headless`."""
    phrase = Modified()
    if tree.data in ("full", "headless"):
        phrase.thing(tree)
        return phrase
    for part in tree.children:
        rule = rule_of(part)
        if rule in ("full", "headless"):
            phrase.thing(part)
        elif rule != "DET":
            phrase.post(part)
    phrase.pronoun = phrase.pronoun or not phrase.noun
    return phrase


class Modified(NounPhrase):
    """A noun phrase that takes what follows its noun."""

    def post(self, tree: Any) -> None:
        """Read one thing that follows the noun; each rule of the grammar has its method."""
        rule = rule_of(tree)
        if rule == "negated":
            self._negated(tree.children[-1])
        elif rule == "posts":
            for part in tree.children:
                if rule_of(part) != "AND_POST":
                    self.post(part)
        elif rule in POSTS:
            getattr(self, f"_{rule}")(tree)

    def _negated(self, tree: Any) -> None:
        start = len(self.conditions)
        after, self.after = self.after, []
        self.post(tree)
        self.lacking, self.after = [*self.lacking, *self.after], after
        self.conditions[start:] = [replace(one, negated=True) for one in self.conditions[start:]]

    def _place(self, tree: Any) -> None:
        first = tree.children[0]
        if rule_of(first) == "RELATION":
            name = words.PREPOSITIONS.get(str(first), "")
            if name not in ("top", "bottom", "behind"):
                raise Meaningless
            self.conditions.append(Condition(name, words=str(first)))
            return
        self.conditions.append(Condition(_side(first), words=_text(first)))
        if any(rule_of(token) == "DET" and str(token) in words.OWN for token in first.children):
            self.notes.append(VIEWER)

    def _nowhere(self, tree: Any) -> None:
        pass  # "in the photo"

    def _relation(self, tree: Any) -> None:
        first, other = tree.children[0], read_noun_phrase(tree.children[-1])
        if other.owner is not None and other.noun.replace("-", " ").split()[0] in ("left", "right"):
            # "on the man's right"
            self.conditions.append(Condition(words.side(other.noun), (other.owner.question(),), words=other.noun))
            self.notes.append(VIEWER)
            return
        if self._is_body(tree.children[-1], other):  # "with a bag over her shoulder"
            part, *rest = tree.children[-1].children
            self.after.append(f"{_text(first) if hasattr(first, 'children') else first} {_bare(part)}")
            for one in rest:  # "with a hat on his head, on the left"
                self.post(one)
            return
        if rule_of(first) in ("where", "aside"):
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
            if rule_of(first) in ("TO", "FROM"):
                self._nearest(other)
                return
        elsewhere = words.SURROUNDINGS.get(other.noun)
        if elsewhere and name in ("on", "inside"):
            self.conditions.append(Condition(elsewhere, optional=True, words=said))
            return
        self.conditions.append(Condition(name, (self._other(other),), words=said))

    def _is_body(self, tree: Any, other: NounPhrase) -> bool:
        """Whether a noun phrase is a part of the body of what is described: it has no place that could be looked for.

        "His hand" is; and after something that is held or worn "the hand", too.
        """
        if tree.data == "onp":
            tree = tree.children[0]
        own = any(rule_of(part) == "DET" and str(part) in words.OWNS for part in tree.children)
        return bool(self.after) and (own or not other.conditions) and words.singular(other.noun)[0] in words.BODY

    def _other(self, other: NounPhrase) -> Question:
        """The question of what this is related to; "the red one" beside a cup is a cup."""
        if other.pronoun and self.noun:
            other.noun, other.pronoun = words.singular(self.noun)[0], False
        return other.question()

    def _nearest(self, other: NounPhrase) -> None:
        """After "the nearest dog": "to the tree"."""
        for at, one in enumerate(self.conditions):
            if not one.others and one.words.split()[0] in _NEARESTS:
                name = "near" if one.name == "front" else "far"
                self.conditions[at] = Condition(name, (self._other(other),), words=f"{one.words} {name}")
                return
        raise Meaningless

    def _distance(self, tree: Any) -> None:
        said, *others = tree.children
        if others and rule_of(others[0]) == "onp":
            name = "near" if toward(str(said)) == "front" else "far"
            self.conditions.append(Condition(name, (self._other(read_noun_phrase(others[0])),), words=str(said)))
        else:
            self.conditions.append(Condition(toward(str(said)), words=str(said)))

    def _described(self, tree: Any) -> None:
        said, *things = tree.children
        rule, text = rule_of(said), str(said)
        things = [part for part in things if rule_of(part) == "full"]
        if rule == "WITHOUT_A":
            self.conditions.append(Condition("without", (read_noun_phrase(things[0]).question(),), words=text))
            return
        shown = [_bare(thing) for thing in things]
        if rule == "IN":
            one = read_noun_phrase(things[0])
            if not (
                self._is_body(things[0], one)
                or one.pronoun
                or words.singular(one.noun.split()[-1])[0] in words.GARMENTS
                or _is_worn(one.noun)
            ):
                if elsewhere := words.SURROUNDINGS.get(one.noun):
                    self.conditions.append(Condition(elsewhere, optional=True, words=text))
                else:
                    self.conditions.append(Condition("inside", (self._other(one),), words=text))
                return
        if rule == "WITH" and text != "wearing":
            text = "with" if text not in ("who wears", "that wears", "which wears") else "wearing"
        self.after.append(" ".join((text, " and ".join(shown))).strip())

    def _between(self, tree: Any) -> None:
        others = tuple(self._other(read_noun_phrase(part)) for part in tree.children if rule_of(part) == "onp")
        name = "between" if len(others) == 2 or others[0].target.plural else "near"
        self.conditions.append(Condition(name, others, words=str(tree.children[0])))

    def _who(self, tree: Any) -> None:
        negated = rule_of(tree.children[0]) == "WHO_IS_NOT"
        for part in tree.children[1:]:
            if rule_of(part) == "seen":
                seen = [str(token) for token in part.scan_values(lambda token: token.type != "JOIN")]
                (self.lacking if negated else self.attributes).extend(seen)
            elif negated:
                self._negated(part)
            else:
                self._word(rule_of(part), str(part))

    def _compared(self, tree: Any) -> None:
        others = [read_noun_phrase(part) for part in tree.children if rule_of(part) in ("full", "headless")]
        others = [one for one in others if one.noun.split()[:1] not in (["other"], ["others"], ["rest"])]
        self._size(str(tree.children[0]), tuple(one.question() for one in others if not one.pronoun))

    def _counted(self, tree: Any) -> None:
        self._word("ORD", str(tree.children[0]))

    def _group(self, tree: Any) -> None:
        """Of "the left of the two dogs" the dogs are meant; of "the tail of the dog" the dog, and a part of it."""
        other = read_noun_phrase(tree.children[-1])
        if self.pronoun and (other.plural or words.singular(other.noun)[1]):
            self._among(other)
        elif self.pronoun and len(self.conditions) == 1 and not other.pronoun:
            side = self.conditions.pop()
            if side.name in ("left", "right") and side.words in ("left", "right"):  # and not "the left half of"
                self.conditions.append(replace(side, others=(other.question(),), words=f"{side.words} of"))
            else:  # "the top of the car"
                self._whole(other, side.words)
        elif words.singular(self.noun.split()[-1] if self.noun else "")[0] in words.PARTS:
            self._whole(other, self.noun)
        else:
            self.conditions.append(Condition("of", (other.question(),), words="of"))


def _text(tree: Any) -> str:
    return " ".join(str(token) for token in tree.children)


def _side(tree: Any) -> str:
    return next(words.side(str(token)) for token in tree.children if token.type == "SIDE_END")


def _bare(tree: Any) -> str:
    """The words of a noun phrase without its articles."""
    said = [token for token in tree.scan_values(lambda token: token.type != "DET")]
    return " ".join(str(token).strip(" ,") for token in said)


def _is_worn(noun: str) -> bool:
    return noun in ("black", "white", "uniform", "costume") or noun.endswith(("wear", "clothing"))
