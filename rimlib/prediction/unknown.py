"""What a model should not be asked: sentences that name nothing, or nothing that it was trained on.

A model finds something whatever it is asked, and its score is of little help for words that no training had. So these
sentences are read (`rimlib.understanding`) before the score decides. What a model itself answers is measured without
this (`rimlib.evaluation`, `benchmarks/hearing.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from rimlib.errors import RimError
from rimlib.prediction.answer import Reason
from rimlib.sentences import normalise, short
from rimlib.understanding import Question, each, parse
from rimlib.understanding.vocabulary import Vocabulary
from rimlib.understanding.words import OBJECT, SIDES, SIZES

# What stands for a noun, and so is none that a model could lack.
PRONOUNS = frozenset(
    """it he him she her they them i me we us you one ones thing things something anything everything nothing whatever
    somebody someone anybody anyone whoever""".split()
)
OTHERWISE = "or take --method grounded, which was trained on many more"


class Refusal(NamedTuple):
    """Why a sentence is not to be answered; the message is for people."""

    reason: Reason
    message: str


def refusal(sentence: str, vocabulary: Vocabulary | None) -> Refusal | None:
    """Whether a sentence is refused whatever the image, and why.

    Args:
        sentence: as it was typed.
        vocabulary: the nouns of the model's training; where it is not known only what is excluded is refused.
    """
    question = _read(sentence)
    if question is not None and question.only_excludes:  # a model that was never asked so finds the very thing
        return Refusal(Reason.ONLY_EXCLUDED, f"“{short(sentence)}” names only what is not meant; name what is")
    if vocabulary is None:
        return None
    if question is None or not question.understood:
        if _has_a_known_word(sentence, vocabulary):
            return None
        what = f"“{short(sentence)}” has none of the {len(vocabulary.nouns):,} nouns that this model was trained on"
        return _unknown(what, vocabulary.instead())
    unknown = [one.target.noun for one in each(question) if not _is_known(one, vocabulary)]
    if len(unknown) < len(each(question)):  # of "the dog and the xylophone" there is something to find
        return None
    what = f"“{short(unknown[0])}” is none of the {len(vocabulary.nouns):,} nouns that this model was trained on"
    return _unknown(what, vocabulary.instead(unknown[0]))


def left_out(sentence: str, vocabulary: Vocabulary | None) -> str:
    """For people, which of several things in a sentence the model was not trained on; empty where it knows them all.

    >>> left_out("the dog and the xylophone", Vocabulary(frozenset(("dog",))))
    '“xylophone” is none of the 1 nouns that this model was trained on, so it may be missing'
    """
    question = _read(sentence)
    if vocabulary is None or question is None or not question.understood:
        return ""
    unknown = [f"“{short(one.target.noun)}”" for one in each(question) if not _is_known(one, vocabulary)]
    if not unknown:
        return ""
    verb, it = ("is", "it") if len(unknown) == 1 else ("are", "they")
    which = f"none of the {len(vocabulary.nouns):,} nouns that this model was trained on"
    return f"{' and '.join(unknown)} {verb} {which}, so {it} may be missing"


def _unknown(what: str, instead: str) -> Refusal:
    return Refusal(Reason.UNKNOWN_NOUN, "; ".join(filter(None, (what, instead, OTHERWISE))))


def _read(sentence: str) -> Question | None:
    try:
        return parse(sentence)
    except RimError:  # no word in it
        return None


def _is_known(question: Question, vocabulary: Vocabulary) -> bool:
    noun = question.target.noun
    return not question.named or noun == OBJECT or noun.split()[0] in PRONOUNS or vocabulary.knows(noun)


def _has_a_known_word(sentence: str, vocabulary: Vocabulary) -> bool:
    """Of a sentence without a reading: a noun, a pronoun, a side or a size, by which a model may find its way."""
    text = normalise(sentence)
    return vocabulary.has_any(text) or bool(set(text.split()) & (PRONOUNS | SIDES.keys() | SIZES.keys()))
