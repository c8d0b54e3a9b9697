"""The matting semantic decoder and the matting details decoder.

Paper: Sec. 4.1, 4.3, 4.4, Table 11. The table prints "stride 3" for the 3x3 convolutions; its own output sizes only
come out with stride 1 and padding 1, which is what is built here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat.upsampled import convolve_upsampled
from rimlib.clipmat.winograd import TwoConvolutions


class SemanticDecoder(nn.Module):
    """Pop-up map to a trimap: `inputs` channels in, `width` channels inside."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.d2 = TwoConvolutions(inputs, width)
        self.d1 = TwoConvolutions(width, width)
        self.d0 = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`: (B, D', S/16, S/16). Returns logits (B, 3, S, S) of background, unknown, foreground."""
        x = upsample(self.d2(x), 4)  # (B, width, S/4, S/4)
        x = self.d1(x)
        return convolve_upsampled(x, self.d0.weight, 4, self.d0.bias)


class DetailsDecoder(nn.Module):
    """Details of four levels to an alpha matte that holds in the unknown region.

    `channels`: of the MDE outputs, level 4 first ([768, 384, 192, 96] in the paper). `outs`: of the four stages
    ([384, 192, 96, 32]); each but the last must be the next one's `channels`, since the two are added.
    """

    def __init__(self, channels: Sequence[int], outs: Sequence[int]):
        super().__init__()
        self.stages = nn.ModuleList(TwoConvolutions(a, b) for a, b in zip(channels, outs))  # D4, D3, D2, D1
        self.d0 = nn.Conv2d(outs[-1], 1, 3, padding=1)

    def forward(self, details: Sequence[torch.Tensor], text: torch.Tensor | None = None) -> torch.Tensor:
        """`details`: level 4 first, each (B, D_i, S/2^i, S/2^i); levels missing at the end are left out.
        `text`: (B, D_4, S/16, S/16), added to level 4. Returns (B, 1, S, S), logits of alpha.
        """
        x = details[0] if text is None else details[0] + text
        for number, stage in enumerate(self.stages):
            if 0 < number < len(details):
                x = stage(x, details[number])  # of x enlarged by 2 plus this level: the residual connection of Sec. 4.4
            else:
                x = stage(upsample(x, 2) if number > 0 else x)
        return convolve_upsampled(x, self.d0.weight, 2, self.d0.bias)


def upsample(x: torch.Tensor, scale: int) -> torch.Tensor:
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
