"""Scaled dot-product attention; explicit on a CPU for short sequences."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

SHORT = 256  # keys; below it the matrix of weights stays in the cache


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """softmax(q k^T / sqrt(D)) v.

    Fused, in training and in evaluation, except on a CPU for short sequences: there the fused kernel's backward pass in
    bfloat16 takes about five times as long as the explicit form.

    Args:
        q: (B, heads, N, D).
        k: (B, heads, L, D).
        v: (B, heads, L, D).
        causal: position n attends to the keys up to n only (N = L).
    """
    if q.device.type != "cpu" or k.shape[2] > SHORT:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    weights = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)  # (B, heads, N, L)
    if causal:
        weights = weights + torch.full(weights.shape[2:], float("-inf"), dtype=weights.dtype).triu(1)
    return weights.softmax(dim=-1) @ v


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

    def forward(self, x: torch.Tensor, *_: torch.Tensor, **__: object) -> tuple[torch.Tensor, None]:
        """`x`: (B, N, D). What `nn.MultiheadAttention` takes besides is not needed: keys, values and mask are known."""
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, N, 3D)
        qkv = qkv.unflatten(2, (3, self.num_heads, -1))  # (B, N, 3, heads, D/heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, D/heads)
        y = attend(q, k, v, self.causal)
        return self.out_proj(y.transpose(1, 2).flatten(2)), None  # (B, N, D)


def replace_attention(transformer: Any, causal: bool) -> None:
    """Give each block of an open_clip transformer a `SelfAttention`, in place."""
    for block in transformer.resblocks:
        block.attn = SelfAttention(block.attn, causal)
