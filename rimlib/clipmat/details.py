"""MDE: the multi-level details extractor.

Paper: Sec. 4.4, supplement Sec. 3, Eq. 6-9, Table 11.

For each of the four groups of CLIP blocks: the blocks' output, enlarged, beside the image itself, shrunk by max
pooling after a 1x1 convolution, then convolved together. Level i is at a resolution of S / 2^i.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rimlib.clipmat import compiled, loops, winograd_loops
from rimlib.clipmat.upsampled import UpsampledConvolution, convolve_upsampled
from rimlib.clipmat.winograd import Convolution, Kept, folded, pixels
from rimlib.errors import RimError


class DetailsExtractor(nn.Module):
    """The MDE of one level.

    `level` i in 1..4; `image_width` Dv of the backbone; `width` of each of the two branches (the paper: Dv / 2);
    `out` channels D_i.
    """

    def __init__(self, level: int, image_width: int, width: int, out: int):
        super().__init__()
        self.level = level
        self.width = width
        self.norm_visual = nn.Conv2d(image_width, width, 1)
        self.norm_image = nn.Conv2d(3, width, 1)
        self.mix = nn.Conv2d(2 * width, out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self._kept = Kept()

    def train(self, mode: bool = True):
        self._kept.forget()
        return super().train(mode)

    def forward(self, visual: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """`visual`: (B, Dv, S/16, S/16); `images`: (B, 3, S, S), normalised. Returns (B, D_i, S/2^i, S/2^i)."""
        visual = self.norm_visual(visual)  # Eq. 6, before its upsampling
        fits = images.shape == (
            len(visual),
            3,
            *(16 * side for side in visual.shape[-2:]),
        )  # else torch says what is wrong
        if not self.training and compiled.usable(images) and fits:
            return self._without_gradient(visual, images)
        image = maxpool_projection(images, self.norm_image.weight, self.norm_image.bias, 2**self.level)  # Eq. 7
        # Eq. 8 and 9. A convolution of a concatenation is the sum of two, and the visual half needs no large map.
        weight_visual, weight_image = self.mix.weight.split(self.width, dim=1)
        x = F.conv2d(image, weight_image, padding=1)
        x = x + convolve_upsampled(visual, weight_visual, 2 ** (4 - self.level))
        return F.relu(self.norm(x))

    def _without_gradient(self, visual: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """The same on a CPU: the batch norm joins the weights, and large halves go into the result a few tiles at a time."""
        for_visual, for_image, matrix = self._kept.get(self, self._prepare)
        window, size = 2**self.level, [length >> self.level for length in images.shape[-2:]]
        pictures = pixels(images)

        def pooled(out, at):
            for picture, result in zip(pictures, out.numpy()):
                compiled.share(partial(loops.pool_rows, picture, matrix, window, result, at), len(result))
            return out.permute(0, 3, 1, 2)

        if for_visual is None:
            both = compiled.empty(len(images), *size, 2 * self.width)
            visual = F.interpolate(visual, scale_factor=2 ** (4 - self.level), mode="bilinear", align_corners=False)
            both[..., : self.width] = visual.permute(0, 2, 3, 1)
            return for_image(pooled(both, self.width), relu=True)
        enlarged = [for_visual(grid) for grid in visual]
        if for_image.gains(*size):
            sources = [winograd_loops.Source(picture, matrix=matrix, window=window) for picture in pictures]
            return for_image.of_maps(sources, *size, relu=True, added=enlarged)
        out = compiled.empty(len(images), *size, len(self.norm.weight))
        for rows, result in zip(enlarged, out.numpy()):
            compiled.share(partial(loops.enlarge_rows, rows, result), len(result))
        return (
            for_image(pooled(compiled.empty(len(images), *size, self.width), 0)).add_(out.permute(0, 3, 1, 2)).relu_()
        )

    def _prepare(self):
        """What stands for `mix` and `norm`: one convolution for each half, or, where little or nothing is to be enlarged, None
        and a convolution of both. And the matrix of `norm_image`.
        """
        weight, bias = folded(self.mix, self.norm)
        matrix = projection(self.norm_image.weight, self.norm_image.bias).numpy()
        if self.level >= 3:
            return None, Convolution(weight, bias), matrix
        visual, image = weight.split(self.width, dim=1)
        return UpsampledConvolution(visual, 2 ** (4 - self.level)), Convolution(image, bias), matrix


class PlainSkip(nn.Module):
    """What stands in for the MDE when it is switched off (Table 3, first two rows).

    The paper does not say what the details decoder is given without MDE. Here its first stage gets the last blocks'
    output through a 1x1 convolution, and the other stages get nothing: neither the image nor the earlier blocks.
    """

    def __init__(self, image_width: int, out: int):
        super().__init__()
        self.norm_visual = nn.Conv2d(image_width, out, 1)

    def forward(self, visual: torch.Tensor) -> torch.Tensor:
        return self.norm_visual(visual)


def maxpool_projection(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, window: int) -> torch.Tensor:
    """`max_pool2d(conv2d(images, weight, bias), window)` for a 1x1 convolution, never holding its whole result.

    The paper normalises the image before pooling: done as written this is the largest map of the model, Dv / 2
    channels at full resolution for each level. Here the pixels of a window are taken one after another, and only the
    largest value and where it was found are kept: on a CPU by a compiled loop in float32, elsewhere by torch. Gradients go to
    `weight` and `bias`, not to the images.

    `images`: (B, 3, H, W); `weight`: (C, 3, 1, 1); `bias`: (C,). Returns (B, C, H/window, W/window). RimError for other images.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise RimError(f"images of shape {tuple(images.shape)}: must be (B, 3, H, W)")
    return _MaxpoolProjection.apply(images, weight, bias, window)


