"""How good a model is on images that a training leaves out.

Not in the paper, which names no validation set: RefMatte has none, so some of the training images are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from rimlib.training.batches import Key
from rimlib.training.task import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TOGETHER = 8  # images
LATER = 2**31  # a step after the first ones, which may have other sentences


def scores(
    task: Task, model: nn.Module, indices: Sequence[int] | np.ndarray, fabric: Fabric
) -> tuple[dict[str, float], np.ndarray | None]:
    """The means of `Task.scores` over images, and the figure of the first ones.

    Each image is as in its first epoch, so that the same sentences are scored each time. The images are few: each
    device scores them all. The model is left in evaluation mode.
    """
    sums: dict[str, float] = {}
    figure = None
    model.eval()
    with torch.no_grad():
        for start in range(0, len(indices), TOGETHER):
            keys = [Key(0, int(index), LATER) for index in indices[start : start + TOGETHER]]
            batch = task.collate([task.dataset[key] for key in keys])
            with fabric.autocast():
                found = task.scores(model, batch, fabric)
            sums = {name: sums.get(name, 0.0) + value.item() * len(keys) for name, value in found.items()}
            figure = figure if start else task.figure(model, batch, fabric.device)
    return {name: round(value / len(indices), 5) for name, value in sums.items()}, figure
