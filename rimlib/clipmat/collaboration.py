"""CM: collaborative matting, where the two decoders become one matte.

Paper: Sec. 4.4, Table 11, after GFM: the semantic decoder says where, the details decoder says how much.
"""

from __future__ import annotations

import torch

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
THRESHOLD = 0.5  # a sentence whose `confidence` is lower is taken to fit nothing (not in the paper, whose sentences all fit something)


def collaborate(trimap_logits: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
    """The final alpha: `detail` where the trimap is unknown, 1 where it is foreground, 0 elsewhere.

    `trimap_logits`: (B, 3, H, W); `detail`: (B, 1, H, W) in [0, 1]. Returns (B, 1, H, W) in [0, 1].
    The class is a choice, so no gradient reaches the semantic decoder, and the details decoder learns only where the
    semantic decoder says unknown.
    """
    background, unknown, foreground = trimap_logits.detach().split(1, dim=1)  # each (B, 1, H, W)
    # Comparisons, for argmax over three channels is slow; of equal ones the first wins, as there.
    is_unknown = (unknown > background) & (unknown >= foreground)
    is_foreground = (foreground > background) & (foreground > unknown)
    return detail * is_unknown + is_foreground


def confidence(trimap_logits: torch.Tensor) -> torch.Tensor:
    """How sure the semantic decoder is that something is there: the mean probability of not being background, over the
    pixels that it does not call background; 0 where it calls all of them so. Shape (B,), in [0, 1].
    """
    something = 1 - trimap_logits.softmax(dim=1)[:, BACKGROUND]  # (B, H, W)
    region = trimap_logits[:, UNKNOWN:].amax(dim=1) > trimap_logits[:, BACKGROUND]
    return (something * region).sum(dim=(1, 2)) / region.sum(dim=(1, 2)).clamp(min=1)
