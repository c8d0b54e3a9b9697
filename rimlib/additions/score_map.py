"""Pixel-text score map (DenseCLIP): CLIP's own similarity of each patch and the whole sentence.

Not in the paper, and off unless a profile switches it on (`model.score_map`). DenseCLIP, from which TSP descends, feeds
such a map to its decoder and supervises it; CLIPMat dropped CLIP's last projections and with them the map. The tiny
model starts from a CLIP trained for minutes, whose words and patches are barely aligned, so it has the map again. A
trial from random weights and without the map still gave empty mattes after five minutes; which part of the difference
is the map's has not been measured apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SCALE, BIAS = 10.0, -3.0  # a patch of fair similarity starts near a logit of 0, all others below


class ScoreMap(nn.Module):
    """Logits of each patch for a sentence, and their embedding for TSP's image tokens.

    Args:
        visual_proj: (Dv, E), CLIP's last projection of the image side.
        text_projection: (Dt, E), of the text side.
        width: D of TSP.
    """

    def __init__(self, visual_proj: torch.Tensor, text_projection: torch.Tensor, width: int) -> None:
        super().__init__()
        self.visual_proj = nn.Parameter(visual_proj.detach().clone())
        self.text_projection = nn.Parameter(text_projection.detach().clone())
        self.scale = nn.Parameter(torch.tensor(SCALE))
        self.bias = nn.Parameter(torch.tensor(BIAS))
        self.direction = nn.Parameter(0.5 * torch.randn(width))

    def forward(self, visual: torch.Tensor, sentence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled cosine similarities.

        Args:
            visual: (B, 1+N, Dv), class token first.
            sentence: (B, Dt), the feature at the end of the text.

        Returns:
            The logits, float (B, 1, h, w), and their embedding, (B, 1+N, D), 0 for the class token.
        """
        patches = F.normalize((visual[:, 1:] @ self.visual_proj).float(), dim=-1)  # (B, N, E)
        words = F.normalize((sentence @ self.text_projection).float(), dim=-1)  # (B, E)
        logits = self.scale * (patches @ words[:, :, None])[..., 0] + self.bias  # (B, N)
        return self.as_map(logits), self.embed(logits)

    def embed(self, logits: torch.Tensor) -> torch.Tensor:
        """Embedding (B, 1+N, D) of logits (B, N)."""
        return F.pad(logits, (1, 0))[..., None] * self.direction

    @staticmethod
    def as_map(logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, N) as (B, 1, h, w)."""
        size = round(logits.shape[1] ** 0.5)
        return logits.view(-1, 1, size, size)


def score_map_loss(logits: torch.Tensor, alpha_true: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the logits (B, 1, h, w) with the mean of alpha_true (B, 1, S, S) in each patch."""
    height, width = logits.shape[-2:]
    return F.binary_cross_entropy_with_logits(logits, F.adaptive_avg_pool2d(alpha_true, (height, width)))
