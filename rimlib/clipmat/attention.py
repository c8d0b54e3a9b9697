"""Scaled dot-product attention, by whichever form is quick where it runs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

SHORT = 256  # keys; below it the matrix of weights is small and stays in the cache


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False) -> torch.Tensor:
    """softmax(q k^T / sqrt(D)) v.

    `q`: (B, heads, N, D); `k`, `v`: (B, heads, L, D). `causal`: position n sees the keys up to n only (N = L).
    Fused, in training and in evaluation, except on a CPU for short sequences: there the fused kernel's backward pass
    in bfloat16 takes about five times as long as the attention written out.
    """
    if q.device.type != "cpu" or k.shape[2] > SHORT:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    weights = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)  # (B, heads, N, L)
    if causal:
        weights = weights + torch.full(weights.shape[2:], float("-inf"), dtype=weights.dtype).triu(1)
    return weights.softmax(dim=-1) @ v
