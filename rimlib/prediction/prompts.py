"""Sentences encoded for a model.

Paper: Sec. 4.2: they are cut at the model's length. What somebody types may be a keyword or an expression (Sec. 3.3)
in any form; the model reads the form of its training (`sentences.canonical`). The paper's own forms, a template for a
keyword (S3) and the expression as it stands, are those of `evaluation`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rimlib.sentences import THE, TOGETHER, as_list, canonical, short

if TYPE_CHECKING:
    import torch

    from rimlib.clipmat.model import CLIPMat, TextFeatures
    from rimlib.profile import Profile


class CutSentence(UserWarning):
    """A sentence was longer than the model reads."""


@dataclass(frozen=True)
class EncodedText:
    """Sentences after the text encoder, for any number of images.

    Attributes:
        sentences: as they were given, with single spaces.
        groups: at most `TOGETHER` sentences each, with their features.
    """

    sentences: tuple[str, ...]
    groups: tuple[tuple[tuple[str, ...], TextFeatures], ...]


def noun_template(profile: Profile | None) -> str:
    """The form in which a model reads one or two plain words: that of its keywords if it was trained on nothing else.

    >>> from rimlib.profile import load
    >>> noun_template(load("paper-b16-keyword")), noun_template(load("tiny"))
    ('a photo of a {keyword}', 'the {keyword}')
    """
    from rimlib.clipmat import prompt

    if profile is not None and profile.train.setting == "keyword":
        return prompt.template(profile)
    return THE


def encode(model: CLIPMat, sentences: Sequence[str], stacklevel: int = 1) -> EncodedText:
    """Encode sentences in the form that the model was trained on, a few at a time.

    Args:
        model: whose tokenizer and text encoder are used.
        sentences: a list; one that is longer than the model reads is cut, with a `CutSentence` warning.
        stacklevel: whose line the warning names: 1 the caller's, 2 the line that called the caller, and so on.

    Raises:
        RimError: no sentence, or one that is empty, is no text, or has nothing that the tokenizer can spell.
    """
    import torch

    texts, template = tuple(as_list(sentences)), noun_template(model.profile)
    rows = [_tokens(model, text, canonical(text, template), stacklevel) for text in texts]
    groups = []
    for start in range(0, len(rows), TOGETHER):
        part = slice(start, start + TOGETHER)
        with torch.inference_mode():
            groups.append((texts[part], model.encode_text(torch.cat(rows[part]))))
    return EncodedText(texts, tuple(groups))


def _tokens(model: CLIPMat, sentence: str, text: str, stacklevel: int) -> torch.Tensor:
    """Token ids of one sentence, int64 (1, text_length), in the form that the model reads: `text`."""
    used, rest = model.tokenizer.cut(text)
    if rest:
        end = used[-40:].partition(" ")[2] or used[-40:]
        message = (
            f"“{short(sentence)}” is longer than the {model.text_length - 2} tokens that the model reads; it was cut "
            f"after “…{end}”, before “{short(rest, 40)}”"
        )
        warnings.warn(message, CutSentence, stacklevel=stacklevel + 3)  # past this function, the list, and `encode`
    return model.tokenize([text], truncate=True)
