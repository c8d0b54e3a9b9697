"""Losses of CLIPMat.

Paper: Sec. 4.3 and 4.4: cross-entropy for the semantic decoder; alpha and Laplacian loss for the details decoder, where
the trimap is unknown; alpha and Laplacian loss for the final matte, everywhere. The formulas are those of GFM, to which
the paper refers. Predictions p and truths a are (B, 1, H, W) in [0, 1]; each loss is one number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from rimlib.additions.score_map import score_map_loss
from rimlib.errors import RimError

# The last where a model has a score map.
PARTS = ("ce", "alpha_unknown", "laplacian_unknown", "alpha", "laplacian", "score_map")
LEVELS = 5
Laplacian = Callable[[Sequence[torch.Tensor]], list[torch.Tensor]]


def clipmat_loss(
    output: Any,
    alpha_true: torch.Tensor,
    trimap_true: torch.Tensor,
    weights: Any = None,
    laplacian: Laplacian | None = None,
    count: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """All parts of the loss and their weighted sum.

    Args:
        output: of CLIPMat, or anything with its `trimap_logits`, `detail`, `alpha` and `score_map`.
        alpha_true: float (B, 1, S, S) in [0, 1].
        trimap_true: int64 (B, S, S), 0 background, 1 unknown, 2 foreground.
        weights: a mapping or an object with the names of `PARTS`; None is 1 for each (the paper gives none).
        laplacian: computes the two Laplacian losses; None is `laplacian_losses` (`rimlib.fast` has a cheaper one).
        count: what the sum of "alpha_unknown" is divided by; None is `alpha_loss`'s own. Where several devices share
            a batch, the mean of theirs, for then the mean of their losses is that of the whole batch.

    Returns:
        Scalars, "total" and the names of `PARTS`.

    Raises:
        RimError: other names among the weights.
    """
    if weights is not None and not isinstance(weights, Mapping):
        weights = vars(weights)
    if weights is not None and set(weights) != set(PARTS):
        raise RimError(
            f"train.losses {sorted(weights)}: must be weights for {', '.join(PARTS)}", setting="train.losses"
        )
    unknown = (trimap_true == 1).unsqueeze(1).to(alpha_true.dtype)  # (B, 1, S, S)
    differences = [(output.detail - alpha_true) * unknown, output.alpha - alpha_true]
    laplacian_unknown, laplacian_everywhere = (laplacian or laplacian_losses)(differences)
    parts = {
        "ce": F.cross_entropy(output.trimap_logits, trimap_true),
        "alpha_unknown": alpha_loss(output.detail, alpha_true, unknown, count),
        "laplacian_unknown": laplacian_unknown,
        "alpha": alpha_loss(output.alpha, alpha_true),
        "laplacian": laplacian_everywhere,
    }
    if output.score_map is not None:
        parts["score_map"] = score_map_loss(output.score_map, alpha_true)
    total = sum(part * (1.0 if weights is None else weights[name]) for name, part in parts.items())
    return {"total": torch.as_tensor(total), **parts}


def alpha_loss(
    p: torch.Tensor, a: torch.Tensor, w: torch.Tensor | None = None, count: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean absolute difference, smooth at zero: where `w` is 1, or everywhere when it is None.

    With `w`: sum sqrt((w (p - a))^2 + 1e-12) / (sum w + 1), or / `count`. The root of pixels outside adds its 1e-6
    each, as in GFM.
    """
    if w is None:
        return ((p - a).square() + 1e-12).sqrt().mean()
    return ((w * (p - a)).square() + 1e-12).sqrt().sum() / (w.sum() + 1 if count is None else count)


def laplacian_loss(p: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of GFM's Laplacian pyramids: the sum over levels, unweighted."""
    return laplacian_losses([p - a])[0]


def laplacian_losses(differences: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """`laplacian_loss` of several differences p - a of one size in one pass; with weights, of w (p - a)."""
    # A pyramid is linear, so that of the difference serves both mattes. Mattes as the channels of one image make the
    # blur a depthwise convolution, many times quicker than a batch of one-channel maps.
    x = torch.cat(list(differences)).transpose(0, 1).contiguous(memory_format=torch.channels_last)  # (1, M*B, H, W)
    loss = torch.stack([level.abs().mean(dim=(0, 2, 3)) for level in laplacian_pyramid(x)]).sum(0)  # (M*B,)
    return list(loss.view(len(differences), -1).mean(dim=1))


def laplacian_pyramid(x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Levels of GFM's pyramid of maps (B, C, H, W), finest first, then the residual.

    A level is x - blur(x); the next x is the 2x2 mean of blur(x).
    """
    kernel = gfm_kernel(x.dtype, x.device).expand(x.shape[1], 1, 5, 5)
    for _ in range(LEVELS):
        blurred = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=x.shape[1])
        yield x - blurred
        x = F.avg_pool2d(blurred, 2)
    yield x


def gfm_kernel(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(1, 1, 5, 5): g(i)^2 + g(j)^2 normalised, g a Gaussian of sigma 1. A cross-shaped bowl, not a Gaussian blur."""
    g = torch.exp(-torch.arange(-2, 3, dtype=torch.float64).square() / 2).square()
    kernel = g[:, None] + g[None, :]
    return (kernel / kernel.sum()).to(device, dtype)[None, None]
