"""The matting semantic decoder and the matting details decoder.

Paper: Sec. 4.1, 4.3, 4.4, Table 11. The table prints "stride 3" for the 3x3 convolutions; its own output sizes require
stride 1 and padding 1, which is what is built here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

PATCH_LEVEL = 4  # tokens are maps of S / 2^4


class ConvBlock(nn.Sequential):
    """[conv 3x3 + BN + ReLU] x 2 (Table 11).

    Args:
        inputs: channels in.
        out: channels of both convolutions.
    """

    def __init__(self, inputs: int, out: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )


class Upsample(nn.Upsample):
    """Bilinear upsampling.

    Args:
        scale: factor of both sides.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale_factor=scale, mode="bilinear", align_corners=False)


class SemanticDecoder(nn.Module):
    """From the map of TSP to a trimap.

    Args:
        inputs: D', channels of TSP's map.
        width: channels of both stages.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.d2 = ConvBlock(inputs, width)
        self.d1 = ConvBlock(width, width)
        self.upsample = Upsample(4)
        self.d0 = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (B, D', S/16, S/16) to logits (B, 3, S, S) of background, unknown, foreground."""
        x = self.upsample(self.d2(x))  # (B, width, S/4, S/4)
        x = self.upsample(self.d1(x))  # (B, width, S, S)
        return self.d0(x)


class DetailsDecoder(nn.Module):
    """From the details of four levels to an alpha matte of the unknown region.

    Args:
        channels: of the MDE's outputs, level 4 first; [768, 384, 192, 96] in the paper.
        outs: of the four stages; [384, 192, 96, 32] in the paper. Each but the last must be the next one's `channels`,
            since the two are added.
    """

    def __init__(self, channels: Sequence[int], outs: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(ConvBlock(a, b) for a, b in zip(channels, outs))  # D4, D3, D2, D1
        self.upsample = Upsample(2)
        self.d0 = nn.Conv2d(outs[-1], 1, 3, padding=1)

    def forward(self, details: Sequence[torch.Tensor], text: torch.Tensor | None = None) -> torch.Tensor:
        """Decode, level 4 first.

        Args:
            details: each (B, D_i, S/2^i, S/2^i), level 4 first; levels missing at the end are left out.
            text: (B, D_4, S/16, S/16), added to level 4.

        Returns:
            (B, 1, S, S), logits of alpha.
        """
        x = details[0] if text is None else details[0] + text
        for number, stage in enumerate(self.stages):
            if 0 < number < len(details):
                x = x + details[number]  # the residual connection of Sec. 4.4
            x = self.upsample(stage(x))
        return self.d0(x)
