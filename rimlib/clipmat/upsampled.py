"""Convolve an enlarged map without enlarging it.

Bilinear upsampling followed by a 3x3 convolution is one linear map. Both work row by row and column by column, so the
nine taps can be taken first, on the small map, as one 1x1 convolution, and each tap's result is then enlarged and
shifted by a small matrix for rows and one for columns. The result is the same, borders included, and nothing of the
large size with many channels is ever held: at 512 pixels the paper's last stage alone holds 32 channels of it.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F

from rimlib.clipmat import compiled, loops

FEW = 8  # with fewer outputs than this each of them is better taken as one picture


def convolve_upsampled(
    x: torch.Tensor, weight: torch.Tensor, scale: int, bias: torch.Tensor | None = None
) -> torch.Tensor:
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
    y = (
        columns @ y if bias is None else torch.baddbmm(bias.to(y.dtype).expand(len(y), width * scale, out), columns, y)
    )  # (B*H, W, O)
    return y.view(batch, height * scale, width * scale, out).permute(0, 3, 1, 2)


def _few(x, weight, scale, bias):
    """Each output is a picture of its own."""
    batch, _, height, width = x.shape
    out = len(weight)
    taps = F.conv2d(x, weight.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])  # (B, O*3*3, h, w)
    taps = taps.unflatten(1, (out, 3, 3)).permute(0, 1, 2, 4, 3, 5)  # (B, O, 3, h, 3, w)
    taps = taps.reshape(batch, out, 3 * height, 3 * width)
    if compiled.usable(x):
        return _planes(taps, scale, torch.zeros(out) if bias is None else bias)
    rows, columns = _matrices(height, width, scale, taps)
    y = rows @ taps @ columns.T  # (B, O, H, W)
    return y if bias is None else y + bias[:, None, None]


def _planes(taps, scale, bias):
    """The last step of `_few` without matrices, which are mostly zeros."""
    rows, columns = (_sixes(size // 3, scale) for size in taps.shape[2:])
    out = compiled.empty(*taps.shape[:2], len(rows[0]), len(columns[0]))
    for image, result in zip(taps.numpy(), out.numpy()):
        for plane, number, target in zip(image, bias.numpy(), result):
            compiled.share(partial(loops.enlarge_plane, plane, *rows, *columns, number, target), len(target))
    return out


class UpsampledConvolution:
    """`convolve_upsampled` of many outputs where `compiled.usable`, by rows, so that its result need never exist whole."""

    def __init__(self, weight: torch.Tensor, scale: int):
        """`weight`: (O, C, 3, 3)."""
        self.weight, self.scale = (
            weight.permute(2, 1, 3, 0).flatten(2).contiguous(),
            scale,
        )  # (3, C, 3*O), rows' taps first

    def __call__(self, x: torch.Tensor) -> loops.Enlarged:
        """`x`: (C, h, w). Returns what `loops.enlarge_rows` needs to make any row of the result."""
        channels, height, width = x.shape
        rows, (places, values) = (_sixes(size, self.scale) for size in (height, width))
        taps = x.permute(1, 2, 0).reshape(1, -1, channels) @ self.weight  # (3, h*w, 3*O)
        columns = places % width * 3 + places // width  # as the taps lie
        return loops.Enlarged(taps.view(3 * height, -1).numpy(), *rows, columns, values)


@lru_cache(maxsize=64)
def _sixes(size: int, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """`shifted_upsampling` without its zeros: each row has at most six entries. Where they are, int64 (size * scale, 6), and what."""
    values, places = shifted_upsampling(size, scale, torch.float32, torch.device("cpu")).topk(min(6, 3 * size))
    return tuple(F.pad(tensor, (0, 6 - tensor.shape[1])).numpy() for tensor in (places, values))


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
