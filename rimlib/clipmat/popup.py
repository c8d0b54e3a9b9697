"""TSP: the text-driven semantic pop-up.

Paper: Sec. 4.3, supplement Sec. 3, Eq. 1-5, Table 11.

Cross-attention from image tokens (queries) to text tokens (keys, values), then self-attention.
"""

from __future__ import annotations

import torch
from torch import nn

from rimlib.additions.rounds import further_round
from rimlib.clipmat.attention import attend, key_mask


class TextDrivenPopup(nn.Module):
    """From image tokens and text features to a map of what the text refers to.

    Args:
        image_width: Dv, the width of the image encoder.
        text_width: Dt, the width of the text encoder.
        width: D, the width of the attention.
        heads: of both attentions.
        dropout: of both attentions.
        out: D', channels of the map.
        residual: add the image tokens to the cross-attention's output, which Eq. 3 does not do.
        layers: further rounds of attention after Eq. 4, of which the paper has none.
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
        layers: int = 0,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.norm_visual = align(image_width, width)
        self.norm_text = align(text_width, width)
        self.cross_attn = Attention(width, heads, dropout)
        self.self_attn = Attention(width, heads, dropout)
        self.more = nn.ModuleList(further_round(width, heads, dropout) for _ in range(layers))
        self.out = to_map(width, out)

    def forward(
        self,
        visual: torch.Tensor,
        text: torch.Tensor,
        score_embedding: torch.Tensor | None = None,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Eq. 1-5.

        Args:
            visual: x_v, (B, 1+N, Dv), class token first.
            text: x_t, (B, L, Dt).
            score_embedding: (B, 1+N, D), added to the image tokens where a model has a `ScoreMap`.
            padding: bool (B, L), text tokens that no image token attends to.

        Returns:
            (B, D', h, w).
        """
        x_v = self.visual_tokens(visual, len(text))  # Eq. 1
        x_t = self.norm_text(text)  # Eq. 2
        if score_embedding is not None:
            x_v = x_v + score_embedding
        x_f = self.cross_attn(x_v, x_t, padding)  # Eq. 3
        if self.residual:
            x_f = x_v + x_f
        x_f = x_f + self.self_attn(x_f, x_f)  # Eq. 4
        for layer in self.more:
            x_f = layer(x_f, x_t, memory_key_padding_mask=padding)
        return as_map(self.out(x_f))  # Eq. 5

    def visual_tokens(self, visual: torch.Tensor, count: int) -> torch.Tensor:
        """Eq. 1: (B, 1+N, D), for `count` = B sentences."""
        return self.norm_visual(visual)

    def cross_attention_weights(
        self,
        visual: torch.Tensor,
        text: torch.Tensor,
        score_embedding: torch.Tensor | None = None,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attention weights of Eq. 3, (B, heads, 1+N, L), of sum 1 over L; for display, `forward` never holds them."""
        x_v = self.norm_visual(visual) if score_embedding is None else self.norm_visual(visual) + score_embedding
        return self.cross_attn.weights(x_v, self.norm_text(text), padding)


class PlainFusion(nn.Module):
    """Replaces TSP where it is switched off (Table 3, first row).

    The paper does not state how the text reaches the decoder without TSP. Here each image token is multiplied, channel
    by channel, with one vector for the whole text: no attention, no exchange between pixels. The vector is that of the
    last position, which depends on every other under the causal mask.

    Args:
        image_width: Dv, the width of the image encoder.
        text_width: Dt, the width of the text encoder.
        width: D, in which the two are multiplied.
        out: D', channels of the map.
    """

    def __init__(self, image_width: int, text_width: int, width: int, out: int) -> None:
        super().__init__()
        self.norm_visual = align(image_width, width)
        self.norm_text = align(text_width, width)
        self.out = to_map(width, out)

    def forward(
        self,
        visual: torch.Tensor,
        text: torch.Tensor,
        score_embedding: torch.Tensor | None = None,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `TextDrivenPopup.forward`; the padding is not looked at, for the last position is no word."""
        visual = self.norm_visual(visual) if score_embedding is None else self.norm_visual(visual) + score_embedding
        return as_map(self.out(visual * self.norm_text(text[:, -1:])))


class Attention(nn.Module):
    """Multi-head attention of `queries` (B, N, D) to `memory` (B, L, D).

    The dropout is on the result, not on the attention weights, as in DenseCLIP from which TSP descends; so a fused
    kernel serves in training too.

    Args:
        width: D.
        heads: their number.
        dropout: its rate.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.memory = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: torch.Tensor, memory: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """From (B, N, D) and (B, L, D) to (B, N, D); `padding`, bool (B, L), is not attended to."""
        q, k, v = self.split(queries, memory)
        mask = None if padding is None else key_mask(padding, q)
        x = attend(q, k, v, mask=mask)  # (B, heads, N, D/heads)
        return self.dropout(self.project(x.transpose(1, 2).flatten(2)))

    def weights(self, queries: torch.Tensor, memory: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Attention weights softmax(q k^T / sqrt(D/heads)), (B, heads, N, L), each row of sum 1."""
        q, k, _ = self.split(queries, memory)
        logits = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
        return (logits if padding is None else logits + key_mask(padding, logits)).softmax(dim=-1)

    def split(self, queries: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries (B, heads, N, D/heads), keys and values (B, heads, L, D/heads)."""
        q = self.query(queries).unflatten(2, (self.heads, -1)).transpose(1, 2)
        k, v = self.memory(memory).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
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
