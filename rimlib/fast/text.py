"""The text encoder without the padding: of a batch of sentences it computes only words and context.

For models of `model.mask_padding`, in which nothing attends to the padding. What is computed token by token runs on the
tokens of all sentences in one row after another; only the attention needs them as a batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from rimlib.clipmat.attention import attend
from rimlib.clipmat.backbone import Backbone


class Packing:
    """Where the T tokens of B sentences are in a batch of them.

    Args:
        rows: int64 (T,), of each token, its place in the batch's B * N.
        places: int64 (B, N), of each place, which token it has; a place of padding has any one.
    """

    def __init__(self, rows: torch.Tensor, places: torch.Tensor) -> None:
        self.rows, self.places = rows, places

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """From (T, D) to (B, N, D). No gradient comes from the padding."""
        return _Pad.apply(x, self.rows, self.places)

    def unpad(self, x: torch.Tensor) -> torch.Tensor:
        """From (B, N, D) to (T, D)."""
        return x.flatten(0, 1).index_select(0, self.rows)


class _Pad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        ctx.save_for_backward(rows)
        return x.index_select(0, places.flatten()).unflatten(0, places.shape)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        (rows,) = ctx.saved_tensors
        return gradient.flatten(0, 1).index_select(0, rows), None, None


def encode_text(
    backbone: Backbone, tokens: torch.Tensor, context: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of words and context.

    Args:
        backbone: of the model.
        tokens: token ids, int64 (B, L).
        context: learnable vectors (C, D).

    Returns:
        The features (B, W+C, D), W the words of the longest sentence, context last; those at the end of the texts
        (B, D); and which of W+C places are padding, bool (B, W+C). What stands there is without meaning.
    """
    (batch, length), count = tokens.shape, len(context)
    backbone.check_length(length, count)
    words = tokens.argmax(dim=1, keepdim=True) + 1  # (B, 1); the end of text has the largest id of all
    longest = int(words.max())
    place = torch.arange(longest + count, device=tokens.device)  # (N,)
    first = (words + count).cumsum(0) - words - count  # (B, 1), the first token of each sentence
    # In the transformer the context follows the words at once, so that a causal attention meets the padding last.
    used = place < words + count  # (B, N)
    positions = torch.where(place < words, place, place - words + length)[used]  # (T,)
    packing = Packing(used.flatten().nonzero().squeeze(1), first + torch.where(used, place, 0))
    table = torch.cat([backbone.token_embedding.weight, context])
    own = torch.arange(len(table) - count, len(table), device=tokens.device).expand(batch, -1)
    ids = torch.cat([tokens, own], dim=1).gather(1, torch.where(used, place - (place >= words) * (words - length), 0))
    x = F.embedding(ids[used], table) + F.embedding(positions, backbone.positional_embedding)  # (T, D)
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        x = x.to(torch.get_autocast_dtype(device))
    blocks: Any = backbone.transformer.resblocks
    for block in blocks:
        x = _run(block, x, packing)
    x = backbone.ln_final(x)
    # Outside, the context stands last, as in the literal model.
    is_word, is_context = place < words, place >= longest
    places = first + torch.where(is_context, place - longest + words, torch.where(is_word, place, 0))  # (B, N)
    there = is_word | is_context
    rows = torch.empty_like(packing.rows)
    rows[places[there]] = there.flatten().nonzero().squeeze(1)
    return Packing(rows, places).pad(x), x[(first + words - 1).squeeze(1)], ~there


def _run(block: Any, x: torch.Tensor, packing: Packing) -> torch.Tensor:
    """One block of open_clip, from (T, D) to (T, D)."""
    attention = block.attn
    qkv = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)  # (T, 3D)
    qkv = packing.pad(qkv).unflatten(2, (3, attention.num_heads, -1))  # (B, N, 3, heads, D/heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    y = packing.unpad(attend(q, k, v, causal=True).transpose(1, 2).flatten(2))  # (T, D)
    x = x + block.ls_1(attention.out_proj(y))
    return x + block.ls_2(block.mlp(block.ln_2(x)))
