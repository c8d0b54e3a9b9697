"""The refiner's training data: crops of scenes, at several sizes.

Paper: S4.1 trains the refiner with P3M's settings: windows of several sizes, brought to one, around an edge.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch

from rimlib import profile as profiles
from rimlib.io.images import resize
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment
from rimlib.training.batches import Key
from rimlib.training.coarse import Predictions, degrade
from rimlib.training.pixels import CLASSES

Tensors = dict[str, torch.Tensor]


class Crops:
    """Crops of scenes, each with a true matte and a coarse one; read from the files as they are needed.

    The images of an epoch decide which scenes; of a coarse alpha that CLIPMat predicted, chance does.
    """

    def __init__(self, refmatte: RefMatte, predictions: Predictions | None, settings: profiles.Refiner, seed: int):
        self.refmatte, self.predictions, self.settings, self.seed = refmatte, predictions, settings, seed

    def shape(self, step: int) -> tuple[int, int]:
        """The side of a step's crops in pixels, and how many it has."""
        return self.settings.crops[step % len(self.settings.crops)]

    def __getitem__(self, key: Key) -> Crop:
        """A crop of the image of a key, of the side of its step."""
        side = self.shape(key.step)[0]
        rng = np.random.default_rng([self.seed, key.epoch, key.index])
        coarse, others = None, []
        if self.predictions and rng.random() < self.settings.predicted:
            name, mask_id, coarse = self.predictions.draw(rng)
            truth = self.refmatte.matte(mask_id)
        else:
            name = self.refmatte.image_names[key.index]
            targets = self.refmatte.targets_of(name)
            order = rng.permutation(len(targets))[:2]
            truth, *others = [self.refmatte.matte(targets[number].mask_id) for number in order]
        image = augment.photometric(self.refmatte.image(name), rng, self.settings.noise)
        scale = self._scale(rng, side, min(truth.shape))
        trimap = self._trimap(truth, rng) if self.settings.trimap_at == "image" else None
        height, width = (max(side, round(length * scale)) for length in truth.shape)
        image, truth, *others = (resize(array, (height, width)) for array in (image, truth, *others))
        coarse = degrade(truth, rng, others) if coarse is None else resize(coarse, (height, width))
        top, left = _place(truth, coarse, side, self.settings.around, rng)
        window = slice(top, top + side), slice(left, left + side)
        flip = -1 if rng.random() < 0.5 else 1
        image, coarse, truth = (np.ascontiguousarray(array[window][:, ::flip]) for array in (image, coarse, truth))
        if trimap is None:
            classes = self._trimap(truth, rng)
        else:
            trimap = cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)  # as P3M does
            classes = np.ascontiguousarray(trimap[window][:, ::flip])
        return Crop(name, image, coarse, truth, classes)

    def _scale(self, rng: np.random.Generator, side: int, most: int) -> float:
        """Of the scene, before a crop of `side` pixels is taken; a window larger than `most` has that side instead."""
        if self.settings.windows:
            window = float(rng.choice(self.settings.windows))
            return side / window if window <= most else 1.0
        low, high = np.log(self.settings.scales)
        return float(rng.uniform(1, 2) if rng.random() < self.settings.larger else np.exp(rng.uniform(low, high)))

    def _trimap(self, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        kernel, most = self.settings.trimap_kernel, self.settings.trimap_kernel_most
        if most is not None:
            kernel += 2 * int(rng.integers((most - kernel) // 2 + 1))
        return CLASSES[trimap_from_alpha(truth, kernel)]


class Crop(NamedTuple):
    """A crop: the name of its image, pixels uint8 (S, S, 3), coarse and true matte float32 (S, S), trimap uint8."""

    name: str
    image: np.ndarray
    coarse: np.ndarray
    matte: np.ndarray
    trimap: np.ndarray


class CropBatch:
    """Crops as tensors: images uint8 (B, S, S, 3), coarse and mattes float32 (B, 1, S, S), trimaps uint8 (B, S, S)."""

    def __init__(self, crops: list[Crop]):
        self.names = [crop.name for crop in crops]
        stacked = [torch.from_numpy(np.stack(arrays)) for arrays in list(zip(*crops))[1:]]
        self.images, self.coarse, self.mattes, self.trimaps = stacked
        self.coarse, self.mattes = self.coarse[:, None], self.mattes[:, None]

    def __len__(self) -> int:
        return len(self.images)

    def on(self, device: torch.device) -> Tensors:
        """On a device; images float (B, 3, S, S) in [0, 1], trimaps int64."""
        images = self.images.to(device).permute(0, 3, 1, 2).float() / 255
        more = {"coarse": self.coarse.to(device), "mattes": self.mattes.to(device)}
        return {"images": images, **more, "trimaps": self.trimaps.to(device).long()}


def _place(
    truth: np.ndarray, coarse: np.ndarray, side: int, around: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Top and left of a crop: by the chance `around` an edge or an error of the coarse alpha, else anywhere."""
    room = [length - side for length in truth.shape]
    rows, columns = np.nonzero((np.abs(truth - coarse) > 0.2) | (truth > 0.05) & (truth < 0.95))
    if len(rows) and rng.random() < around:
        number = rng.integers(len(rows))
        starts = [middle - rng.integers(side // 4, 3 * side // 4) for middle in (rows[number], columns[number])]
        return int(np.clip(starts[0], 0, room[0])), int(np.clip(starts[1], 0, room[1]))
    return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