class _MaxpoolProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, weight, bias, window):
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else images.dtype
        ctx.window, ctx.dtypes = window, (weight.dtype, bias.dtype)
        ctx.on_cpu = kind == "cpu" and dtype != torch.float64
        with torch.autocast(kind, enabled=False):
            best, where, pixels = (_winners_on_cpu if ctx.on_cpu else _winners)(
                images, projection(weight, bias), window, dtype
            )
        ctx.save_for_backward(pixels, where)
        return best.permute(0, 3, 1, 2)  # (B, C, h, w)

    @staticmethod
    def backward(ctx, gradient):
        pixels, where = ctx.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1)  # (B, h, w, C)
        total = (_sums_on_cpu if ctx.on_cpu else _sums)(pixels, where, gradient, ctx.window)  # (C, 4)
        matrix, bias = total.split((3, 1), dim=1)
        return None, matrix.to(ctx.dtypes[0])[:, :, None, None], bias.squeeze(1).to(ctx.dtypes[1]), None


def projection(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A 1x1 convolution of a picture as one matrix (4, C), the last row its bias."""
    return torch.cat([weight.flatten(1).T, bias[None]]).detach().contiguous()


def _winners_on_cpu(images, matrix, window, dtype):
    """Largest projections (B, h, w, C), the offsets that have them, uint8, and the pixels (B, H, W, 3) for the way back."""
    pixels = images.permute(0, 2, 3, 1).float().contiguous()
    batch, height, width, _ = pixels.shape
    best = torch.empty(batch, height // window, width // window, matrix.shape[1])
    where = torch.empty(best.shape, dtype=torch.uint8)  # 16 * 16 offsets just fit
    matrix = matrix.float().numpy()
    for number in range(batch):
        arrays = pixels[number].numpy(), matrix, window, best[number].numpy(), where[number].numpy()
        compiled.share(partial(loops.pool_winners, *arrays), best.shape[1])
    return best.to(dtype), where, pixels


def _sums_on_cpu(pixels, where, gradient, window):
    """Sum over windows of gradient (B, h, w, C) times winning pixel, (C, 4)."""
    gradient = gradient.float().contiguous()
    totals = []

    def add(number, start, stop):
        totals.append(np.zeros((4, where.shape[3]), np.float32))
        loops.sum_winners(
            pixels[number].numpy(), where[number].numpy(), gradient[number].numpy(), window, totals[-1], start, stop
        )

    for number in range(len(pixels)):
        compiled.share(partial(add, number), where.shape[1])
    return torch.from_numpy(np.sum(totals, axis=0).T.copy())


def _winners(images, matrix, window, dtype):
    """As `_winners_on_cpu`, by torch alone, for any device; its pixels are (B*h*w, s*s, 4)."""
    batch, _, height, width = images.shape
    rows, columns = height // window, width // window
    pixels = F.pad(images.to(dtype), (0, 0, 0, 0, 0, 1), value=1.0)  # (B, 4, H, W), a one for the bias
    pixels = pixels.view(batch, 4, rows, window, columns, window).permute(0, 2, 4, 3, 5, 1)
    pixels = pixels.reshape(-1, window * window, 4)  # (B*h*w, s*s, 4)
    matrix = matrix.to(dtype)
    best = torch.empty(len(pixels), matrix.shape[1], dtype=dtype, device=images.device)  # (B*h*w, C)
    where = torch.empty_like(best, dtype=torch.uint8)
    for part in parts(len(best), images.device):
        best[part], where[part] = _running_maximum(pixels[part], matrix)
    return best.view(batch, rows, columns, -1), where, pixels


def _sums(pixels, where, gradient, window):
    """As `_sums_on_cpu`."""
    gradient = gradient.reshape(where.shape)  # (B*h*w, C)
    # Windows of 2x2 are quicker tried one offset at a time, larger ones by looking the winners up.
    sums = _sums_by_offset if window == 2 else _sums_by_lookup
    return sum(sums(pixels[part], where[part], gradient[part]) for part in parts(len(where), where.device))  # (C, 4)


def _sums_by_offset(pixels: torch.Tensor, where: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over windows of gradient times winning pixel, float32 (C, 4). `pixels` (b, s*s, 4); `where`, `gradient` (b, C)."""
    where, won = where.to(gradient.dtype), torch.empty_like(gradient)
    total = 0
    for offset in range(pixels.shape[1]):
        torch.eq(where, offset, out=won)
        total = total + (won.mul_(gradient).T @ pixels[:, offset].to(gradient.dtype)).float()
    return total


def _sums_by_lookup(pixels: torch.Tensor, where: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """As `_sums_by_offset`."""
    place = where.long()
    return torch.stack(
        [
            (plane.gather(1, place) * gradient).sum(0, dtype=torch.float32)
            for plane in pixels.permute(2, 0, 1).contiguous()
        ],
        dim=1,
    )


def _running_maximum(pixels: torch.Tensor, matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest projection of the pixels of each window and the offset of the first that has it, both (b, C).

    `pixels`: (b, s*s, 4); `matrix`: (4, C).
    """
    best = pixels[:, 0] @ matrix
    where, value, higher = torch.zeros_like(best), torch.empty_like(best), torch.empty_like(best)
    for offset in range(1, pixels.shape[1]):
        torch.mm(pixels[:, offset], matrix, out=value)
        # Offsets only grow, so the last one that was higher is the largest; in the values' own type the comparison
        # and the maximum are vectorised on every device, and whole numbers up to 256 are exact even in bfloat16.
        torch.gt(value, best, out=higher)
        torch.maximum(where, higher.mul_(offset), out=where)
        torch.maximum(best, value, out=best)
    return best, where


def parts(length: int, device: torch.device) -> list[slice]:
    """Slices of a long dimension: few enough to stay in the cache on a CPU, and to need little memory on a GPU."""
    step = 4096 if device.type == "cpu" else 65536
    return [slice(start, start + step) for start in range(0, length, step)]
