"""One image with some sentences and their mattes, and a batch of such samples.

Paper: Sec. 5.1. `samples` makes them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch


class Sample(NamedTuple):
    """One image and k sentences of it."""

    name: str  # of the image
    image: np.ndarray  # uint8 (S, S, 3)
    texts: list[str]  # k
    mattes: np.ndarray  # uint8 (k, S, S), of each sentence
    trimaps: np.ndarray  # uint8 (k, S, S), 0 background, 1 unknown, 2 foreground
    grounding: bool = False  # of one of the first steps, in which the details do not learn


@dataclass
class Batch:
    """One step's samples. Workers hand its tensors over in shared memory; `on` moves them to the model's device.

    Attributes:
        names: of the images.
        images: uint8 (B, S, S, 3).
        image_index: int64 (B k,), the image that each sentence is of.
        texts: B k sentences.
        mattes: uint8 (B k, S, S).
        trimaps: uint8 (B k, S, S), 0 background, 1 unknown, 2 foreground.
        grounding: whether the step is one of the first, in which the details do not learn.
    """

    names: list[str]
    images: torch.Tensor
    image_index: torch.Tensor
    texts: list[str]
    mattes: torch.Tensor
    trimaps: torch.Tensor
    grounding: bool = False

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def pin_memory(self) -> Batch:
        """The batch in memory from which a GPU reads while it computes (`DataLoader` calls it)."""
        fields = ("images", "image_index", "mattes", "trimaps")
        return dataclasses.replace(self, **{name: getattr(self, name).pin_memory() for name in fields})

    def on(self, device: str | torch.device) -> dict[str, torch.Tensor]:
        """The tensors on a device, scaled there: bytes travel faster.

        Returns:
            images: float32 (B, 3, S, S) in [0, 1], channels last in memory; image_index: int64 (B k,); mattes: float32
            (B k, 1, S, S) in [0, 1]; trimaps: int64 (B k, S, S).
        """
        images, index, mattes, trimaps = (
            tensor.to(device, non_blocking=True)
            for tensor in (self.images, self.image_index, self.mattes, self.trimaps)
        )
        return {
            "images": images.permute(0, 3, 1, 2).float() / 255,  # (B, 3, S, S)
            "image_index": index,
            "mattes": mattes[:, None].float() / 255,  # (B k, 1, S, S)
            "trimaps": trimaps.long(),
        }
