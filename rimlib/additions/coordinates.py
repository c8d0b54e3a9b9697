"""Where a token is in the image, for TSP's image tokens.

Not in the paper, and off unless a profile switches it on (`model.coordinates`). A vision transformer's own positions
are learnt, and from images that are flipped half of the time: an encoder whose pre-training had no use for left and
right hardly tells them apart, and a sentence that asks for "the left dog" has nothing to hold on to.

The map is random at the start, of the size of the tokens that it is added to, which are normed. Zero at the start, it
grows no faster than the learning rate lets it, and for long the tokens are hardly told apart by their place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SPREAD = 0.7  # of the weights: six features of up to 1 then give some 1 in each channel, as a LayerNorm does


class Coordinates(nn.Module):
    """A linear map of a patch's place.

    Args:
        width: D of TSP.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(6, width)
        nn.init.normal_(self.project.weight, std=SPREAD)
        nn.init.zeros_(self.project.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The embedding (1, 1+N, D) for tokens (B, 1+N, ·), class token first, whose own is 0."""
        size = round((tokens.shape[1] - 1) ** 0.5)
        return F.pad(self.project(self.places(size).to(self.project.weight)), (0, 0, 1, 0))[None]

    @staticmethod
    def places(size: int) -> torch.Tensor:
        """X and y of each patch's centre in [-1, 1], their signs and squares: (size * size, 6), row by row.

        >>> Coordinates.places(2)[1].tolist()
        [0.5, -0.5, 1.0, -1.0, 0.25, 0.25]
        """
        line = (torch.arange(size) + 0.5) * 2 / size - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        place = torch.stack([x, y], dim=-1).flatten(0, 1)
        return torch.cat([place, place.sign(), place.square()], dim=1)
