"""MDETR's losses: one query is matched with the referent, all others with "no object".

Kamath et al., Sec. 2.2 and 3.2, after DETR, Eq. 1 to 3. The queries and the objects of a sentence are matched one to
one at the least cost, and the losses are those of the matched pairs. A sentence of RefMatte refers to one entity or,
where the matte is empty, to none. The box comes from the matte, and the masks are compared with the matte itself.
"""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import box_convert, generalized_box_iou, sigmoid_focal_loss

from rimlib.errors import require

COSTS = {"tokens": 1.0, "box": 5.0, "giou": 2.0}
WEIGHTS = {**COSTS, "focal": 1.0, "dice": 1.0}  # of the losses; those of MDETR and of DETR's masks
NO_OBJECT_WEIGHT = 0.1  # of the unmatched queries, which are 99 of 100
VISIBLE = 0.1  # alpha; what is fainter neither makes an object nor widens its box


def boxes_of(alphas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The boxes of mattes, float (B, 1, S, S), and whether anything is visible in each, bool (B,).

    Boxes are float32 (B, 4): centre x, centre y, width and height as shares of the side.
    """
    visible = alphas[:, 0] > VISIBLE  # (B, S, S)

    def span(line: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        length = line.shape[1]
        first = line.int().argmax(dim=1)
        last = length - line.flip(1).int().argmax(dim=1)
        return first / length, last / length

    (left, right), (top, bottom) = span(visible.any(dim=1)), span(visible.any(dim=2))
    corners = torch.stack([left, top, right, bottom], dim=1)  # (B, 4)
    return box_convert(corners, "xyxy", "cxcywh"), visible.flatten(1).any(dim=1)


def costs(logits: torch.Tensor, boxes: torch.Tensor, tokens: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
    """The cost of matching each query with each object, (Q, T).

    logits: (Q, K), over the sentence's tokens and, last, "no object"; boxes: (Q, 4); tokens: (T, K), the target
    distribution over tokens of each object; truths: (T, 4). Boxes as of `boxes_of`.
    """
    token_cost = -logits.softmax(dim=1) @ tokens.T
    l1 = torch.cdist(boxes, truths, p=1)
    return COSTS["tokens"] * token_cost + COSTS["box"] * l1 - COSTS["giou"] * _giou(boxes, truths)


def assign(cost: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Hungarian matching: the pairs of a query and an object, by their numbers, whose costs have the least sum.

    >>> assign(torch.tensor([[3.0, 1.0], [2.0, 9.0], [5.0, 5.0]]))
    (array([0, 1]), array([1, 0]))
    """
    optimize = require("scipy.optimize", "baselines")
    # A cost that is not finite would raise here; the loss, which is not finite either, is handled by the training loop.
    return optimize.linear_sum_assignment(np.nan_to_num(torch.as_tensor(cost).detach().float().cpu().numpy(), nan=1e6))


def match(
    logits: torch.Tensor, boxes: torch.Tensor, tokens: torch.Tensor, truths: torch.Tensor, present: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of the batch that have an object, and the query matched with each, both int64 (M,).

    logits: (B, Q, K); boxes: (B, Q, 4); tokens: (B, K); truths: (B, 4); present: bool (B,).
    """
    rows = present.nonzero()[:, 0]
    queries = [
        int(assign(costs(logits[row], boxes[row], tokens[row, None], truths[row, None]))[0][0]) for row in rows.tolist()
    ]
    return rows, torch.tensor(queries, dtype=torch.int64, device=logits.device)


def set_losses(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    tokens: torch.Tensor,
    truths: torch.Tensor,
    rows: torch.Tensor,
    queries: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """`tokens` (soft cross-entropy), `box` (L1) and `giou`, each a sum over the number of objects."""
    number = max(len(rows), 1)
    target = torch.zeros_like(logits)
    target[..., -1] = 1  # no object
    target[rows, queries] = tokens[rows]
    weight = torch.full(logits.shape[:2], NO_OBJECT_WEIGHT, dtype=logits.dtype, device=logits.device)
    weight[rows, queries] = 1
    cross_entropy = -(target * logits.log_softmax(dim=2)).sum(dim=2) * weight  # (B, Q)
    matched, true = boxes[rows, queries], truths[rows]  # (M, 4)
    return {
        "tokens": cross_entropy.sum() / number,
        "box": (matched - true).abs().sum() / number,
        "giou": (1 - _giou(matched, true).diagonal()).sum() / number,
    }


def mask_losses(logits: torch.Tensor, alphas: torch.Tensor) -> dict[str, torch.Tensor]:
    """`focal` and `dice` of the matched queries' masks; logits, alphas: (M, 1, S, S); 0 where there is none."""
    number = max(len(logits), 1)
    focal = sigmoid_focal_loss(logits, alphas, alpha=0.25, gamma=2).flatten(1).mean(dim=1) if len(logits) else logits
    p, a = logits.sigmoid().flatten(1), alphas.flatten(1)  # (M, S S)
    dice = 1 - (2 * (p * a).sum(dim=1) + 1) / (p.sum(dim=1) + a.sum(dim=1) + 1)
    return {"focal": focal.sum() / number, "dice": dice.sum() / number}


def _giou(boxes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return generalized_box_iou(*(box_convert(part, "cxcywh", "xyxy") for part in (boxes, others)))
