"""The model: image features once for an image, text features once for a sentence, a matte for each pair.

Paper: Sec. 4.1, Figure 4, supplement Sec. 4.1, Table 11.

`encode_image` is the expensive step; `encode_text` and `matte` run for each sentence. All sizes come from the profile's
`model` settings; nothing here depends on the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import open_clip
import torch
from torch import nn

from rimlib.additions.coordinates import Coordinates
from rimlib.additions.score_map import ScoreMap
from rimlib.clipmat.backbone import Backbone, normalise
from rimlib.clipmat.collaboration import collaborate, confidence
from rimlib.clipmat.decoders import DetailsDecoder, SemanticDecoder
from rimlib.clipmat.details import DetailsExtractor, PlainSkip
from rimlib.clipmat.popup import PlainFusion, TextDrivenPopup
from rimlib.clipmat.pretrained import Pretrained
from rimlib.clipmat.prompt import PostContext
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError
from rimlib.profile import Model


@dataclass
class ImageFeatures:
    """Features of images.

    Attributes:
        tokens: (B, 1+N, Dv).
        levels: four maps (B, Dv, S/16, S/16), first blocks first.
        details: the MDE's outputs, level 4 first, (B, D_i, S/2^i, S/2^i).
    """

    tokens: torch.Tensor
    levels: list[torch.Tensor]
    details: list[torch.Tensor]

    def select(self, indices: torch.Tensor) -> ImageFeatures:
        """The features of images `indices`, (B',) int64: repeats an image for several sentences."""
        return ImageFeatures(
            self.tokens[indices],
            [level[indices] for level in self.levels],
            [detail[indices] for detail in self.details],
        )


@dataclass
class TextFeatures:
    """Features of sentences.

    Attributes:
        tokens: (B, L+C, Dt), the learnable context last.
        sentence: (B, Dt), the feature at the end of the text, from which CLIP computes its text embedding.
        padding: bool (B, L+C), tokens that nothing attends to, where `model.mask_padding` is on (ours).
    """

    tokens: torch.Tensor
    sentence: torch.Tensor
    padding: torch.Tensor | None = None

    def select(self, indices: Any) -> TextFeatures:
        """The features of sentences `indices` (anything that indexes a tensor's rows)."""
        padding = None if self.padding is None else self.padding[indices]
        return TextFeatures(self.tokens[indices], self.sentence[indices], padding)


class Output(NamedTuple):
    """Result of one image and one sentence, all float32.

    Attributes:
        trimap_logits: (B, 3, S, S): background, unknown, foreground.
        detail: (B, 1, S, S) in [0, 1], for the unknown region.
        alpha: (B, 1, S, S) in [0, 1], the matte.
        score_map: (B, 1, S/16, S/16), logits of the score map, where the model has one.
    """

    trimap_logits: torch.Tensor
    detail: torch.Tensor
    alpha: torch.Tensor
    score_map: torch.Tensor | None = None

    @property
    def score(self) -> torch.Tensor:
        """Confidence that the image contains the referent, (B,) in [0, 1]; see `collaboration.confidence`."""
        return confidence(self.trimap_logits.detach())  # computed on demand: training never reads it


class CLIPMat(Pretrained):
    """The model. Built by `from_profile`, `load`, `from_pretrained` (a folder or a name on the hub) or `shipped`.

    What each switch among the settings turns off, and what replaces it, is in `ablation.ABLATIONS`. `fast.optimize`
    makes it cheaper.

    Args:
        settings: a profile's model settings.
        clip: of `create_clip`, modified in place.
        tokenizer: of `create_clip`.
    """

    def __init__(self, settings: Model, clip: open_clip.CLIP, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.image_size, self.text_length = settings.image_size, settings.text_length
        self.mask_padding = settings.mask_padding
        self.tokenizer = tokenizer
        projections = (clip.visual.proj, clip.text_projection)  # the backbone drops them
        self.backbone = Backbone(clip, settings.image_size)
        image_width, text_width = self.backbone.image_width, self.backbone.text_width
        # CP. Without it the input of the text encoder is the words alone.
        self.context = PostContext(settings.context if settings.post_context else 0, text_width)
        self.backbone.check_length(settings.text_length, len(self.context.vectors))
        self.score_map = ScoreMap(*projections, settings.popup_width) if settings.score_map else None
        self.coordinates = Coordinates(settings.popup_width) if settings.coordinates else None
        # TSP
        self.popup: TextDrivenPopup | PlainFusion
        if settings.tsp:
            rounds = settings.popup_residual, settings.popup_layers
            attention = settings.popup_heads, settings.dropout, settings.popup_out, *rounds
            self.popup = TextDrivenPopup(image_width, text_width, settings.popup_width, *attention)
        else:
            self.popup = PlainFusion(image_width, text_width, settings.popup_width, settings.popup_out)
        self.semantic = SemanticDecoder(settings.popup_out, settings.semantic_width)
        # MDE, level 4 first, the order of the decoder
        channels, self.mde = list(settings.details_channels), settings.mde
        if settings.mde:
            width = settings.details_width or image_width // 2
            self.extractors = nn.ModuleList(
                DetailsExtractor(level, image_width, width, out) for level, out in zip((4, 3, 2, 1), channels)
            )
        else:
            self.extractors = nn.ModuleList([PlainSkip(image_width, channels[0])])
        # The paper leaves open whether the details decoder is conditioned on the text. Without it the details are the
        # same for every sentence on an image; with it, the map of TSP joins level 4 through a 1x1 convolution.
        self.details_text = nn.Conv2d(settings.popup_out, channels[0], 1) if settings.details_text else None
        self.details = DetailsDecoder(channels, settings.details_out)

    def tokenize(self, sentences: list[str], truncate: bool = False) -> torch.Tensor:
        """Token ids, int64 (B, text_length), on the model's device. Raises RimError for an unusable sentence."""
        return self.tokenizer(sentences, truncate).to(self.context.vectors.device)

    def encode_image(self, images: torch.Tensor) -> ImageFeatures:
        """Features of images, float (B, 3, S, S) in [0, 1], S = `image_size`."""
        if images.shape[1:] != (3, self.image_size, self.image_size):
            raise RimError(
                f"images of shape {tuple(images.shape)}: the model takes (B, 3, {self.image_size}, {self.image_size})"
            )
        images = normalise(images).contiguous(memory_format=torch.channels_last)
        tokens, levels = self.backbone.encode_image(images)
        if self.mde:
            details = [extract(level, images) for extract, level in zip(self.extractors, reversed(levels))]
        else:
            details = [self.extractors[0](levels[-1])]
        return ImageFeatures(tokens, levels, details)

    def encode_text(self, tokens: torch.Tensor) -> TextFeatures:
        """Features of sentences, given as token ids, int64 (B, text_length)."""
        end = tokens.argmax(dim=1)  # the end of text has the largest id of all
        # The paper attends to the padding; ours, where `mask_padding` is on, does not.
        padding = self._padding(tokens, end) if self.mask_padding else None
        features = self.backbone.encode_text(tokens, self.context.vectors, padding)  # (B, text_length + context, Dt)
        return TextFeatures(features, features[torch.arange(len(tokens), device=tokens.device), end], padding)

    def _padding(self, tokens: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """Positions after the end of the text and before the context, bool (B, text_length + context)."""
        place = torch.arange(tokens.shape[1] + len(self.context.vectors), device=tokens.device)
        return (place > end[:, None]) & (place < tokens.shape[1])

    def semantics(
        self, visual: torch.Tensor, text: TextFeatures
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """What the text refers to, for image tokens (B, 1+N, Dv): TSP's map, the trimap's logits, the score map."""
        scores, added = self.added(visual, text.sentence)
        popup = self.popup(visual, text.tokens, added, text.padding)  # (B, D', S/16, S/16)
        return popup, self.semantic(popup).float(), scores  # (B, 3, S, S)

    def added(self, visual: torch.Tensor, sentence: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The score map, and what is added to TSP's image tokens (B, 1+N, D): its embedding and the coordinates'."""
        scores, embedding = self.score_map(visual, sentence) if self.score_map else (None, None)
        if self.coordinates is not None:
            places = self.coordinates(visual)  # (1, 1+N, D)
            embedding = places if embedding is None else embedding + places
        return scores, embedding

    def matte(self, image: ImageFeatures, text: TextFeatures, image_index: torch.Tensor | None = None) -> Output:
        """One matte for each row of `text`, with the image of the same row, or with that of `image_index`, int64."""
        if image_index is not None:
            image = image.select(image_index)
        popup, trimap_logits, scores = self.semantics(image.tokens, text)
        detail = self.details(image.details, self.details_text(popup) if self.details_text else None)
        detail = detail.float().sigmoid()  # (B, 1, S, S)
        return Output(trimap_logits, detail, collaborate(trimap_logits, detail), scores)

    def forward(self, images: torch.Tensor, tokens: torch.Tensor, image_index: torch.Tensor | None = None) -> Output:
        """All three steps.

        Args:
            images: float (B, 3, S, S) in [0, 1].
            tokens: int64 (B_text, text_length).
            image_index: int64 (B_text,), the image of each sentence; without it the first sentence goes with the first
                image, and so on.
        """
        return self.matte(self.encode_image(images), self.encode_text(tokens), image_index)
