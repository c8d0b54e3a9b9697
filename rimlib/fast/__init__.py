"""The same model, computed cheaper: `fast.optimize(model)`.

Some maps of the literal modules are larger than they need to be, and some work is done more than once. Their siblings
here have the same parameters, the same checkpoints and the same results, forward and backward, to rounding:

* Max pooling of a 1x1 convolution (Eq. 7) needs, for each window, only the largest value and the place of the pixel
  that has it: the map at full resolution with Dv / 2 channels never exists.
* A 3x3 convolution after a bilinear upsampling is one linear map: its nine taps are applied to the small map, as one
  1x1 convolution, and then upsampled and shifted. The large map with many channels never exists.
* Several sentences of one image share its norms, its projections and its details: these are computed once and
  broadcast, instead of repeating the image for each sentence.
* Where nothing attends to the padding of sentences (`model.mask_padding`), it is not encoded.
* A ReLU writes over the output of a batch norm, which nothing else reads.

The siblings do not call all of their submodules: hooks, FLOP counters and export are for the literal model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from rimlib.additions.score_map import ScoreMap
from rimlib.clipmat.backbone import normalise
from rimlib.clipmat.decoders import PATCH_LEVEL, ConvBlock, DetailsDecoder, SemanticDecoder
from rimlib.clipmat.details import DetailsExtractor
from rimlib.clipmat.model import CLIPMat, ImageFeatures, Output, TextFeatures
from rimlib.clipmat.popup import TextDrivenPopup
from rimlib.fast import text as fast_text
from rimlib.fast.ops import convolve_exactly, convolve_upsampled, maxpool_projection

Model = TypeVar("Model", bound=nn.Module)


def optimize(model: Model, enabled: bool = True) -> Model:
    """Switch the modules of a model to their cheaper siblings, in place, or back.

    Args:
        model: a `CLIPMat`, or any module that holds parts of one.
        enabled: False gives the literal modules back.

    Returns:
        The same model. Parameters, buffers, hooks and the state dict are untouched.
    """
    for module in model.modules():
        for literal, sibling in SIBLINGS.items():
            if type(module) is (literal if enabled else sibling):
                module.__class__ = sibling if enabled else literal
    return model


class FastDetailsExtractor(DetailsExtractor):
    """`DetailsExtractor` without the map at full resolution and without the concatenation."""

    def forward(self, visual: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """As `DetailsExtractor.forward`."""
        if images.requires_grad:  # the gradient of images is the literal module's
            return super().forward(visual, images)
        x_m = maxpool_projection(images, self.norm_image, 2**self.level)
        # A convolution of a concatenation is the sum of two.
        weight_visual, weight_image = self.mix.weight.chunk(2, dim=1)
        x_f = convolve_upsampled(self.norm_visual(visual), weight_visual, 2 ** (PATCH_LEVEL - self.level))
        return F.relu_(self.norm(x_f + convolve_exactly(x_m, weight_image)))


class FastConvBlock(ConvBlock):
    """`ConvBlock` whose ReLU is in place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As `ConvBlock.forward`."""
        for layer in self:
            x = F.relu_(x) if isinstance(layer, nn.ReLU) else layer(x)
        return x


class FastSemanticDecoder(SemanticDecoder):
    """`SemanticDecoder` without the map of S x S with its channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As `SemanticDecoder.forward`."""
        x = self.upsample(self.d2(x))
        return convolve_upsampled(self.d1(x), self.d0.weight, 4, self.d0.bias)


class FastDetailsDecoder(DetailsDecoder):
    """`DetailsDecoder` without the map of S x S with its channels."""

    def forward(self, details: Sequence[torch.Tensor], text: torch.Tensor | None = None) -> torch.Tensor:
        """As `DetailsDecoder.forward`; `text` may have several rows for each of the details, one after another."""
        x = details[0] if text is None else _add(text, details[0])
        for number, stage in enumerate(self.stages):
            if number > 0:
                x = self.upsample(x)
            if 0 < number < len(details):
                x = _add(x, details[number])
            x = stage(x)
        return convolve_upsampled(x, self.d0.weight, 2, self.d0.bias)


class FastScoreMap(ScoreMap):
    """`ScoreMap` that projects an image once."""

    def forward(self, visual: torch.Tensor, sentence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `ScoreMap.forward`; `sentence` may have several rows for each of `visual`, one after another."""
        patches = F.normalize((visual[:, 1:] @ self.visual_proj).float(), dim=-1)  # (B, N, E)
        words = F.normalize((sentence @ self.text_projection).float(), dim=-1)  # (B k, E)
        cosines = words.unflatten(0, (len(patches), -1)) @ patches.transpose(1, 2)  # (B, k, N)
        logits = self.scale * cosines.flatten(0, 1) + self.bias  # (B k, N)
        return self.as_map(logits), self.embed(logits)


