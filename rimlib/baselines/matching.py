"""What MDETR is trained on: one query is to be the referred thing, all others nothing.

Kamath et al., Sec. 2.2 and 3.2, after DETR, Eq. 1 to 3. The queries and the things of a sentence are matched one to one at
the least cost, and the losses are of the matched pairs. A sentence of ours speaks of one thing or, where the matte is
empty, of none. The box comes from the matte, and the masks are held against the matte itself, soft as it is.
"""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import box_convert, generalized_box_iou, sigmoid_focal_loss

COSTS = {"tokens": 1.0, "box": 5.0, "giou": 2.0}
WEIGHTS = {**COSTS, "focal": 1.0, "dice": 1.0}  # of the losses; those of MDETR and of DETR's masks
NOTHING = 0.1  # weight of the unmatched queries: there are 99 of them
VISIBLE = 0.1  # alpha; what is fainter neither makes a thing nor widens its box


def boxes_of(alphas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`alphas`: float (B, 1, S, S). Returns the boxes round what is visible, float32 (B, 4), centre x, centre y, width and height
    as shares of the side, and bool (B,), whether anything is.
    """
    seen = alphas[:, 0] > VISIBLE  # (B, S, S)

    def span(line: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        length = line.shape[1]
        first = line.int().argmax(dim=1)
        last = length - line.flip(1).int().argmax(dim=1)
        return first / length, last / length

    (left, right), (top, bottom) = span(seen.any(dim=1)), span(seen.any(dim=2))
    corners = torch.stack([left, top, right, bottom], dim=1)  # (B, 4)
    return box_convert(corners, "xyxy", "cxcywh"), seen.flatten(1).any(dim=1)


def costs(logits: torch.Tensor, boxes: torch.Tensor, tokens: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """What it costs to take each query for each thing, (Q, T).

    `logits`: (Q, K), over the sentence's tokens and, last, nothing; `boxes`: (Q, 4); `tokens`: (T, K), the share of
    each token in naming a thing; `truths`: (T, 4). Boxes as `boxes_of` gives them.
    """
    named = -logits.softmax(dim=1) @ tokens.T
    far = torch.cdist(boxes, truths, p=1)
    apart = -generalized_box_iou(*(box_convert(b, "cxcywh", "xyxy") for b in (boxes, truths)))
    return COSTS["tokens"] * named + COSTS["box"] * far + COSTS["giou"] * apart


def assign(cost) -> tuple[np.ndarray, np.ndarray]:
    """The Hungarian matching: numbers of queries and of things, in pairs, whose costs have the least sum.

    >>> assign(torch.tensor([[3.0, 1.0], [2.0, 9.0], [5.0, 5.0]]))
    (array([0, 1]), array([1, 0]))
    """
    from scipy.optimize import linear_sum_assignment

    # A cost that is not a number would stop the run here, where nobody could say why.
    return linear_sum_assignment(np.nan_to_num(torch.as_tensor(cost).detach().float().cpu().numpy(), nan=1e6))


def match(
    logits: torch.Tensor, boxes: torch.Tensor, tokens: torch.Tensor, truths: torch.Tensor, present: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which query is whose: the rows of the batch that have a thing, and the query of each, both int64 (M,).

    `logits`: (B, Q, K); `boxes`: (B, Q, 4); `tokens`: (B, K); `truths`: (B, 4); `present`: bool (B,).
    """
    rows = present.nonzero()[:, 0]
    chosen = [
        int(assign(costs(logits[row], boxes[row], tokens[row, None], truths[row, None]))[0][0]) for row in rows.tolist()
    ]
    return rows, torch.tensor(chosen, dtype=torch.int64, device=logits.device)


def set_losses(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    tokens: torch.Tensor,
    truths: torch.Tensor,
    rows: torch.Tensor,
    chosen: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """`tokens` (soft cross-entropy over the sentence's tokens), `box` (L1) and `giou`, each a sum over the number of things."""
    number = max(len(rows), 1)
    aim = torch.zeros_like(logits)
    aim[..., -1] = 1  # nothing
    aim[rows, chosen] = tokens[rows]
    weight = torch.full(logits.shape[:2], NOTHING, dtype=logits.dtype, device=logits.device)
    weight[rows, chosen] = 1
    named = -(aim * logits.log_softmax(dim=2)).sum(dim=2) * weight  # (B, Q)
    found, true = boxes[rows, chosen], truths[rows]  # (M, 4)
    overlap = generalized_box_iou(*(box_convert(b, "cxcywh", "xyxy") for b in (found, true))).diagonal()
    return {
        "tokens": named.sum() / number,
        "box": (found - true).abs().sum() / number,
        "giou": (1 - overlap).sum() / number,
    }


def mask_losses(logits: torch.Tensor, alphas: torch.Tensor) -> dict[str, torch.Tensor]:
    """`focal` and `dice` of the matched queries' masks; `logits`, `alphas`: (M, 1, S, S); 0 where there is none."""
    number = max(len(logits), 1)
    focal = sigmoid_focal_loss(logits, alphas, alpha=0.25, gamma=2).flatten(1).mean(dim=1) if len(logits) else logits
    p, a = logits.sigmoid().flatten(1), alphas.flatten(1)  # (M, S S)
    dice = 1 - (2 * (p * a).sum(dim=1) + 1) / (p.sum(dim=1) + a.sum(dim=1) + 1)
    return {"focal": focal.sum() / number, "dice": dice.sum() / number}
