"""The match: how well each patch fits the whole sentence, by CLIP's own measure.

Not in the paper, and off unless a profile asks for it (`model.match`). DenseCLIP, from which TSP descends, feeds such a score map
to its decoder and supervises it; CLIPMat dropped CLIP's last projections and with them the map. The tiny
model starts from a CLIP of minutes, whose words and patches are only just aligned, so it is given the map again. A trial from
random weights and without the match still answered every sentence with an empty matte after five minutes; how much of the
difference is the match's has not been measured apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SCALE, BIAS = 10.0, -3.0  # a patch that fits fairly well starts near a logit of 0, all others below


class Match(nn.Module):
    """Logits of each patch for a sentence, and what of them joins TSP's image tokens.

    `visual_proj` (Dv, E) and `text_projection` (Dt, E): CLIP's last projections, taken over; `width`: D of TSP.
    """

    def __init__(self, visual_proj: torch.Tensor, text_projection: torch.Tensor, width: int):
        super().__init__()
        self.visual_proj = nn.Parameter(visual_proj.detach().clone())
        self.text_projection = nn.Parameter(text_projection.detach().clone())
        self.scale = nn.Parameter(torch.tensor(SCALE))
        self.bias = nn.Parameter(torch.tensor(BIAS))
        self.direction = nn.Parameter(0.5 * torch.randn(width))

    def forward(self, visual: torch.Tensor, sentence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`visual`: (B, 1+N, Dv), class token first; `sentence`: (B, Dt), the feature at the end of the text.

        Returns the logits, float (B, 1, h, w), and the hint, (B, 1+N, D), which is 0 for the class token.
        """
        patches = F.normalize((visual[:, 1:] @ self.visual_proj).float(), dim=-1)  # (B, N, E)
        words = F.normalize((sentence @ self.text_projection).float(), dim=-1)  # (B, E)
        logits = self.scale * (patches @ words[:, :, None])[..., 0] + self.bias  # (B, N)
        hint = F.pad(logits, (1, 0))[..., None] * self.direction  # (B, 1+N, D)
        size = round(logits.shape[1] ** 0.5)
        return logits.view(-1, 1, size, size), hint


def match_loss(logits: torch.Tensor, alpha_true: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the match with the share of the truth in each patch. `alpha_true`: (B, 1, S, S) in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logits, F.adaptive_avg_pool2d(alpha_true, logits.shape[-2:]))
