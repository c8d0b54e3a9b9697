"""Linear maps of `fast` that never hold the large map they are defined by."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.grad import conv2d_input, conv2d_weight

STRIPE = 16  # rows of pixels
LARGE = 2**16  # pixels of a batch
FEW = 8  # below this many output channels, one product of matrices for each


def convolve_upsampled(
    x: torch.Tensor, weight: torch.Tensor, scale: int, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`conv2d(upsample(x, scale), weight, bias, padding=1)` with bilinear upsampling, not holding the upsampled map.

    Args:
        x: (B, C, h, w).
        weight: (O, C, 3, 3).
        scale: factor of both sides.
        bias: (O,).

    Returns:
        (B, O, h * scale, w * scale).
    """
    if scale == 1:
        return F.conv2d(x, weight, bias, padding=1)
    batch, inputs, height, width = x.shape
    out = len(weight)
    if out < FEW:  # each output a map of its own
        taps = F.conv2d(x, weight.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])  # (B, O*3*3, h, w)
        taps = taps.unflatten(1, (out, 3, 3)).permute(0, 1, 2, 4, 3, 5).reshape(batch, out, 3 * height, 3 * width)
        rows, columns = (shifted_upsampling(size, scale, taps.dtype, taps.device) for size in (height, width))
        y = rows @ taps @ columns.T  # (B, O, H, W)
        return y if bias is None else y + bias[:, None, None]
    # Channels last: each step is one product of matrices, and no memory moves between them.
    kernel = weight.permute(2, 1, 3, 0).reshape(3, inputs, 3 * out)  # the rows' taps first
    taps = x.permute(0, 2, 3, 1).reshape(batch, 1, height * width, inputs) @ kernel  # (B, 3, h*w, 3*O)
    rows, columns = (shifted_upsampling(size, scale, taps.dtype, taps.device) for size in (height, width))
    y = rows @ taps.view(batch, 3 * height, width * 3 * out)  # (B, H, w*3*O)
    y = y.view(batch * height * scale, 3 * width, out)
    columns = columns.unflatten(1, (3, width)).transpose(1, 2).flatten(1)  # (W, w*3), the order of the taps
    y = (columns.expand(len(y), -1, -1) @ y).view(batch, height * scale, width * scale, out).permute(0, 3, 1, 2)
    return y if bias is None else y + bias[:, None, None]


