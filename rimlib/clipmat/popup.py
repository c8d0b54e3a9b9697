"""TSP: the text-driven semantic pop-up.

Paper: Sec. 4.3, supplement Sec. 3, Eq. 1-5, Table 11.

Image tokens ask (queries), words answer (keys and values): what the sentence speaks of pops up in the image.
"""

from __future__ import annotations

import torch
from torch import nn

from rimlib.clipmat.attention import attend


class TextDrivenPopup(nn.Module):
    """Image tokens and text features to a map of what the text means.

    `image_width` Dv, `text_width` Dt, `width` D of the attention, `out` D' of the map. With `residual` the image
    tokens are added to the cross-attention's answer, which Eq. 3 does not do.
    """

    def __init__(
        self,
        image_width: int,
        text_width: int,
        width: int,
        heads: int,
        dropout: float,
        out: int,
        residual: bool = False,
    ):
        super().__init__()
        self.residual = residual
        self.norm_visual = align(image_width, width)
        self.norm_text = align(text_width, width)
        self.cross_attn = Attention(width, heads, dropout)
        self.self_attn = Attention(width, heads, dropout)
        self.out = to_map(width, out)

    def forward(self, visual: torch.Tensor, text: torch.Tensor, hint: torch.Tensor | None = None) -> torch.Tensor:
        """`visual`: (B, 1+N, Dv), class token first; `text`: (B, L, Dt); `hint`: (B, 1+N, D), added to the image tokens
        where a model has a `match`. Returns (B, D', h, w).
        """
        visual = self.norm_visual(visual)  # Eq. 1, (B, 1+N, D)
        if hint is not None:
            visual = visual + hint
        text = self.norm_text(text)  # Eq. 2, (B, L, D)
        x = self.cross_attn(visual, text)  # Eq. 3, (B, 1+N, D)
        if self.residual:
            x = visual + x
        x = x + self.self_attn(x, x)  # Eq. 4
        return as_map(self.out(x))  # Eq. 5

    def listening(self, visual: torch.Tensor, text: torch.Tensor, hint: torch.Tensor | None = None) -> torch.Tensor:
        """How much each image token takes from each text token in Eq. 3: (B, heads, 1+N, L), the sum over L is 1.

        Arguments as of `forward`. To look at, not to compute with: `forward` never holds these weights.
        """
        visual = self.norm_visual(visual) if hint is None else self.norm_visual(visual) + hint
        return self.cross_attn.weights(visual, self.norm_text(text))


class PlainFusion(nn.Module):
    """What stands in for TSP when it is switched off (Table 3, first row).

    The paper does not say how the text reaches the decoder without TSP. Here each image token is multiplied, channel by
    channel, with one vector for the whole text: no attention, no exchange between pixels. The vector is that of the last
    position, which has read everything under the causal mask.
    """

    def __init__(self, image_width: int, text_width: int, width: int, out: int):
        super().__init__()
        self.norm_visual = align(image_width, width)
        self.norm_text = align(text_width, width)
        self.out = to_map(width, out)

    def forward(self, visual: torch.Tensor, text: torch.Tensor, hint: torch.Tensor | None = None) -> torch.Tensor:
        """As `TextDrivenPopup.forward`."""
        visual = self.norm_visual(visual) if hint is None else self.norm_visual(visual) + hint
        return as_map(self.out(visual * self.norm_text(text[:, -1:])))


class Attention(nn.Module):
    """Multi-head attention of `queries` (B, N, D) to `memory` (B, L, D).

    The dropout is on the result, not on the attention weights, as in DenseCLIP from which TSP descends; so a
    fused kernel can be used in training too.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.memory = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        x = attend(*self.split(queries, memory))  # (B, heads, N, D/heads)
        return self.dropout(self.project(x.transpose(1, 2).flatten(2)))  # (B, N, D)

    def weights(self, queries: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """What `forward` mixes the values by: softmax(q k^T / sqrt(D/heads)), (B, heads, N, L), each row of sum 1."""
        q, k, _ = self.split(queries, memory)
        return (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(dim=-1)

    def split(self, queries: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Questions (B, heads, N, D/heads), keys and values (B, heads, L, D/heads)."""
        q = self.query(queries).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, D/heads)
        k, v = self.memory(memory).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, L, D/heads)
        return q, k, v


def align(width: int, to: int) -> nn.Sequential:
    """Eq. 1 and 2: LN, Linear, LN."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, to), nn.LayerNorm(to))


def to_map(width: int, out: int) -> nn.Sequential:
    """Eq. 5: LN and a perceptron. Its last layer is the 1x1 convolution to D' channels of Table 11."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))


def as_map(tokens: torch.Tensor) -> torch.Tensor:
    """Tokens (B, 1+N, D) without the class token as a map (B, D, h, w), a view in channels-last memory."""
    tokens = tokens[:, 1:]
    size = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (size, size))
