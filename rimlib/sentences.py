"""Sentences as people type them, checked before a model reads them."""

from collections.abc import Sequence
from typing import Any

from rimlib.errors import RimError

TOGETHER = 8
"""Sentences in one forward pass: 77 of them on one large image should not need 77 times the memory."""


def clean(sentence: Any) -> str:
    """The sentence with single spaces. Raises RimError for what is not a text with something in it.

    >>> clean(" the  dog ")
    'the dog'
    """
    if not isinstance(sentence, str):
        raise RimError(f"sentence: expected text, found {type(sentence).__name__}", setting="sentence")
    if not sentence.strip():
        raise RimError('sentence: it is empty; write what to cut out, such as "the brown dog"', setting="sentence")
    return " ".join(sentence.split())


def as_list(sentences: Any) -> list[str]:
    """The sentences of a list or a tuple, each `clean`. Raises RimError for anything else, and for none at all.

    >>> as_list(("the  dog", "a cat"))
    ['the dog', 'a cat']
    """
    if isinstance(sentences, (str, bytes)) or not isinstance(sentences, Sequence) or not sentences:
        found = "none" if isinstance(sentences, (list, tuple)) else type(sentences).__name__
        raise RimError(
            f"sentences: expected a list of at least one, found {found}; write [sentence]", setting="sentences"
        )
    return [clean(sentence) for sentence in sentences]


def short(sentence: str, length: int = 60) -> str:
    """The sentence for a message: its start, and an ellipsis where more follows."""
    return sentence if len(sentence) <= length else sentence[:length].rstrip() + "…"