def convolve_exactly(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`conv2d(x, weight, padding=1)` of maps (B, C, H, W), its gradient summed by stripes where one sum is not exact.

    The gradient of `weight` is a sum over all pixels. On a CPU without AVX-512 it loses digits in one piece, 1.4e-5 in
    two maps of 256 x 256, and takes three times as long in channels-last memory.
    """
    exact = x.device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    if exact or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or x[:, 0].numel() <= LARGE:
        return F.conv2d(x, weight, padding=1)
    return _StripedConvolution.apply(x, weight)


class _StripedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        gradient, total = gradient.contiguous(), torch.zeros_like(weight)
        rows = max(1, LARGE // 8 // x.shape[3])
        for one, its_gradient in zip(x.split(1), gradient.split(1)):
            padded = F.pad(one, (0, 0, 1, 1)).contiguous()
            for top in range(0, x.shape[2], rows):
                stripe, part = padded[:, :, top : top + rows + 2], its_gradient[:, :, top : top + rows]
                total += conv2d_weight(stripe.contiguous(), weight.shape, part.contiguous(), padding=(0, 1))
        return conv2d_input(x.shape, weight, gradient, padding=1), total


@lru_cache(maxsize=64)
def shifted_upsampling(size: int, scale: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Bilinear upsampling of a line as the three taps of a convolution read it: (size * scale, 3 * size).

    Row p of the first `size` columns is the weights of the tap before pixel p, and so on; outside the line is zero.
    """
    with torch.autocast(device.type, enabled=False), torch.inference_mode(False), torch.no_grad():
        line = F.interpolate(torch.eye(size)[None], scale_factor=scale, mode="linear", align_corners=False)[0].T
        zero = torch.zeros(1, size)
        before, after = torch.cat([zero, line[:-1]]), torch.cat([line[1:], zero])
        return torch.cat([before, line, after], dim=1).to(device, dtype)


def maxpool_projection(images: torch.Tensor, projection: nn.Conv2d, window: int) -> torch.Tensor:
    """`max_pool2d(projection(images), window)` for a 1x1 convolution, not holding its result.

    Few windows at a time are projected; the largest value of each and the place of the first pixel that has it are
    kept. Gradients go to the projection, not to the images.

    Args:
        images: (B, 3, H, W).
        projection: from 3 to C channels.
        window: side of the pooling window, at most 16.

    Returns:
        (B, C, H / window, W / window).
    """
    if not torch.is_grad_enabled():  # no places to keep: the map itself, a stripe at a time
        stripes = images.split(max(window, STRIPE // window * window), dim=2)
        return torch.cat([F.max_pool2d(projection(stripe), window) for stripe in stripes], dim=2)
    return _MaxpoolProjection.apply(images, projection.weight, projection.bias, window)


class _MaxpoolProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, window: int) -> torch.Tensor:
        device = images.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else images.dtype
        batch, channels, height, width = images.shape
        rows, columns = height // window, width // window
        with torch.autocast(device, enabled=False):
            pixels = F.pad(images.to(dtype), (0, 0, 0, 0, 0, 1), value=1.0)  # (B, 4, H, W): a one for the bias
            pixels = pixels.view(batch, channels + 1, rows, window, columns, window).permute(0, 2, 4, 3, 5, 1)
            pixels = pixels.reshape(batch * rows * columns, window * window, channels + 1)
            matrix = torch.cat([weight.flatten(1).T, bias[None]]).to(dtype)  # (4, C)
            best = torch.empty(len(pixels), matrix.shape[1], dtype=dtype, device=images.device)  # (B*h*w, C)
            where = torch.empty_like(best, dtype=torch.uint8)  # 16 * 16 places just fit
            for part in _parts(pixels, matrix.shape[1]):
                best[part], where[part] = _maximum(pixels[part], matrix)
        ctx.save_for_backward(pixels, where)
        ctx.dtype = weight.dtype
        return best.view(batch, rows, columns, -1).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        pixels, where = ctx.saved_tensors
        gradient = gradient.permute(0, 2, 3, 1).reshape(where.shape)  # (B*h*w, C)
        parts = _parts(pixels, where.shape[1])
        sums = torch.stack([_sums(pixels[part], where[part], gradient[part]) for part in parts])
        total = sums.sum(0).to(ctx.dtype)  # (C, 4)
        return None, total[:, :-1, None, None], total[:, -1], None


def _maximum(pixels: torch.Tensor, matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest projection of the pixels (n, s*s, 4) of each window, and the place of the first that has it: (n, C)."""
    count, places = pixels.shape[:2]
    # As a map of n x s*s pixels, channels last; a window is a row of it.
    rows = (pixels @ matrix)[None].permute(0, 3, 1, 2)  # (1, C, n, s*s)
    best, index = F.max_pool2d(rows, (1, places), return_indices=True)  # (1, C, n, 1)
    first = torch.arange(0, count * places, places, device=index.device)
    return best[0, :, :, 0].T, index[0, :, :, 0].T - first[:, None]


def _sums(pixels: torch.Tensor, where: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over windows of gradient (n, C) times the pixel with the maximum: (C, 4)."""
    planes, index = pixels.permute(2, 0, 1)[:-1].contiguous(), where.long()
    chosen = [plane.gather(1, index).mul_(gradient) for plane in planes]
    return torch.stack([one.sum(0, dtype=torch.float64) for one in (*chosen, gradient)], dim=1)  # the last pixel is 1


def _parts(pixels: torch.Tensor, channels: int) -> list[slice]:
    """Slices of windows (n, s*s, 4): the projections of few stay in a CPU's cache; a GPU is faster with many."""
    most = 2**19 if pixels.device.type == "cpu" else 2**25
    step = max(1, most // (pixels.shape[1] * channels))
    return [slice(start, start + step) for start in range(0, len(pixels), step)]
