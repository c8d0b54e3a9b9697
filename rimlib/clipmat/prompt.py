"""CP: the context-embedded prompt.

Paper: Sec. 4.2, supplement Sec. 3 ("Matting-related prefix templates"), Table 8.

Before the text: a template that makes a sentence of a keyword. After the text: learnable vectors, appended to the word
embeddings (see `Backbone.encode_text`).
"""

from __future__ import annotations

import random

import torch
from torch import nn

from rimlib.profile import Model, Profile

# The supplement's nine, in its order. It prints "a photo of a" twice; Table 8 has "a photograph of a" in place of the
# second. The table also has "to extract {keyword}", without "the", and no row for "a photo of the": the list's wording
# is used.
TEMPLATES = (
    "{keyword}",
    "a photo of a {keyword}",
    "a photograph of a {keyword}",
    "an image of a {keyword}",
    "a photo of the {keyword}",
    "the foreground of the {keyword}",
    "the mask of the {keyword}",
    "the alpha matte of the {keyword}",
    "to extract the {keyword}",
)
# The row of Table 8 whose errors are those of the main results (supplement Sec. 4.3.2).
DEFAULT = "a photo of a {keyword}"
BARE = "{keyword}"


def pre_context(keyword: str, rng: random.Random | None = None) -> str:
    """A sentence around a keyword: a random template in training (`rng`), the default one otherwise.

    >>> pre_context("dandelion")
    'a photo of a dandelion'
    >>> pre_context("dandelion", random.Random(1))
    'a photograph of a dandelion'
    """
    template = DEFAULT if rng is None else rng.choice(TEMPLATES)
    return template.format(keyword=keyword)


def templates(settings: Model) -> tuple[str, ...]:
    """Templates to draw from in training: all of them, or the keyword alone where `settings.pre_context` is off."""
    return TEMPLATES if settings.pre_context else (BARE,)


def template(profile: Profile) -> str:
    """Template of the keyword setting: `evaluate.template`, or the keyword alone for a model without pre-context."""
    return profile.evaluate.template if profile.model.pre_context else BARE


class PostContext(nn.Module):
    """Learnable vectors after the words, shared by all sentences.

    Args:
        length: their number.
        width: D, the width of the text encoder.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        # As small as CLIP's own word embeddings at their start, so that neither outweighs the other.
        self.vectors = nn.Parameter(0.02 * torch.randn(length, width))
