"""Convolve an enlarged map without enlarging it.

Bilinear upsampling followed by a 3x3 convolution is one linear map. Both work row by row and column by column, so the
nine taps can be taken first, on the small map, as one 1x1 convolution, and each tap's result is then enlarged and
shifted by a small matrix for rows and one for columns. The result is the same, borders included, and nothing of the
large size with many channels is ever held: at 512 pixels the paper's last stage alone holds 32 channels of it.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F

FEW = 8  # with fewer outputs than this each of them is better taken as one picture


def convolve_upsampled(x: torch.Tensor, weight: torch.Tensor, scale: int,
                       bias: torch.Tensor | None = None) -> torch.Tensor:
    """`conv2d(upsample(x, scale), weight, bias, padding=1)` with bilinear upsampling.

    `x`: (B, C, h, w); `weight`: (O, C, 3, 3). Returns (B, O, h * scale, w * scale), in channels-last memory unless O is small.
    """
    if scale == 1:
        return F.conv2d(x, weight, bias, padding=1)
    return (_few if len(weight) < FEW else _many)(x, weight, scale, bias)


def _many(x, weight, scale, bias):
    """Channels last, so that each step is one multiplication of matrices and nothing is moved between them."""
    batch, inputs, height, width = x.shape
    out = len(weight)
    taps = weight.permute(2, 1, 3, 0).reshape(3, inputs, 3 * out)  # rows' taps first
    taps = x.permute(0, 2, 3, 1).reshape(batch, 1, height * width, inputs) @ taps  # (B, 3, h*w, 3*O)
    rows, columns = _matrices(height, width, scale, taps)
    y = rows @ taps.view(batch, 3 * height, width * 3 * out)  # (B, H, w*3*O)
    y = y.view(batch * height * scale, 3 * width, out)
    columns = columns.unflatten(1, (3, width)).transpose(1, 2).flatten(1)  # (W, w*3): as the taps lie
    columns = columns.expand(len(y), -1, -1)
    y = columns @ y if bias is None else torch.baddbmm(bias.to(y.dtype).expand(len(y), width * scale, out), columns, y)  # (B*H, W, O)
    return y.view(batch, height * scale, width * scale, out).permute(0, 3, 1, 2)


def _few(x, weight, scale, bias):
    """Each output is a picture of its own."""
    batch, _, height, width = x.shape
    out = len(weight)
    taps = F.conv2d(x, weight.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])  # (B, O*3*3, h, w)
    taps = taps.unflatten(1, (out, 3, 3)).permute(0, 1, 2, 4, 3, 5)  # (B, O, 3, h, 3, w)
    taps = taps.reshape(batch, out, 3 * height, 3 * width)
    rows, columns = _matrices(height, width, scale, taps)
    y = rows @ taps @ columns.T  # (B, O, H, W)
    return y if bias is None else y + bias[:, None, None]


def _matrices(height: int, width: int, scale: int, like: torch.Tensor) -> list[torch.Tensor]:
    """(H, 3h) and (W, 3w)."""
    return [shifted_upsampling(size, scale, like.dtype, like.device) for size in (height, width)]


@lru_cache(maxsize=64)
def shifted_upsampling(size: int, scale: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Bilinear upsampling of one line by `scale`, as read by the three taps of a convolution: (size * scale, 3 * size).

    Row p of the first `size` columns is what the tap before pixel p sees, and so on; outside the line is zero.
    """
    with torch.autocast(device.type, enabled=False), torch.inference_mode(False):
        line = torch.eye(size).T[None]  # (1, size, size)
        line = F.interpolate(line, scale_factor=scale, mode="linear", align_corners=False)[0].T  # (size * scale, size)
        zero = torch.zeros(1, size)
        taps = [torch.cat([zero, line[:-1]]), line, torch.cat([line[1:], zero])]
        return torch.cat(taps, dim=1).to(device, dtype)
