"""Sentences as people type them, made what a model reads.

Paper: Sec. 3.3 and S3: a keyword goes into a template, an expression stands for itself; Sec. 4.2: both are cut at the model's length.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from rimlib.errors import RimError

TOGETHER = (
    8  # sentences that go through the model at once: 77 of them on one picture should not need 77 times the memory
)
DETERMINERS = frozenset(
    "a an the this that these those my your his her its our their some any every each all no".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


class CutSentence(UserWarning):
    """A sentence was longer than the model reads."""


@dataclass(frozen=True)
class Asked:
    """Sentences that a model has read: `texts` as they were given, `groups` of at most `TOGETHER` with their `TextFeatures`."""

    texts: tuple[str, ...]
    groups: tuple


def readable(sentence) -> str:
    """The sentence with single spaces. Raises RimError for what is not a text with something in it.

    >>> readable(" the  dog ")
    'the dog'
    """
    if not isinstance(sentence, str):
        raise RimError(f"sentence: expected text, found {type(sentence).__name__}")
    if not sentence.strip():
        raise RimError('sentence: it is empty; write what to cut out, such as "the brown dog"')
    return " ".join(sentence.split())


def listed(sentences) -> Sequence:
    """The sentences, if they are a list or a tuple with something in it. Raises RimError otherwise."""
    if not isinstance(sentences, (list, tuple)) or not sentences:
        found = "none" if isinstance(sentences, (list, tuple)) else type(sentences).__name__
        raise RimError(f"sentences: expected a list of at least one, found {found}; write [sentence]")
    return sentences


def in_words(sentence: str, template: str) -> str:
    """What the model is asked: a keyword, one or two plain words without an article, goes into the template.

    So it was trained and so it is scored (`evaluate`). On scenes of the shipped photographs the bare word does as well; CLIP's own
    weights want a phrase (Paper: Table 8).

    >>> in_words("fox", "a photo of a {keyword}"), in_words("the fox", "a photo of a {keyword}")
    ('a photo of a fox', 'the fox')
    """
    words = sentence.split()
    plain = (
        len(words) <= 2
        and all(_WORD.fullmatch(word) for word in words)
        and not DETERMINERS & {word.lower() for word in words}
    )
    return template.format(keyword=sentence) if plain else sentence


def read(model, sentences: Sequence[str], template: str) -> Asked:
    """Let a model's text encoder read sentences, a few at a time; one that is too long is cut with a `CutSentence` warning.

    Raises RimError where there is no sentence, or one is empty, no text, or without anything that the model's letters can spell.
    """
    import torch

    texts = tuple(readable(sentence) for sentence in listed(sentences))
    rows = [_tokens(model, text, in_words(text, template)) for text in texts]
    groups = []
    for start in range(0, len(rows), TOGETHER):
        with torch.inference_mode():
            groups.append(
                (texts[start : start + TOGETHER], model.encode_text(torch.cat(rows[start : start + TOGETHER])))
            )
    return Asked(texts, tuple(groups))


def short(sentence: str, length: int = 60) -> str:
    """The sentence for a message: its start, and a sign where more follows."""
    return sentence if len(sentence) <= length else sentence[:length].rstrip() + "…"


def warn(text: str, category: type[Warning]) -> None:
    """Warn about the line of the first caller that is not rimlib's."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "rimlib":
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, category, stacklevel=max(2, depth))


def _tokens(model, text: str, asked: str):
    """Token numbers of one sentence, int64 (1, text_length)."""
    kept, rest = model.tokenizer.cut(asked)
    if rest:
        warn(
            f"“{short(text)}” is longer than the {model.text_length - 2} tokens that the model reads; it was cut after "
            f"“…{kept[-40:].partition(' ')[2] or kept[-40:]}”, before “{short(rest, 40)}”",
            CutSentence,
        )
    return model.tokenize([asked], truncate=True)
