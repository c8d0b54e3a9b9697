"""CM: collaborative matting, which joins the two decoders to one matte.

Paper: Sec. 4.4, Table 11, after GFM: the semantic decoder gives the regions, the details decoder the alpha values.
"""

from __future__ import annotations

import torch

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
# Below this confidence a sentence counts as one without a referent. Not in the paper, where every sentence has one.
THRESHOLD = 0.5


def collaborate(trimap_logits: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
    """The final alpha: `detail` where the trimap is unknown, 1 where it is foreground, 0 elsewhere.

    The class is an argmax: no gradient reaches the semantic decoder, and the details decoder learns only where the
    semantic decoder predicts unknown.

    Args:
        trimap_logits: (B, 3, H, W).
        detail: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    background, unknown, foreground = trimap_logits.detach().split(1, dim=1)  # each (B, 1, H, W)
    # The argmax by comparisons, quicker over three channels; of equal ones the first wins, as there.
    is_unknown = (unknown > background) & (unknown >= foreground)
    is_foreground = (foreground > background) & (foreground > unknown)
    return detail * is_unknown + is_foreground


def confidence(trimap_logits: torch.Tensor) -> torch.Tensor:
    """Confidence that the image contains the referent, (B,) in [0, 1].

    The mean probability of not being background over the pixels that are not classified as background; 0 where all are.

    Args:
        trimap_logits: (B, 3, H, W).
    """
    probability = 1 - trimap_logits.softmax(dim=1)[:, BACKGROUND]  # (B, H, W)
    region = trimap_logits[:, UNKNOWN:].amax(dim=1) > trimap_logits[:, BACKGROUND]
    return (probability * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2)).clamp(min=1)
