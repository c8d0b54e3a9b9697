"""CLIP's own task, for regions and for pictures: each finds its caption among all of a batch, and each caption it.

The paper starts from CLIP weights that were trained on whole pictures, four hundred million of them. In the minutes that the
small CLIP has, whole pictures taught it nothing: a scene is mostly background, of which no caption speaks, and in trials
of some hundred steps the loss stayed at that of a guess. So the mean of an entity's patches is held against its caption too, which also
is what a dense task wants of the tokens.
"""

import numpy as np
import torch
import torch.nn.functional as F

from rimlib.clipmat.backbone import normalise, run_block
from rimlib.training import loop


def contrastive_loss(images, texts, scale, also):
    """CLIP's symmetric InfoNCE.

    images, texts: float (B, D), of length 1; scale: what their products are multiplied by; also: bool (B, B),
    where picture i is described by text j too: not held against them. Returns a scalar.
    """
    logits = scale * images @ texts.T  # (B, B)
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(also & ~own, -torch.inf)
    answers = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, answers) + F.cross_entropy(logits.T, answers)) / 2


def image_tokens(clip, pictures):
    """CLIP's image tokens after its last layer norm, (B, 1+N, D), the class token first.

    pictures: uint8 (B, S, S, 3), on the model's device.
    """
    # A view with the channels moved is channels-last memory already: (B, 3, S, S)
    x = clip.visual._embeds(normalise(pictures.permute(0, 3, 1, 2).float() / 255))  # (B, 1+N, D)
    for block in clip.visual.transformer.resblocks:
        x = run_block(block, x, causal=False)
    return clip.visual.ln_post(x)


def image_features(clip, tokens):
    """CLIP's image embeddings, float (B, D), of length 1: the projected class token of `image_tokens`."""
    return F.normalize((tokens[:, 0] @ clip.visual.proj).float(), dim=-1)


def region_features(clip, tokens, weights, image_index):
    """The embedding of each region, float (R, D), of length 1: its patches' mean, projected as CLIP projects an image.

    tokens: of `image_tokens`; weights: float (R, h, w), each summing to 1; image_index: int64 (R,).
    """
    patches = tokens[image_index, 1:]  # (R, N, D)
    means = (weights.flatten(1)[:, None].to(patches.dtype) @ patches)[:, 0]  # (R, D)
    return F.normalize((means @ clip.visual.proj).float(), dim=-1)


def text_features(clip, tokens):
    """CLIP's text embeddings, float (B, D), of length 1. tokens: int64 (B, L), on the model's device.

    Attention looks backwards only and the embedding is read at the sentence's end, so what follows the longest
    sentence is left out: it would change nothing but the time.
    """
    ends = tokens.argmax(dim=-1)  # the end of text has the largest number
    length = int(ends.max()) + 1
    x = clip.token_embedding(tokens[:, :length]) + clip.positional_embedding[:length]  # (B, L, D)
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    for block in clip.transformer.resblocks:
        x = run_block(block, x, causal=True)
    x = clip.ln_final(x[torch.arange(len(x), device=x.device), ends])  # (B, D)
    return F.normalize((x @ clip.text_projection).float(), dim=-1)


@torch.no_grad()
def retrieval(clip, tokenize, pictures, texts, device) -> float:
    """Share of the pictures whose own caption is the nearest of all; chance is one over their number.

    pictures: uint8 NumPy (B, S, S, 3); texts: B captions (the same words twice count as the same caption).
    """
    clip.eval()
    groups = np.unique(texts, return_inverse=True)[1]
    with loop.autocast(device):
        images = torch.cat(
            [image_features(clip, image_tokens(clip, part.to(device))) for part in torch.from_numpy(pictures).split(32)]
        )
        words = text_features(clip, tokenize(texts).to(device))
    nearest = (images @ words.T).argmax(dim=-1).cpu().numpy()
    return float((groups[nearest] == groups).mean())


@torch.no_grad()
def region_retrieval(clip, tokenize, regions, device) -> float:
    """Share of the regions whose own caption, or another true one, is the nearest of all.

    regions: a `pairs.Regions`.
    """
    clip.eval()
    with loop.autocast(device):
        tokens = torch.cat(
            [image_tokens(clip, part.to(device)) for part in torch.from_numpy(regions.pictures).split(32)]
        )
        found = region_features(
            clip, tokens, torch.from_numpy(regions.weights).to(device), torch.from_numpy(regions.image_index).to(device)
        )
        words = text_features(clip, tokenize(regions.texts).to(device))
    nearest = (found @ words.T).argmax(dim=-1).cpu().numpy()
    return float(regions.also[np.arange(len(nearest)), nearest].mean())
