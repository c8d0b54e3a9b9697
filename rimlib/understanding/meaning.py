"""From the tree of a sentence to a `Question`: the noun phrases in it, and what joins or excludes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rimlib.understanding import words
from rimlib.understanding.modifiers import POSTS, Meaningless, Modified, read_noun_phrase
from rimlib.understanding.noun import rule_of
from rimlib.understanding.question import Question

NO_NOUN = "the sentence names no thing; every object is asked for"
__all__ = ["Meaningless", "read"]


def read(tree: Any, sentence: str) -> Question:
    """The question of a parsed sentence. Raises Meaningless where it asks for nothing."""
    first, joined, excluded = _noun_phrases(tree)
    _share_the_noun(first, joined, excluded)
    if first.noun in ("everything", "anything"):
        first.noun, first.pronoun, first.plural = "", True, True
        if not excluded:
            raise Meaningless
    elif first.pronoun and not (first.conditions or first.attributes or first.after or first.rank or excluded):
        raise Meaningless
    question = first.question(sentence)
    removed = tuple(one.question() for one in excluded)
    others = [one.question() for one in joined]
    return replace(
        question,
        excluded=(*question.excluded, *removed),
        joined=tuple(replace(one, excluded=(*one.excluded, *removed)) for one in others),
        notes=(*question.notes, *((NO_NOUN,) if first.pronoun else ())),
        named=not first.pronoun,
    )


def _noun_phrases(tree: Any) -> tuple[Modified, list[Modified], list[Modified]]:
    """What is wanted, what is joined to it, and what is excluded."""
    first: Modified | None = None
    joined, excluded, fronted = [], [], []
    for part in tree.children:
        rule = rule_of(part)
        if rule == "np":
            first = read_noun_phrase(part)
        elif rule == "joined":
            joined.append(read_noun_phrase(part.children[-1]))
        elif rule == "exclusion":
            excluded.append(read_noun_phrase(part.children[-1]))
        elif first is None and rule in ("place", "relation"):
            fronted.append(part)
        elif first is not None and rule == "looks":  # "the dog on the left, brown"
            first.attributes += [str(token) for token in part.scan_values(lambda token: token.type != "JOIN")]
        elif first is not None and rule in POSTS:
            first.post(part)
    if first is None and joined:  # "left of the tree, the dog"; "not the left lion, the right one"
        first = joined.pop(0)
    if joined and first is not None and joined[0].pronoun and not (joined[0].attributes or joined[0].after):
        if str(tree.children[1].children[0]).strip() == ",":  # "a lion, the left one"
            same = joined.pop(0)
            first.conditions += same.conditions
            first.rank = first.rank or same.rank
    if joined and first is not None and first.count == 2 and not words.singular(first.noun)[1]:
        first.count, first.plural = None, False  # "both the man and the woman"
    first = first or Modified(pronoun=True, plural=bool(excluded))
    for part in fronted:
        first.post(part)
    return first, joined, excluded


def _share_the_noun(first: Modified, joined: list[Modified], excluded: list[Modified]) -> None:
    """In "the red and the blue car" and "the left cup, not the right one" a pronoun stands for the noun."""
    others = excluded if first.conditions or first.attributes else []  # "not the left dog, the right one"
    named = next((one for one in (first, *joined, *others) if not one.pronoun), None)
    for one in (first, *joined, *excluded):
        if one.pronoun and named is not None:
            one.noun, one.pronoun = named.noun if one.plural else words.singular(named.noun)[0], False
