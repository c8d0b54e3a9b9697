"""The Laplacian loss, computed cheaper: the same value, the same gradient to rounding.

A pyramid is linear and its loss a sum of absolute values, so the backward pass needs only the signs of each level. They
take the place of the levels, and one pass goes up the pyramid by the adjoint of each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from rimlib.clipmat.losses import LEVELS, gfm_kernel


def laplacian_losses(differences: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """As `losses.laplacian_losses`, for maps that a gradient is needed of."""
    x = torch.cat(list(differences)).transpose(0, 1).contiguous(memory_format=torch.channels_last)  # (1, M*B, H, W)
    return list(_Laplacian.apply(x).view(len(differences), -1).mean(dim=1))


class _Laplacian(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        kernel = gfm_kernel(x.dtype, x.device).expand(x.shape[1], 1, 5, 5)
        loss, signs = x.new_zeros(x.shape[1]), []
        for _ in range(LEVELS):
            blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=x.shape[1])
            level = x - blurred
            loss += _mean_abs(level)
            signs.append(level.sign_())
            x = F.avg_pool2d(blurred, 2)
        loss += _mean_abs(x)
        signs.append(x.sign())
        ctx.save_for_backward(kernel, *signs)
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        kernel, *signs = ctx.saved_tensors
        levels = [
            sign * (gradient[:, None, None] / sign[0, 0].numel()) for sign in signs
        ]  # new: these may be read again
        x = levels.pop()
        for level in reversed(levels):
            # level = x - blur(x); the next x is the 2x2 mean of blur(x), which leaves out an odd last row or column.
            enlarged = F.interpolate(x, scale_factor=2, mode="nearest") * 0.25
            rest = (0, level.shape[3] - enlarged.shape[3], 0, level.shape[2] - enlarged.shape[2])
            enlarged = F.pad(enlarged, rest) if any(rest) else enlarged
            # The kernel is symmetric, so the adjoint of the blur is itself, then the padding is folded back.
            padded = F.conv2d(enlarged.sub_(level), kernel, padding=4, groups=level.shape[1])
            x = level.add_(_fold(padded))
        return x


def _mean_abs(x: torch.Tensor) -> torch.Tensor:
    """Mean absolute value of each map of (1, C, H, W): (C,)."""
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # (H*W, C), a view
    return rows.norm(1, dim=0) / len(rows)


def _fold(x: torch.Tensor) -> torch.Tensor:
    """Adjoint of replicating two pixels on each side, in place: (1, C, H+4, W+4) to (1, C, H, W)."""
    for near, *far in ((2, 0, 1), (-3, -1, -2)):
        for place in far:
            x[:, :, near] += x[:, :, place]
    for near, *far in ((2, 0, 1), (-3, -1, -2)):
        for place in far:
            x[..., near] += x[..., place]
    return x[:, :, 2:-2, 2:-2]
