"""What CLIPMat is trained on.

Paper: Sec. 4.3 and 4.4: cross-entropy for the semantic decoder; alpha and Laplacian loss for the details decoder, where
the trimap is unknown; alpha and Laplacian loss for the final matte, everywhere. The formulas are those of GFM, to which
the paper refers. Predictions p and truths a are (B, 1, H, W) in [0, 1]; each loss is one number.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F

from rimlib.clipmat.score_map import match_loss
from rimlib.errors import RimError

PARTS = ("ce", "alpha_unknown", "laplacian_unknown", "alpha", "laplacian", "match")  # the last where a model has one
LEVELS = 5


def clipmat_loss(output, alpha_true: torch.Tensor, trimap_true: torch.Tensor, weights=None) -> dict[str, torch.Tensor]:
    """All parts of the loss and their weighted sum.

    `output`: of CLIPMat; `alpha_true`: float (B, 1, S, S) in [0, 1]; `trimap_true`: int64 (B, S, S), 0 background,
    1 unknown, 2 foreground. `weights`: a mapping or an object with the names of `PARTS`; None is 1 for each (the paper
    gives none). Returns a dict of scalars with "total" and the names of `PARTS`.
    """
    weights = weights if weights is None or isinstance(weights, dict) else vars(weights)
    if weights is not None and set(weights) != set(PARTS):
        raise RimError(f"train.losses {sorted(weights)}: must be weights for {', '.join(PARTS)}")
    unknown = (trimap_true == 1).unsqueeze(1).to(alpha_true.dtype)  # (B, 1, S, S)
    laplacian_unknown, laplacian = laplacian_losses(
        [(output.detail, alpha_true, unknown), (output.alpha, alpha_true, None)]
    )
    parts = {
        "ce": F.cross_entropy(output.trimap_logits, trimap_true),
        "alpha_unknown": alpha_loss(output.detail, alpha_true, unknown),
        "laplacian_unknown": laplacian_unknown,
        "alpha": alpha_loss(output.alpha, alpha_true),
        "laplacian": laplacian,
    }
    if output.match is not None:
        parts["match"] = match_loss(output.match, alpha_true)
    total = sum(part * (1.0 if weights is None else weights[name]) for name, part in parts.items())
    return {"total": total, **parts}


def alpha_loss(p: torch.Tensor, a: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute difference, rounded at zero: where `w` is 1, or everywhere when it is None.

    With `w`: sum sqrt((w (p - a))^2 + 1e-12) / (sum w + 1). The root of pixels outside adds its 1e-6 each, as in GFM.
    """
    if w is None:
        return ((p - a).square() + 1e-12).sqrt().mean()
    return ((w * (p - a)).square() + 1e-12).sqrt().sum() / (w.sum() + 1)


def laplacian_loss(
    p: torch.Tensor, a: torch.Tensor, w: torch.Tensor | None = None, variant: str = "gfm"
) -> torch.Tensor:
    """Mean absolute difference of Laplacian pyramids; with `w`, of w p and w a.

    "Laplacian loss" is not one thing. `variant` "gfm": level = x - blur(x), next x = 2x2 mean of blur(x), five levels and
    the residual, unweighted sum; the kernel is g(i)^2 + g(j)^2. "vitmatte": level = x - up(down(x)) with a binomial
    kernel, five levels without a residual, weights 2^i, divided by 5; sides must be multiples of 32.
    """
    if variant not in ("gfm", "vitmatte"):
        raise RimError(f"Laplacian loss variant {variant!r}: must be 'gfm' or 'vitmatte'")
    return laplacian_losses([(p, a, w)], variant)[0]


def laplacian_losses(maps: list[tuple], variant: str = "gfm") -> list[torch.Tensor]:
    """`laplacian_loss` of several (p, a, w) of one size, in one pass."""
    # A pyramid is linear, so the one of the difference does for both. And one colour goes through the convolution as
    # if each matte were a channel: a depthwise convolution, many times quicker than a batch of one-channel maps.
    x = torch.cat([p - a if w is None else w * (p - a) for p, a, w in maps])
    x = x.transpose(0, 1).contiguous(memory_format=torch.channels_last)  # (1, M*B, H, W)
    loss = _gfm(x) if variant == "gfm" else _vitmatte(x)  # (M*B,)
    return list(loss.view(len(maps), -1).mean(dim=1))


def _gfm(x: torch.Tensor) -> torch.Tensor:
    kernel = gfm_kernel(x.dtype, x.device)
    loss = 0
    for _ in range(LEVELS):
        blurred = _blur(x, kernel, "replicate")
        loss = loss + (x - blurred).abs().mean(dim=(0, 2, 3))
        x = F.avg_pool2d(blurred, 2)
    return loss + x.abs().mean(dim=(0, 2, 3))


def _vitmatte(x: torch.Tensor) -> torch.Tensor:
    if x.shape[-1] % 2**LEVELS or x.shape[-2] % 2**LEVELS:
        raise RimError(f"Laplacian loss 'vitmatte': sides {tuple(x.shape[-2:])} must be multiples of {2**LEVELS}")
    kernel = binomial_kernel(x.dtype, x.device)
    loss = 0
    for level in range(LEVELS):
        small = _blur(x, kernel, "reflect")[..., ::2, ::2]
        spread = torch.zeros_like(x)
        spread[..., ::2, ::2] = 4 * small
        loss = loss + 2**level * (x - _blur(spread, kernel, "reflect")).abs().mean(dim=(0, 2, 3))
        x = small
    return loss / LEVELS


def _blur(x: torch.Tensor, kernel: torch.Tensor, border: str) -> torch.Tensor:
    """Each channel of (1, M, H, W) blurred by itself."""
    channels = x.shape[1]
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode=border), kernel.expand(channels, 1, 5, 5), groups=channels)


@lru_cache(maxsize=8)
def gfm_kernel(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(1, 1, 5, 5): g(i)^2 + g(j)^2 normalised, g a Gaussian of sigma 1. A cross-shaped bowl, not a Gaussian blur."""
    with torch.inference_mode(False):
        g = torch.exp(-torch.arange(-2, 3, dtype=torch.float64).square() / 2).square()
        kernel = g[:, None] + g[None, :]
        return (kernel / kernel.sum()).to(device, dtype)[None, None]


@lru_cache(maxsize=8)
def binomial_kernel(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(1, 1, 5, 5): the outer product of 1 4 6 4 1, normalised."""
    with torch.inference_mode(False):
        line = torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64) / 16
        return (line[:, None] * line[None, :]).to(device, dtype)[None, None]
