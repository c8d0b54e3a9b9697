"""MDE: the multi-level details extractor.

Paper: Sec. 4.4, supplement Sec. 3, Eq. 6-9, Table 11.

One extractor for each of the four groups of CLIP blocks. Level i works at a resolution of S / 2^i: it joins the group's
output, upsampled, with the image itself, max-pooled. What is written here is the paper; `fast` computes the same
without the large maps.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat.decoders import PATCH_LEVEL, Upsample


class DetailsExtractor(nn.Module):
    """The MDE of one level.

    Args:
        level: i, 1 to 4.
        image_width: Dv, the width of the backbone's image encoder.
        width: channels of each of the two branches; Dv / 2 in the paper.
        out: D_i, channels of the result.
    """

    def __init__(self, level: int, image_width: int, width: int, out: int) -> None:
        super().__init__()
        self.level = level
        self.norm_visual = nn.Conv2d(image_width, width, 1)
        self.upsample = Upsample(2 ** (PATCH_LEVEL - level))
        self.norm_image = nn.Conv2d(3, width, 1)
        self.maxpool = nn.MaxPool2d(2**level)
        self.mix = nn.Conv2d(2 * width, out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, visual: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Eq. 6-9.

        Args:
            visual: (B, Dv, S/16, S/16), the output of a group of blocks.
            images: (B, 3, S, S), normalised.

        Returns:
            (B, D_i, S/2^i, S/2^i).
        """
        x_v = self.upsample(self.norm_visual(visual))  # Eq. 6
        x_m = self.maxpool(self.norm_image(images))  # Eq. 7
        x_f = torch.cat([x_v, x_m], dim=1)  # Eq. 8
        return F.relu(self.norm(self.mix(x_f)))  # Eq. 9


class PlainSkip(nn.Module):
    """Replaces the MDE where it is switched off (Table 3, first two rows).

    The paper does not state the input of the details decoder without MDE. Here its first stage gets the last blocks'
    output through a 1x1 convolution, and the other stages get nothing: neither the image nor the earlier blocks.

    Args:
        image_width: Dv, the width of the backbone's image encoder.
        out: D_4, channels of the result.
    """

    def __init__(self, image_width: int, out: int) -> None:
        super().__init__()
        self.norm_visual = nn.Conv2d(image_width, out, 1)

    def forward(self, visual: torch.Tensor) -> torch.Tensor:
        """From (B, Dv, S/16, S/16) to (B, D_4, S/16, S/16)."""
        return self.norm_visual(visual)
