"""CLIP's own task, for regions and for images: symmetric InfoNCE over a batch's captions.

The paper starts from CLIP weights that were trained on whole images, four hundred million of them. In the minutes that
the small CLIP has, whole images taught it nothing: a scene is mostly background, which no caption describes, and in
trials of some hundred steps the loss stayed at that of chance. So the mean of an entity's patches is contrasted with
its caption too, which also is what a dense task needs of the tokens.
"""

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat.backbone import Backbone, normalise
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.training import loop
from rimlib.training.pairs import Regions


class ContrastiveCLIP(nn.Module):
    """The backbone and CLIP's two projections: embeddings of images, regions and texts, float (B, D), of length 1.

    The open_clip model that it is made of is modified in place.
    """

    def __init__(self, clip: open_clip.CLIP, tokenizer: Tokenizer, image_size: int):
        super().__init__()
        self.image_projection, self.text_projection = clip.visual.proj, clip.text_projection
        self.logit_scale, self.tokenizer = clip.logit_scale, tokenizer
        self.backbone = Backbone(clip, image_size)

    def tokens(self, images: torch.Tensor) -> torch.Tensor:
        """Image tokens, (B, 1+N, D), the class token first. `images`: uint8 (B, S, S, 3), on the model's device."""
        return self.backbone.encode_image(normalise(images.permute(0, 3, 1, 2).float() / 255))[0]

    def image_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """CLIP's image embeddings: the projected class token."""
        return F.normalize((tokens[:, 0] @ self.image_projection).float(), dim=-1)

    def region_features(self, tokens: torch.Tensor, weights: torch.Tensor, image_index: torch.Tensor) -> torch.Tensor:
        """The embedding of each region, of `weights` (R, h, w): its patches' mean, projected as CLIP does an image."""
        patches = tokens[image_index, 1:]  # (R, N, D)
        means = (weights.flatten(1)[:, None].to(patches.dtype) @ patches)[:, 0]  # (R, D)
        return F.normalize((means @ self.image_projection).float(), dim=-1)

    def text_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """CLIP's text embeddings. `tokens`: int64 (B, L), on the model's device.

        Attention looks backwards only and the embedding is read at the sentence's end, so what follows the longest
        sentence is left out: it would change nothing but the time.
        """
        ends = tokens.argmax(dim=-1)  # the end of text has the largest id
        no_context = self.text_projection.new_zeros(0, self.backbone.text_width)
        x = self.backbone.encode_text(tokens[:, : int(ends.max()) + 1], no_context)  # (B, L', D)
        return F.normalize((x[torch.arange(len(x), device=x.device), ends] @ self.text_projection).float(), dim=-1)

    def open_clip_state(self) -> dict[str, torch.Tensor]:
        """All weights by open_clip's names."""
        own = {"visual.proj": self.image_projection, "text_projection": self.text_projection}
        return {**self.backbone.state_dict(), **own, "logit_scale": self.logit_scale}


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor | float, positives: torch.Tensor
) -> torch.Tensor:
    """CLIP's symmetric InfoNCE of embeddings (B, D), a scalar; `scale` multiplies their products.

    `positives`, bool (B, B), is where image i is described by text j too: such a pair is no negative.
    """
    logits = scale * images @ texts.T  # (B, B)
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(positives & ~own, -torch.inf)
    targets = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


@torch.no_grad()
def retrieval(clip: ContrastiveCLIP, images: np.ndarray, texts: list[str], device: torch.device) -> float:
    """Share of the images whose own caption is the nearest of all; chance is one over their number.

    `images` are uint8 (B, S, S, 3); `texts` B captions (the same words twice count as the same caption).
    """
    same = np.unique(texts, return_inverse=True)[1]
    with loop.autocast(device):
        features = clip.image_features(_tokens(clip, images, device))
        nearest = _nearest(clip, features, texts)
    return float((same[nearest] == same).mean())


@torch.no_grad()
def region_retrieval(clip: ContrastiveCLIP, regions: Regions, device: torch.device) -> float:
    """Share of the regions whose own caption, or another true one, is the nearest of all.

    A model that always names the caption that is true of most regions does well here; see `region_pairs`.
    """
    cosines = _cosines(clip, regions, device)
    nearest = cosines.argmax(dim=1).cpu().numpy()
    return float(regions.positives[np.arange(len(nearest)), nearest].mean())


@torch.no_grad()
def region_pairs(clip: ContrastiveCLIP, regions: Regions, device: torch.device) -> float:
    """How often a caption is nearer to its own region than to one that it is not true of; a tie is half.

    A guess has 0.5, and so has a model that gives all regions the same vector, or all captions.
    """
    cosines = _cosines(clip, regions, device)
    own = cosines.diagonal()[None]  # of each caption, (1, R)
    won = (own > cosines).double() + (own == cosines) / 2  # (R, R), region and caption
    return float(won[~torch.from_numpy(regions.positives).to(device)].mean())


def _cosines(clip: ContrastiveCLIP, regions: Regions, device: torch.device) -> torch.Tensor:
    """Of each region and each caption, (R, R)."""
    weights, index = (torch.from_numpy(array).to(device) for array in (regions.weights, regions.image_index))
    with loop.autocast(device):
        features = clip.region_features(_tokens(clip, regions.images, device), weights, index)
        return features @ _words(clip, features, regions.texts).T


def _tokens(clip: ContrastiveCLIP, images: np.ndarray, device: torch.device) -> torch.Tensor:
    clip.eval()
    return torch.cat([clip.tokens(part.to(device)) for part in torch.from_numpy(images).split(32)])


def _nearest(clip: ContrastiveCLIP, features: torch.Tensor, texts: list[str]) -> np.ndarray:
    return (features @ _words(clip, features, texts).T).argmax(dim=-1).cpu().numpy()


def _words(clip: ContrastiveCLIP, features: torch.Tensor, texts: list[str]) -> torch.Tensor:
    return clip.text_features(clip.tokenizer(texts, truncate=True).to(features.device))