class FastTextDrivenPopup(TextDrivenPopup):
    """`TextDrivenPopup` that norms an image once."""

    def visual_tokens(self, visual: torch.Tensor, count: int) -> torch.Tensor:
        """As `TextDrivenPopup.visual_tokens`; `count` may be a multiple of the rows of `visual`."""
        x = self.norm_visual(visual)  # (B, 1+N, D)
        return x[:, None].expand(-1, count // len(x), -1, -1).flatten(0, 1)  # (B k, 1+N, D)


class FastCLIPMat(CLIPMat):
    """`CLIPMat` whose sentences share what their image has in common, and whose padding is not encoded."""

    def encode_text(self, tokens: torch.Tensor) -> TextFeatures:
        """As `CLIPMat.encode_text`; with `mask_padding` the padding is as long as the longest sentence needs."""
        if not self.mask_padding or not isinstance(self.popup, TextDrivenPopup):
            return super().encode_text(tokens)
        return TextFeatures(*fast_text.encode_text(self.backbone, tokens, self.context.vectors))

    def matte(self, image: ImageFeatures, text: TextFeatures, image_index: torch.Tensor | None = None) -> Output:
        """As `CLIPMat.matte`."""
        if image_index is not None and self._in_turns(image_index, len(image.tokens)):
            image_index = None  # the siblings broadcast
        return super().matte(image, text, image_index)

    def ground(
        self, images: torch.Tensor, tokens: torch.Tensor, image_index: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The semantic half of `forward` alone: the trimap's logits and the score map, for half the time."""
        visual, _ = self.backbone.encode_image(normalise(images).contiguous(memory_format=torch.channels_last))
        if not self._in_turns(image_index, len(visual)):
            visual = visual[image_index]
        _, trimap_logits, scores = self.semantics(visual, self.encode_text(tokens))
        return trimap_logits, scores

    def _in_turns(self, image_index: torch.Tensor, images: int) -> bool:
        """Have all images equally many sentences, one after another, and can every module broadcast?"""
        if image_index.device.type != "cpu" or self.details_text is None:  # to look at it would wait for a GPU
            return False
        if not isinstance(self.popup, FastTextDrivenPopup) or len(image_index) % images:
            return False
        return torch.equal(image_index, torch.arange(images).repeat_interleave(len(image_index) // images))


SIBLINGS = {
    CLIPMat: FastCLIPMat,
    ConvBlock: FastConvBlock,
    DetailsExtractor: FastDetailsExtractor,
    SemanticDecoder: FastSemanticDecoder,
    DetailsDecoder: FastDetailsDecoder,
    ScoreMap: FastScoreMap,
    TextDrivenPopup: FastTextDrivenPopup,
}


def _add(x: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Maps (B k, C, H, W) plus the map (B, C, H, W) that k of them share. All channels last in memory."""
    if len(x) == len(image):
        return x + image
    rows = x.permute(0, 2, 3, 1).unflatten(0, (len(image), -1))  # (B, k, H, W, C)
    return (rows + image.permute(0, 2, 3, 1)[:, None]).flatten(0, 1).permute(0, 3, 1, 2)
