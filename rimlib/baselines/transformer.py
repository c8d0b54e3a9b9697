"""MDETR's transformer: image tokens and text tokens in one encoder, queries in a decoder.

Kamath et al., ICCV 2021, Sec. 3 (after DETR, Carion et al., ECCV 2020). Image tokens have a sinusoidal position
embedding, text tokens none; both attend to each other in every encoder layer, and the queries to both. Norms follow
each residual sum.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class Fusion(nn.Module):
    """The transformer, of `width` D; `inner` is the width of the feed-forward layers."""

    def __init__(self, width: int, heads: int, encoders: int, decoders: int, inner: int, dropout: float):
        super().__init__()
        self.encoder = nn.ModuleList(EncoderLayer(width, heads, inner, dropout) for _ in range(encoders))
        self.decoder = nn.ModuleList(DecoderLayer(width, heads, inner, dropout) for _ in range(decoders))
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        image: torch.Tensor,
        positions: torch.Tensor,
        text: torch.Tensor,
        padding: torch.Tensor,
        queries: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode image and text, and decode the queries.

        Args:
            image: (B, N, D).
            positions: (N, D), added to the image tokens' queries and keys.
            text: (B, L, D).
            padding: bool (B, L), True where there is no token.
            queries: (Q, D).

        Returns:
            The queries after each decoder layer, (layers, B, Q, D), and the image tokens after the encoder, (B, N, D).
        """
        batch, pixels = image.shape[:2]
        memory = torch.cat([image, text], dim=1)  # (B, N+L, D)
        positions = F.pad(positions, (0, 0, 0, text.shape[1])).expand_as(memory)
        # An additive mask, whole rows of which are never -inf: the image's tokens are always there.
        mask = torch.zeros(batch, memory.shape[1], dtype=memory.dtype, device=memory.device)
        mask[:, pixels:] = mask[:, pixels:].masked_fill(padding, float("-inf"))
        for layer in self.encoder:
            memory = layer(memory, positions, mask)
        x = torch.zeros(batch, *queries.shape, dtype=memory.dtype, device=memory.device)  # (B, Q, D)
        states = []
        for layer in self.decoder:
            x = layer(x, queries, memory, positions, mask)
            states.append(self.norm(x))
        return torch.stack(states), memory[:, :pixels]


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward layer."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, N+L, D) each; mask: additive, (B, N+L)."""
        y = _attend(self.self_attn, x + positions, x + positions, x, mask)
        x = self.norm1(x + self.dropout(y))
        y = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm2(x + self.dropout(y))


class DecoderLayer(nn.Module):
    """Self-attention of the queries, cross-attention to image and text, and a feed-forward layer."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, queries: torch.Tensor, memory: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """x: (B, Q, D); queries: (Q, D); the rest as in the encoder."""
        y = _attend(self.self_attn, x + queries, x + queries, x, None)
        x = self.norm1(x + self.dropout(y))
        y = _attend(self.cross_attn, x + queries, memory + positions, memory, mask)
        x = self.norm2(x + self.dropout(y))
        y = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm3(x + self.dropout(y))


def _attend(
    attention: nn.MultiheadAttention, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    return attention(q, k, v, key_padding_mask=mask, need_weights=False)[0]


def sine_positions(height: int, width: int, channels: int, device: torch.device | None = None) -> torch.Tensor:
    """The sinusoidal position embedding, float32 (h w, D), rows first.

    The first half of the channels encodes the row, the second the column, each by sine and cosine in turn, at
    wavelengths from 1 to 10,000 times the map.
    """
    half = channels // 2
    wavelengths = 10000 ** (2 * (torch.arange(half, device=device) // 2) / half)

    def along(length: int) -> torch.Tensor:
        position = torch.arange(1, length + 1, device=device) / (length + 1e-6) * 2 * math.pi
        angles = position[:, None] / wavelengths  # (length, D/2)
        return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)

    rows = along(height)[:, None].expand(height, width, half)
    columns = along(width)[None].expand(height, width, half)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)
