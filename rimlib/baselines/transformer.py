"""MDETR's transformer: the tokens of the image and of the sentence in one encoder, queries in a decoder.

Kamath et al., ICCV 2021, Sec. 3 (after DETR, Carion et al., ECCV 2020). Image tokens carry a sine of their place, words
carry none; both see each other in every encoder layer. The queries then look at both. Norms follow each residual sum.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class Fusion(nn.Module):
    """`width` D, `heads`, number of encoder and of decoder layers, `inner` width of the feed-forward parts."""

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
        places: torch.Tensor,
        words: torch.Tensor,
        padding: torch.Tensor,
        queries: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`image`: (B, N, D); `places`: (N, D), added to the image tokens' queries and keys; `words`: (B, L, D); `padding`:
        bool (B, L), True where there is no word; `queries`: (Q, D).

        Returns what each decoder layer makes of the queries, (layers, B, Q, D), and the image tokens as the encoder left
        them, (B, N, D).
        """
        batch, pixels = image.shape[:2]
        memory = torch.cat([image, words], dim=1)  # (B, N+L, D)
        places = F.pad(places, (0, 0, 0, words.shape[1])).expand_as(memory)
        # An additive mask, whole rows of which are never -inf: the image's tokens are always there.
        unseen = torch.zeros(batch, memory.shape[1], dtype=memory.dtype, device=memory.device)
        unseen[:, pixels:] = unseen[:, pixels:].masked_fill(padding, float("-inf"))
        for layer in self.encoder:
            memory = layer(memory, places, unseen)
        x = torch.zeros(batch, *queries.shape, dtype=memory.dtype, device=memory.device)  # (B, Q, D)
        states = []
        for layer in self.decoder:
            x = layer(x, queries, memory, places, unseen)
            states.append(self.norm(x))
        return torch.stack(states), memory[:, :pixels]


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward part."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, places: torch.Tensor, unseen: torch.Tensor) -> torch.Tensor:
        y = _attend(self.self_attn, x + places, x + places, x, unseen)
        x = self.norm1(x + self.dropout(y))
        y = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm2(x + self.dropout(y))


class DecoderLayer(nn.Module):
    """Self-attention of the queries, attention to image and words, then a feed-forward part."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.cross_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, queries: torch.Tensor, memory: torch.Tensor, places: torch.Tensor, unseen: torch.Tensor
    ) -> torch.Tensor:
        y = _attend(self.self_attn, x + queries, x + queries, x, None)
        x = self.norm1(x + self.dropout(y))
        y = _attend(self.cross_attn, x + queries, memory + places, memory, unseen)
        x = self.norm2(x + self.dropout(y))
        y = self.linear2(self.dropout(F.relu(self.linear1(x))))
        return self.norm3(x + self.dropout(y))


def _attend(attention: nn.MultiheadAttention, queries, keys, values, unseen) -> torch.Tensor:
    return attention(queries, keys, values, key_padding_mask=unseen, need_weights=False)[0]


def sine_places(height: int, width: int, channels: int, device=None) -> torch.Tensor:
    """Where a token is, as sines: float32 (h w, D), rows first; the first half of the channels tells the row, the second
    the column, each by sine and cosine in turn, at wavelengths from 1 to 10,000 times the map.
    """
    half = channels // 2
    wavelengths = 10000 ** (2 * (torch.arange(half, device=device) // 2) / half)

    def along(length: int) -> torch.Tensor:
        place = torch.arange(1, length + 1, device=device) / (length + 1e-6) * 2 * math.pi
        angles = place[:, None] / wavelengths  # (length, D/2)
        return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)

    rows = along(height)[:, None].expand(height, width, half)
    columns = along(width)[None].expand(height, width, half)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)
