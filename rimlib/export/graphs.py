"""The three graphs of a model: what is computed once for an image, once for a sentence, and for each pair of them.

Paper: Sec. 4.1. A graph has tensors at its ends, so each is a module around the literal model that takes and gives them
in one fixed order, with a batch of one: `CLIPMat.encode_image`, `encode_text` and `matte` have features as objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from rimlib.clipmat.collaboration import confidence
from rimlib.clipmat.model import CLIPMat, ImageFeatures, TextFeatures
from rimlib.clipmat.popup import PlainFusion


@dataclass(frozen=True)
class Graph:
    """A graph to be traced.

    Attributes:
        module: in evaluation mode; its `forward` takes and gives tensors alone.
        example: of what it takes; their sizes are those of every input.
        inputs: names.
        outputs: names.
    """

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def graphs_of(model: CLIPMat) -> dict[str, Graph]:
    """The graphs `image`, `text` and `matte` of a literal model in evaluation mode, on the CPU, in float32."""
    square = torch.zeros(1, 3, model.image_size, model.image_size)
    ids = torch.zeros(1, model.text_length, dtype=torch.int64)
    image, text, matte = ImageGraph(model).eval(), TextGraph(model).eval(), MatteGraph(model).eval()
    with torch.no_grad():
        features, sentence = image(square), text(ids)
    seen = ("image_tokens", *(f"details_{level}" for level in range(4, 5 - len(features), -1)))
    read = ("text_tokens", "sentence", "padding")[: len(sentence)]
    found = ("trimap_logits", "detail", "alpha", "score", "score_map")[: 4 if model.score_map is None else 5]
    return {
        "image": Graph(image, (square,), ("image",), seen),
        "text": Graph(text, (ids,), ("ids",), read),
        "matte": Graph(matte, (*features, *sentence), (*seen, *read), found),
    }


class ImageGraph(nn.Module):
    """From an image (1, 3, S, S) in [0, 1] to its tokens (1, 1+N, Dv) and its details, level 4 first.

    Args:
        model: whose encoder it is; the normalisation of CLIP is inside.
    """

    def __init__(self, model: CLIPMat) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        features = self.model.encode_image(image)
        return features.tokens, *features.details


class TextGraph(nn.Module):
    """From token ids, int64 (1, L), to the features (1, L+C, Dt), that of the sentence (1, Dt), and the padding.

    Args:
        model: whose encoder it is. The padding, bool (1, L+C), comes only where TSP reads it.
    """

    def __init__(self, model: CLIPMat) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the class."""
        text = self.model.encode_text(ids)
        if text.padding is None or isinstance(self.model.popup, PlainFusion):
            return text.tokens, text.sentence
        return text.tokens, text.sentence, text.padding


class MatteGraph(nn.Module):
    """From the outputs of both to those of `model.Output`, with the score, (1,), before the score map.

    Args:
        model: whose decoders they are.
    """

    def __init__(self, model: CLIPMat) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor, *others: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """`others`: the details, then the outputs of the text graph."""
        count = len(self.model.extractors)
        output = self.model.matte(ImageFeatures(tokens, [], list(others[:count])), TextFeatures(*others[count:]))
        found = output.trimap_logits, output.detail, output.alpha, confidence(output.trimap_logits)
        return found if output.score_map is None else (*found, output.score_map)
