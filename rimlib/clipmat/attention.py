"""Scaled dot-product attention; explicit on a CPU for short sequences."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SHORT = 256  # keys; below it the matrix of weights stays in the cache


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """softmax(q k^T / sqrt(D)) v.

    Fused, in training and in evaluation, except on a CPU for short sequences: there the fused kernel's backward pass in
    bfloat16 takes about five times as long as the explicit form.

    Args:
        q: (B, heads, N, D).
        k: (B, heads, L, D).
        v: (B, heads, L, D).
        causal: position n attends to the keys up to n only (N = L).
        mask: float (B, 1, 1, L), added to the weights' logits: see `key_mask`.
    """
    if causal and mask is not None:
        mask = mask + _future(k.shape[2], mask)  # (B, 1, L, L)
    if q.device.type != "cpu" or k.shape[2] > SHORT:
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal and mask is None)
    weights = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)  # (B, heads, N, L)
    if mask is not None:
        weights = weights + mask
    elif causal:
        weights = weights + _future(k.shape[2], weights)
    return weights.softmax(dim=-1) @ v


def key_mask(padding: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """What `attend` adds so that nothing attends to the padding, bool (B, L): (B, 1, 1, L), 0 or -inf, as `like`."""
    return torch.zeros(padding.shape, dtype=like.dtype, device=like.device).masked_fill(padding, -torch.inf)[
        :, None, None
    ]


def _future(length: int, like: torch.Tensor) -> torch.Tensor:
    """The causal mask, (L, L), 0 or -inf."""
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu(1)


class SelfAttention(nn.Module):
    """The self-attention of an open_clip block through `attend`, with that block's own parameters under their names.

    `nn.MultiheadAttention`, whose place it takes, has another and slower path where no gradient is needed, and never
    calls its output projection.

    Args:
        attention: of the block.
        causal: each token attends to those before it only, as in a sentence.
    """

    def __init__(self, attention: nn.MultiheadAttention, causal: bool):
        super().__init__()
        self.num_heads, self.causal = attention.num_heads, causal
        self.in_proj_weight, self.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
        self.out_proj = attention.out_proj

    def forward(
        self, x: torch.Tensor, *_: torch.Tensor, attn_mask: torch.Tensor | None = None, **__: object
    ) -> tuple[torch.Tensor, None]:
        """`x`: (B, N, D); `attn_mask`: of `key_mask`. Keys and values, which a block gives besides, are `x` again."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, N, 3D)
        qkv = qkv.unflatten(2, (3, self.num_heads, -1))  # (B, N, 3, heads, D/heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, D/heads)
        y = attend(q, k, v, self.causal, attn_mask)
        return self.out_proj(y.transpose(1, 2).flatten(2)), None  # (B, N, D)


def replace_attention(transformer: Any, causal: bool) -> None:
    """Give each block of an open_clip transformer a `SelfAttention`, in place."""
    for block in transformer.resblocks:
        block.attn = SelfAttention(block.attn, causal)
