"""P3M-Net: one encoder whose max pools keep their indices, and two decoders that share what they find.

Paper: S4.1, which takes this network as its matting refiner, with the coarse alpha as a fourth channel; the network is
that of "Privacy-Preserving Portrait Matting". Its parts by the names used there: TFI joins the features of semantic
decoder, matting decoder and encoder at one size; sBFI gives the matting decoder the first, finest features of the
encoder; dBFI gives the semantic decoder the last, deepest ones. The matting decoder upsamples by unpooling: a value
returns to the pixel that was the maximum of its pool, so that edges return to where the image has them.

Widths (w0, w1, w2, w3, w4) are the channels at full size (and a half), a quarter, an eighth, … of the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS, BLOCKS = (64, 64, 128, 256, 512), (3, 4, 6, 3)  # P3M's own: those of ResNet-34
ALL, FRONT, BACK = slice(None), slice(None, -1), slice(1, None)
# A pool and one that overlaps it and comes later, as indices of a map: to the right, below left, below, below right.
LATER = [
    ((..., ALL, FRONT), (..., ALL, BACK)),
    ((..., FRONT, BACK), (..., BACK, FRONT)),
    ((..., FRONT, ALL), (..., BACK, ALL)),
    ((..., FRONT, FRONT), (..., BACK, BACK)),
]


class P3MNet(nn.Module):
    """The network: `channels` of its input, `widths` of its five sizes, `blocks` of the encoder's four stages."""

    def __init__(self, channels: int = 4, widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS):
        super().__init__()
        w0, w4 = widths[0], widths[4]
        self.encoder = Encoder(channels, widths, blocks)
        self.semantic = nn.ModuleDict(
            {f"d{size}": stage(widths[size], widths[size], widths[size - 1]) for size in (4, 3, 2, 1)}
            | {"d0": nn.Sequential(*stage(w0, w0, w0)[:6], nn.Conv2d(w0, 3, 3, padding=1))}
            | {f"dbfi{size}": DeepIntegration(widths[size], w4, 2 ** (4 - size)) for size in (2, 1, 0)}
        )
        self.matting = nn.ModuleDict(
            {f"d{size}": stage(widths[size], widths[size], widths[size - 1]) for size in (4, 3, 2, 1)}
            | {"d0": stage(w0, w0, w0)[:6], "last": nn.Conv2d(w0, 1, 3, padding=1)}
            | {f"tfi{size}": TripartiteIntegration(widths[size]) for size in (3, 2, 1, 0)}
            | {f"sbfi{size}": ShallowIntegration(widths[size], w0, 2 ** (size + 1)) for size in (2, 1, 0)}
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """`x`: (B, channels, H, W), H and W multiples of 32.

        Returns trimap logits (B, 3, H, W), logits of the detail (B, 1, H, W), and the trimap logits of the three dBFI.
        """
        features, indices = self.encoder(x)
        e0, deep = features[0], features[-1]  # (B, w0, H, W), (B, w4, H/32, W/32)
        semantic, matting = self.semantic, self.matting

        s3 = upsample(semantic["d4"](deep), 2)  # (B, w3, H/16, W/16)
        s2 = upsample(semantic["d3"](s3), 2)  # (B, w2, H/8, W/8)
        x, side2 = semantic["dbfi2"](s2, deep)
        s1 = upsample(semantic["d2"](x), 2)  # (B, w1, H/4, W/4)
        x, side1 = semantic["dbfi1"](s1, deep)
        s0 = upsample(semantic["d1"](x), 2)  # (B, w0, H/2, W/2)
        x, side0 = semantic["dbfi0"](s0, deep)
        trimap = upsample(semantic["d0"](x), 2)  # (B, 3, H, W)

        x = unpool(matting["d4"](deep), indices[4])  # (B, w3, H/16, W/16)
        x = matting["tfi3"](s3, x, features[4])
        x = unpool(matting["d3"](x), indices[3])  # (B, w2, H/8, W/8)
        x = matting["sbfi2"](matting["tfi2"](s2, x, features[3]), e0)
        x = unpool(matting["d2"](x), indices[2])  # (B, w1, H/4, W/4)
        x = matting["sbfi1"](matting["tfi1"](s1, x, features[2]), e0)
        x = unpool(matting["d1"](x), indices[1])  # (B, w0, H/2, W/2)
        x = matting["sbfi0"](matting["tfi0"](s0, x, features[1]), e0)
        x = unpool(matting["d0"](x), indices[0])  # (B, w0, H, W)
        return trimap, matting["last"](x), [side2, side1, side0]

    def head_parameters(self) -> list[nn.Parameter]:
        """Those of the last convolution of each decoder."""
        return [*list(self.semantic["d0"].parameters())[-2:], *self.matting["last"].parameters()]


class Encoder(nn.Module):
    """ResNet-34 in which a max pool with indices does every halving (no convolution has a stride)."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: Sequence[int]):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, widths[0], 7, padding=3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(before if number == 0 else after, after) for number in range(count)))
            for before, after, count in zip(widths, widths[1:], blocks)
        )

    def forward(self, x: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Features at H, H/2, H/4, …, H/32, and the indices of the maxima of the five halvings (flat, int64)."""
        features, indices = [self.first(x)], []
        # The first halving has no stage of its own behind it: two pools stand at the beginning, as in ResNet.
        for stage in [nn.Identity(), *self.stages]:
            x, index = F.max_pool2d(features[-1], 3, stride=2, padding=1, return_indices=True)
            features.append(stage(x))
            indices.append(index)
        return features, indices


class Block(nn.Module):
    """ResNet's basic block: two convolutions and a skip connection."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.norm2 = nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        self.around: nn.Module = nn.Identity()
        if before != after:
            self.around = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, before, h, w) to (B, after, h, w)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.around(x))


class TripartiteIntegration(nn.Module):
    """TFI: three maps of one size through one shared 1x1 convolution, then mixed."""

    def __init__(self, width: int):
        super().__init__()
        self.shrink = nn.Conv2d(width, width // 2, 1, bias=False)
        self.mix, self.norm = nn.Conv2d(width // 2 * 3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, semantic: torch.Tensor, matting: torch.Tensor, encoder: torch.Tensor) -> torch.Tensor:
        """Three maps (B, width, h, w) to one."""
        x = torch.cat([self.shrink(semantic), self.shrink(matting), self.shrink(encoder)], dim=1)  # (B, 3/2 w, h, w)
        return F.relu(self.norm(self.mix(x)))


class ShallowIntegration(nn.Module):
    """sBFI: the first features, pooled by `scale`, concatenated with the matting decoder's."""

    def __init__(self, width: int, shallow: int, scale: int):
        super().__init__()
        self.scale = scale
        self.shrink_decoder = nn.Conv2d(width, width // 2, 1, bias=False)
        self.shrink_shallow = nn.Conv2d(shallow, width // 2, 1, bias=False)
        self.mix, self.norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor, shallow: torch.Tensor) -> torch.Tensor:
        """`x` (B, width, h, w) and the features (B, shallow, h * scale, w * scale) to (B, width, h, w)."""
        # Two by two pixels of each `scale` x `scale`, as in P3M's code: trained weights expect it.
        shallow = self.shrink_shallow(F.max_pool2d(shallow, 2, stride=self.scale))
        y = torch.cat([self.shrink_decoder(x), shallow], dim=1)
        return F.relu(self.norm(self.mix(y))) + x


class DeepIntegration(nn.Module):
    """dBFI: the deepest features, upsampled by `scale`, concatenated with the semantic decoder's; and a side output."""

    def __init__(self, width: int, deep: int, scale: int):
        super().__init__()
        self.scale = scale
        self.shrink_decoder = nn.Conv2d(width, width // 2, 1, bias=False)
        self.shrink_deep = nn.Conv2d(deep, width // 2, 1, bias=False)
        self.mix, self.norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.guess = nn.Conv2d(width, 3, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor, deep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`x` (B, width, h, w) and the deepest features to (B, width, h, w), and trimap logits (B, 3, H, W)."""
        y = torch.cat([self.shrink_decoder(x), upsample(self.shrink_deep(deep), self.scale)], dim=1)
        x = F.relu(self.norm(self.mix(y))) + x
        return x, upsample(self.guess(x), 32 // self.scale)


def stage(before: int, inside: int, after: int) -> nn.Sequential:
    """[conv 3x3 + BN + ReLU] x 3."""
    widths = (before, inside, inside, after)
    layers = [(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in zip(widths, widths[1:])]
    return nn.Sequential(*(layer for three in layers for layer in three))


def unpool(x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Twice the size: each value at the maximum of its pool, by the encoder's `indices`, and zero elsewhere.

    Pools of 3x3 with stride 2 overlap: a pixel can be the maximum of up to four. `F.max_unpool2d` writes such a pixel
    several times, so that its value depends on the order of the threads. Here all of a pixel's pools first take the
    value of the last of them, which is what one thread leaves there, and the order no longer matters. The gradient is
    that of `F.max_unpool2d`, as in P3M: each of the pools receives the pixel's.
    """
    values = x.clone()
    with torch.no_grad():
        for here, there in LATER:  # in this order: the last that is equal stays
            same = indices[here] == indices[there]
            values[here] = torch.where(same, x[there], values[here])
    return F.max_unpool2d(values, indices, kernel_size=(2, 2), stride=(2, 2))


def upsample(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Bilinear, `scale` times the size."""
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
