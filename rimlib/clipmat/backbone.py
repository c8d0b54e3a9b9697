"""CLIP's image and text encoder, dense, without their last projections.

Paper: Sec. 4.1, 4.3 ("we abandon the last project layer"), supplement Sec. 4.1, Table 11.

Built of open_clip's own modules; all backbones have a patch of 16 pixels, that of ViT-L/14 is resampled. CLIP's image
embedding is the class token times its projection, its text embedding the end-of-text token times its text projection.
"""

from __future__ import annotations

from typing import Any

import open_clip
import torch
from timm.layers import resample_abs_pos_embed, resample_patch_embed
from torch import nn

from rimlib.clipmat.attention import key_mask, replace_attention
from rimlib.errors import RimError

PATCH = 16  # Table 11 gives all backbones a grid of H/16


class Backbone(nn.Module):
    """Image tokens, block features and text features of one CLIP.

    Args:
        clip: an open_clip model. It is modified in place: its projections are dropped, its grid of positions is
            resized, its attention is replaced by `attention.SelfAttention`.
        image_size: S, the side of the images in pixels.
    """

    def __init__(self, clip: open_clip.CLIP, image_size: int):
        super().__init__()
        self.visual = clip.visual
        self.visual.proj = None
        resize_visual(self.visual, image_size)
        self.token_embedding = clip.token_embedding
        self.positional_embedding = clip.positional_embedding
        self.transformer = clip.transformer
        self.ln_final = clip.ln_final
        replace_attention(self.visual.transformer, causal=False)
        replace_attention(self.transformer, causal=True)
        self.image_width = self.visual.class_embedding.shape[0]
        self.text_width = self.token_embedding.embedding_dim
        self.context_length = self.positional_embedding.shape[0]

    def encode_image(self, images: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Dense image features.

        Args:
            images: float (B, 3, S, S), normalised.

        Returns:
            The tokens (B, 1+N, D) after CLIP's last layer norm, the class token first, and the outputs of four equal
            groups of blocks, each (B, D, h, w) in channels-last memory.
        """
        transformer, size = self.visual.transformer, images.shape[-1] // PATCH
        group = len(transformer.resblocks) // 4
        last = [group * (number + 1) - 1 for number in range(4)]  # block of each group
        x, levels = transformer.forward_intermediates(self.visual._embeds(images), indices=last)  # each (B, 1+N, D)
        # Tokens are channels-last pixels already: this is a view, no memory moves.
        maps = [level[:, 1:].transpose(1, 2).unflatten(2, (size, size)) for level in levels]  # (B, D, h, w)
        return self.visual.ln_post(x), maps

    def encode_text(
        self, tokens: torch.Tensor, context: torch.Tensor, padding: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Text features of every token.

        Positions are added to words and context alike, and each position sees those before it only, as in CLIP: so the
        features of the words do not depend on the context.

        Args:
            tokens: token ids, int64 (B, L).
            context: learnable vectors (C, D), appended after the tokens; C may be 0.
            padding: bool (B, L+C), positions that none attends to.

        Returns:
            Features (B, L+C, D).
        """
        length = self.check_length(tokens.shape[1], len(context))
        x = self.token_embedding(tokens)  # (B, L, D)
        x = torch.cat([x, context.expand(len(x), -1, -1)], dim=1)  # (B, L+C, D)
        x = x + self.positional_embedding[:length]
        device = x.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))  # as on the image side, whose first operation is a convolution
        mask = None if padding is None else key_mask(padding, x)
        return self.ln_final(self.transformer(x, attn_mask=mask))

    def check_length(self, words: int, context: int) -> int:
        """The length of words and context together; RimError when the backbone has fewer positions."""
        if words + context > self.context_length:
            raise RimError(
                f"model.text_length {words} and model.context {context}: together {words + context}, "
                f"but this backbone has {self.context_length} text positions",
                setting="model.text_length",
            )
        return words + context


def resize_visual(visual: Any, image_size: int) -> None:
    """Give a vision transformer the patch of 16 pixels and the grid of positions of `image_size`, in place."""
    with torch.no_grad():
        if visual.patch_size != (PATCH, PATCH):
            # The paper does not say how 14 becomes 16; this resampling keeps the embeddings of resized patches.
            weight = resample_patch_embed(visual.conv1.weight, [PATCH, PATCH])
            visual.conv1 = nn.Conv2d(3, len(weight), PATCH, stride=PATCH, bias=False).to(weight)
            visual.conv1.weight.copy_(weight)
            visual.patch_size = (PATCH, PATCH)
        grid = (image_size // PATCH, image_size // PATCH)
        if visual.positional_embedding.shape[0] != 1 + grid[0] * grid[1]:
            positions = resample_abs_pos_embed(visual.positional_embedding[None], list(grid))[0]
            visual.positional_embedding = nn.Parameter(positions.clone())
        visual.grid_size, visual.image_size = grid, (image_size, image_size)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1], less CLIP's mean colour, divided by its standard deviation."""
    mean, std = (
        torch.tensor(values, dtype=images.dtype, device=images.device).view(3, 1, 1)
        for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return (images - mean) / std
