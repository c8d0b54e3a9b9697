"""`parse`: an English sentence becomes a `Question`, by the grammar of `grammar.lark`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from rimlib import sentences
from rimlib.errors import RimError
from rimlib.understanding.meaning import Meaningless, read
from rimlib.understanding.question import Phrase, Question

if TYPE_CHECKING:
    from lark import Lark

LONGEST = 400  # letters; no phrase for one thing is longer
ENGLISH = "sentences are read as English; this one goes to the engine whole"
AS_ENGLISH = "sentences are read as English; this one may be of another language"
WHOLE = "the grammar has no reading for the sentence; it goes to the engine whole"
_FOREIGN = re.compile(
    r"\b(?:der|die|das|dem|den|ein|eine|einen|einem|und|links|rechts|auf|mit|neben|hinter|vor|von|große|kleine|linke"
    r"|rechte|linken|rechten|le|la|les|un|une|des|du|de|gauche|droite|avec|derrière|devant|à|sur|el|los|las|una|del|izquierda"
    r"|derecha|con|detrás|junto|il|lo|gli|della|sinistra|destra)\b"
)

_ENGLISH = re.compile(
    r"\b(?:the|of|on|with|from|and|to|at|by|near|behind|left|right|this|that|these|those|both|all|my|your|his|her)\b"
)
_NAMED = re.compile(r"<(_[A-Z_]+)>")


def parse(sentence: str) -> Question:
    """What a sentence asks for.

    A sentence that the grammar has no reading for is not `understood`: its target is the whole normalised sentence.
    Raises RimError for what is no text, and for a text without a letter or a figure.

    >>> question = parse("Cut out the second cup from the right.")
    >>> question.target.text, question.conditions[0].name, question.conditions[0].rank
    ('cup', 'right', 2)
    >>> parse("il gatto a sinistra").understood
    False
    """
    typed = sentences.clean(sentence)
    if not any(sign.isalnum() for sign in typed[: 10 * LONGEST]):
        raise RimError(
            f'sentence: no word in "{sentences.short(typed, 20)}"; write what to cut out, such as "the brown dog"',
            setting="sentence",
        )
    if len(typed) > LONGEST:
        return _whole(typed, typed, f"the sentence has {len(typed):,} letters; no more than {LONGEST} are read")
    text = sentences.normalise(typed)
    question, foreign = _read(text, typed), foreign_words(text)
    if question is None or _is_not_latin(text):
        return _whole(typed, text, ENGLISH if foreign or _is_not_latin(text) else WHOLE)
    if foreign > 1 and not (question.conditions or question.excluded or question.part):
        return _whole(typed, text, ENGLISH)  # the whole of it is a noun, whose last word need not be of English form
    return replace(question, notes=(*question.notes, AS_ENGLISH)) if foreign else question


def foreign_words(text: str) -> int:
    """How many different small words of neighbour languages a normalised sentence has; 0 with a small English word.

    They make no sentence foreign that the grammar can divide: names have them, too.

    >>> [foreign_words(text) for text in ("the die", "les paul", "a la-z-boy on the left", "der hund links", "il cane")]
    [0, 1, 0, 2, 1]
    """
    return 0 if _ENGLISH.search(text) else len(set(_FOREIGN.findall(text)))


def _is_not_latin(text: str) -> bool:
    letters = [sign for sign in text if sign.isalpha()]
    return 2 * sum(not unicodedata.name(sign, "").startswith("LATIN") for sign in letters) > len(letters)


def _read(text: str, typed: str) -> Question | None:
    from lark.exceptions import UnexpectedInput

    try:
        return read(_grammar().parse(text), typed)
    except (UnexpectedInput, Meaningless):
        return None


def _whole(typed: str, text: str, note: str) -> Question:
    return Question(typed, False, Phrase(text, text=text), count=None, notes=(note,))


@cache
def _grammar() -> Lark:
    from lark import Lark  # 40 ms, which `import rimlib` need not take

    rules = files("rimlib.understanding").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(_spelt_out(rules), parser="lalr", lexer="contextual")


def _spelt_out(rules: str) -> str:
    """The grammar with each `<_NAME>` in a pattern replaced by that terminal's own.

    Lark joins patterns, but has no terminal within a lookahead.
    """
    patterns = dict(re.findall(r"^(_[A-Z_]+): (?=/)/(.*?)/x$", rules, re.MULTILINE | re.DOTALL))
    while _NAMED.search(rules):
        rules = _NAMED.sub(lambda match: patterns[match[1]], rules)
    return rules
