"""The nouns that a model was trained on, kept in its card: asked for anything else, it can only guess.

Not in the paper, whose model is asked for what RefMatte has. A model that is asked for a xylophone, and never met one,
mattes something all the same: its score was trained on sentences of words that it knows. `rimlib.prediction` refuses
such a noun before the score decides. What is measured (`rimlib.evaluation`, `benchmarks/hearing.py`) is the model's
own.

A training takes them from its data set (`refmatte.vocabulary`); a model that was stored without them answers every
sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rimlib.errors import RimError
from rimlib.plurals import NO_COMPOUNDS, singular_of
from rimlib.understanding.words import singular

KEY = "vocabulary"  # of a checkpoint's card
LEAST = 3  # letters of a word that can be part of another
BEFORE = 4  # letters before a known noun in a word that is compounded with it, or a known word: "fireman", "cowboy"
NEAR, NEAREST = 0.75, 3  # of the nouns that are spelt alike: the least likeness, and how many are named
GENERAL = ("person", "animal", "object")  # the words for everything, of which those are named that a model knows
FEW = 8  # as many nouns are all of them named


@dataclass(frozen=True)
class Vocabulary:
    """The nouns of a training.

    Attributes:
        nouns: categories, synonyms, and the words for a kind, as sentences had them.
        kinds: nouns that the data engine has and this training had not, and the narrowest of `nouns` that such a thing
            is called by as well: "saxophone" is a "musical instrument".
    """

    nouns: frozenset[str]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def knows(self, noun: str) -> bool:
        """Whether a noun is one of them: in the singular or the plural, or as the head of a compound.

        A noun that the data engine has besides is no compound of one that this training had: a butterfly is no fly,
        and a key no car. Of several words with no such noun at their end one is enough, since they may be no compound.

        >>> words = Vocabulary(frozenset(("car", "fly", "man", "fire hydrant")), {"butterfly": "insect", "key": "tool"})
        >>> [words.knows(noun) for noun in ("cars", "sports car", "car of steel", "policemen", "hydrant", "car ahead")]
        [True, True, True, True, True, True]
        >>> [words.knows(noun) for noun in ("butterfly", "scar", "car key", "xylophone")]
        [False, False, False, False]
        >>> words.knows("fireman"), words.knows("woman"), Vocabulary(frozenset(("cow", "boy"))).knows("cowboy")
        (True, False, True)
        """
        for form in _forms(noun):
            if form in self._known:
                return True
            if form in self.kinds and " of " not in form:  # a polar bear is a bear, and is called so
                return form.rsplit(" ", 1)[-1] == self.kinds[form].rsplit(" ", 1)[-1]
        if self.has_any(_spaced(noun)):
            return True
        head = singular_of(_spaced(noun).partition(" of ")[0].rsplit(" ", 1)[-1])
        before = [head.removesuffix(one) for one in self._known if len(one) >= LEAST and head.endswith(one)]
        return head not in NO_COMPOUNDS and any(len(part) >= BEFORE or part in self._words for part in before)

    def has_any(self, text: str) -> bool:
        """Whether any word of a text is a word of the nouns, in the singular or the plural."""
        words = text.lower().split()
        return not self._words.isdisjoint((*words, *map(singular_of, words)))

    def instead(self, noun: str = "") -> str:
        """What can be asked for instead of a noun that none of these is, in the words of a message; may be empty.

        >>> words = Vocabulary(frozenset(("microphone", "instrument", "person", "animal")), {"flute": "instrument"})
        >>> words.instead("flutes")
        'ask by kind, such as “the instrument on the left”'
        >>> Vocabulary(words.nouns | frozenset("abcdefg")).instead("mikrophone")
        'the nearest: microphone; ask by kind, such as “the animal on the left” (or person)'
        """
        kind = next((self.kinds[form] for form in _forms(noun) if form in self.kinds), None)
        if kind is None and len(self.nouns) <= FEW:
            return f"it knows: {', '.join(sorted(self.nouns))}"
        kinds = [word for word in GENERAL if word in self.nouns] if kind is None else [kind]
        near = self.nearest(noun) if kind is None else []
        said = [f"the nearest: {', '.join(near)}"] if near else []
        if kinds:
            others = f" (or {' or '.join(kinds[:-1])})" if len(kinds) > 1 else ""
            said.append(f"ask by kind, such as “the {kinds[-1]} on the left”{others}")
        return "; ".join(said)

    def nearest(self, noun: str) -> list[str]:
        """The nouns that are spelt most like one, the most alike first."""
        return difflib.get_close_matches(_forms(noun)[0], sorted(self.nouns), NEAREST, NEAR)

    def joined(self, other: Vocabulary) -> Vocabulary:
        """Of a model that was trained on both, one after the other."""
        nouns = self.nouns | other.nouns
        kinds = {noun: kind for noun, kind in {**other.kinds, **self.kinds}.items() if noun not in nouns}
        return Vocabulary(nouns, kinds)

    def to_dict(self) -> dict[str, Any]:
        """What a card holds, for people to read: nouns in one text, and those of each kind in one."""
        of_kind: dict[str, list[str]] = {}
        for noun, kind in sorted(self.kinds.items()):
            of_kind.setdefault(kind, []).append(noun)
        kinds = {kind: ", ".join(nouns) for kind, nouns in sorted(of_kind.items())}
        return {"nouns": ", ".join(sorted(self.nouns)), "kinds": kinds}

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Vocabulary | None:
        """That of a checkpoint's card, or None where it has none. Raises RimError for one that cannot be used.

        >>> words = Vocabulary(frozenset(("dog", "cat")), {"wolf": "dog"})
        >>> Vocabulary.of({KEY: words.to_dict()}) == words, Vocabulary.of({})
        (True, None)
        """
        given = card.get(KEY)
        if given is None:
            return None
        try:
            nouns = frozenset(_list(given["nouns"]))
            kinds = {noun: kind for kind, text in given.get("kinds", {}).items() for noun in _list(text)}
        except (AttributeError, KeyError, TypeError):
            nouns, kinds = frozenset(), {}
        if not nouns:
            what = 'nouns with commas between, such as {"nouns": "cat, dog"}, are expected'
            raise RimError(f"the card's {KEY} is {str(given)[:60]!r}; {what}", setting=KEY)
        return cls(nouns, kinds)

    @cached_property
    def _words(self) -> frozenset[str]:
        """All words of the nouns: of "baby girl" the first one, too."""
        return frozenset(word for noun in self._known for word in noun.split() if len(word) >= LEAST)

    @cached_property
    def _known(self) -> frozenset[str]:
        """The nouns in the singular, and the heads of compounds: who knows fire hydrants knows "the hydrant"."""
        nouns = {_spaced(noun) for noun in self.nouns}
        nouns |= {noun.rsplit(" ", 1)[-1] for noun in nouns if " of " not in noun}
        return frozenset(nouns | {singular(noun)[0] for noun in nouns})


def _list(text: str) -> list[str]:
    return [noun for part in text.split(",") if (noun := part.strip())]


def _spaced(noun: str) -> str:
    return " ".join(noun.lower().replace("-", " ").split())


def _forms(noun: str) -> list[str]:
    """A noun in the singular, as it stands, and shorter and shorter from the left; the same without "of …"."""
    spaced = _spaced(noun)
    found = []
    for whole in dict.fromkeys((spaced, spaced.partition(" of ")[0])):
        parts = whole.split()
        for start in range(len(parts)):
            rest = " ".join(parts[start:])
            if not rest.startswith("of ") and " of " not in " ".join(parts[:start]) + " ":
                found += [rest, singular(rest)[0]]
    return list(dict.fromkeys(found)) or [spaced]
