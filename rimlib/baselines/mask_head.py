"""MDETR's mask head `smallconv`: the attention maps of a query, refined with the earlier features of the ResNet.

Paper: S4.1 ("use the mask head as smallconv"). Carion et al., ECCV 2020, Sec. 4.4 and appendix: the heads' attention
maps of one query beside the image tokens, then convolutions while the map grows from H/32 to H/4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class AttentionMap(nn.Module):
    """The attention weights of each head of a query over the image tokens; no values are gathered."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_linear, self.k_linear = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.q_linear, self.k_linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """(B, Q, D) and (B, N, D) to (B, Q, heads, N); each head's weights sum to 1.

        (In DETR's own code the weights of all heads of a query sum to 1; in MDETR's each head's do.)
        """
        q = self.q_linear(queries).unflatten(2, (self.heads, -1))  # (B, Q, heads, D/heads)
        k = self.k_linear(memory).unflatten(2, (self.heads, -1))  # (B, N, heads, D/heads)
        return torch.einsum("bqhd,bnhd->bqhn", q * q.shape[-1] ** -0.5, k).softmax(dim=-1)


class SmallConv(nn.Module):
    """The mask head.

    Args:
        width: D of the image tokens.
        heads: of the attention maps.
        channels: of the ResNet's levels at H/16, H/8 and H/4.
    """

    def __init__(self, width: int, heads: int, channels: tuple[int, int, int]):
        super().__init__()
        widths = [width + heads, width + heads, width // 2, width // 4, width // 8, width // 16]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.GroupNorm(8, o) for o in widths[1:])
        self.adapters = nn.ModuleList(nn.Conv2d(i, o, 1) for i, o in zip(channels, widths[2:]))
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_uniform_(module.weight, a=1)
                nn.init.zeros_(module.bias)

    def forward(self, image: torch.Tensor, maps: torch.Tensor, levels: list[torch.Tensor]) -> torch.Tensor:
        """Logits of the masks, (B, Q, H/4, W/4).

        image: (B, D, h, w), the last features in D channels; maps: (B, Q, heads, h, w); levels: at H/16, H/8, H/4.
        """
        queries = maps.shape[1]
        x = torch.cat([_each(image, queries), maps.flatten(0, 1)], dim=1)  # (B Q, D + heads, h, w)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            if number > 1:
                level = _each(self.adapters[number - 2](levels[number - 2]), queries)
                x = level + F.interpolate(x, size=level.shape[2:], mode="nearest")
            x = F.relu(norm(conv(x)))
        return self.out(x).reshape(len(image), queries, *x.shape[2:])  # (B, Q, H/4, W/4)


def _each(x: torch.Tensor, queries: int) -> torch.Tensor:
    """A map once for each query: (B, C, h, w) → (B Q, C, h, w)."""
    return x if queries == 1 else x.repeat_interleave(queries, dim=0)
