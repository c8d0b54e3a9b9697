"""Sentences encoded for a model.

Paper: Sec. 3.3 and S3: a keyword goes into a template, an expression stands for itself; Sec. 4.2: both are cut at the
model's length.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rimlib.sentences import TOGETHER, as_list, short

if TYPE_CHECKING:
    import torch

    from rimlib.clipmat.model import CLIPMat, TextFeatures

DETERMINERS = frozenset(
    "a an the this that these those my your his her its our their some any every each all no".split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


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


def apply_template(sentence: str, template: str) -> str:
    """The text that the model reads: a keyword, one or two plain words without a determiner, goes into the template.

    So the model was trained and so it is scored (`evaluation.evaluate`). On scenes of the shipped photographs the bare
    keyword does as well; CLIP's own weights want a phrase (Paper: Table 8).

    >>> apply_template("fox", "a photo of a {keyword}"), apply_template("the fox", "a photo of a {keyword}")
    ('a photo of a fox', 'the fox')
    """
    words = sentence.split()
    is_keyword = len(words) <= 2 and all(_WORD.fullmatch(word) for word in words)
    if is_keyword and not DETERMINERS & {word.lower() for word in words}:
        return template.format(keyword=sentence)
    return sentence


def encode(model: CLIPMat, sentences: Sequence[str], template: str, stacklevel: int = 1) -> EncodedText:
    """Encode sentences, a few at a time.

    Args:
        model: whose tokenizer and text encoder are used.
        sentences: a list; one that is longer than the model reads is cut, with a `CutSentence` warning.
        template: of keywords.
        stacklevel: whose line the warning names: 1 the caller's, 2 the line that called the caller, and so on.

    Raises:
        RimError: no sentence, or one that is empty, is no text, or has nothing that the tokenizer can spell.
    """
    import torch

    texts = tuple(as_list(sentences))
    rows = [_tokens(model, text, apply_template(text, template), stacklevel) for text in texts]
    groups = []
    for start in range(0, len(rows), TOGETHER):
        part = slice(start, start + TOGETHER)
        with torch.inference_mode():
            groups.append((texts[part], model.encode_text(torch.cat(rows[part]))))
    return EncodedText(texts, tuple(groups))


def _tokens(model: CLIPMat, sentence: str, text: str, stacklevel: int) -> torch.Tensor:
    """Token ids of one sentence, int64 (1, text_length)."""
    used, rest = model.tokenizer.cut(text)
    if rest:
        end = used[-40:].partition(" ")[2] or used[-40:]
        message = (
            f"“{short(sentence)}” is longer than the {model.text_length - 2} tokens that the model reads; it was cut "
            f"after “…{end}”, before “{short(rest, 40)}”"
        )
        warnings.warn(message, CutSentence, stacklevel=stacklevel + 3)  # past this function, the list, and `encode`
    return model.tokenize([text], truncate=True)
