"""Coarse alphas to train the refiner on: the truth degraded, and the predictions of a trained CLIPMat.

Paper: S4.1 trains the refiner on RefMatte and does not name the coarse alphas; both kinds are ours. The first are
endless and of every sort; the second have the errors that the refiner will meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.baselines.clipmat import CLIPMatMethod
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.io.files import write_atomically
from rimlib.io.images import resize
from rimlib.matting.metrics import localised
from rimlib.refmatte.dataset import RefMatte


def degrade(alpha: np.ndarray, rng: np.random.Generator, others: Sequence[np.ndarray] = ()) -> np.ndarray:
    """A coarse alpha as a weak model might have predicted it, float32 (H, W) in [0, 1].

    The edge is moved, holes and false positives are added, the whole is shrunk to between a fifth and four fifths of
    its size, and enlarged again. A quarter is only shrunk: that is what the refiner sees from its own step before. Of
    the mattes of the image's `others` a part may be added.
    """
    height, width = alpha.shape
    coarse = alpha.copy()
    severe = rng.random() < 0.75
    if severe and rng.random() < 0.4:
        coarse = _moved(coarse, rng)
    if severe and rng.random() < 0.3:
        coarse *= 1 - _blob(alpha, rng)
    if severe and rng.random() < 0.3:
        false = _blob(np.ones_like(alpha), rng)
        if others and rng.random() < 0.6:
            false = others[int(rng.integers(len(others)))] * np.maximum(false, _blob(others[0], rng))
        coarse = np.maximum(coarse, false * np.float32(rng.uniform(0.2, 1)))
    share = np.exp(rng.uniform(np.log(0.2), np.log(0.8))) if severe else rng.uniform(0.4, 0.7)
    small = resize(coarse, (max(8, round(height * share)), max(8, round(width * share))))
    if severe and rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.5))
    if severe and rng.random() < 0.4:  # sharper or softer, up to a mask
        small = np.clip((small - rng.uniform(0.4, 0.6)) * np.exp(rng.uniform(-0.4, 2.5)) + 0.5, 0, 1).astype(np.float32)
        small[resize(coarse, small.shape) <= 0] = 0
    small = np.rint(small * 255).astype(np.float32) / 255
    return resize(small, (height, width))


class Predictions:
    """A model's mattes of some sentences, those of the right entity only: the refiner must not learn to invent.

    `alphas` are uint8 (N, S, S), at the model's size; `names` and `mask_ids` those of their images and entities.
    """

    def __init__(self, alphas: np.ndarray, names: Sequence[str], mask_ids: Sequence[str]):
        self.alphas, self.names, self.mask_ids = alphas, list(names), list(mask_ids)

    def __len__(self) -> int:
        return len(self.alphas)

    def draw(self, rng: np.random.Generator) -> tuple[str, str, np.ndarray]:
        """One of them: image's name, mask id, float32 (S, S)."""
        number = rng.integers(len(self))
        return self.names[number], self.mask_ids[number], self.alphas[number].astype(np.float32) / 255

    @classmethod
    def make(
        cls,
        model: CLIPMat,
        refmatte: RefMatte,
        images: int,
        path: Path,
        template: str = "{keyword}",
        batch: int = 16,
        progress: bool = True,
    ) -> Predictions:
        """Predict one sentence of each entity of the first `images` images.

        It is the entity's scored expression or, in the keyword setting, its keyword in the template. They are
        kept in `path` (.npz) and read from there next time. Raises RimError where no entity was found.
        """
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return cls(kept["alphas"], kept["names"].tolist(), kept["mask_ids"].tolist())
            except (OSError, ValueError, KeyError) as error:
                why = str(error).splitlines()[0]
                raise RimError(f"{path}: not the predictions of a model ({why}); delete it", path=path) from None
        method, found = CLIPMatMethod(model), []
        all_names = list(refmatte.image_names)[:images]
        for start in tqdm(
            range(0, len(all_names), batch), "coarse alphas of CLIPMat", unit="batch", disable=not progress
        ):
            part = all_names[start : start + batch]
            targets = [(number, target) for number, name in enumerate(part) for target in refmatte.targets_of(name)]
            index, sentences = [number for number, _ in targets], [refmatte.sentence(target) for _, target in targets]
            if refmatte.setting == "keyword":
                sentences = [template.format(keyword=keyword) for keyword in sentences]
            with torch.inference_mode():
                alphas, _ = method.predict([refmatte.image(name) for name in part], index, sentences)
            for (number, target), alpha in zip(targets, alphas):
                if localised(alpha, resize(refmatte.matte(target.mask_id), alpha.shape)):
                    found.append((np.rint(alpha * 255).astype(np.uint8), part[number], target.mask_id))
        if not found:
            raise RimError(
                "coarse alphas: the model found no entity of the data set; train it first, or give none",
                setting="clipmat",
            )
        arrays = {name: np.stack(values) for name, values in zip(("alphas", "names", "mask_ids"), zip(*found))}
        write_atomically(path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))
        return cls(arrays["alphas"], arrays["names"].tolist(), arrays["mask_ids"].tolist())


def _moved(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The edge moved outwards or inwards by up to a fiftieth of the longer side."""
    radius = rng.integers(1, max(2, max(alpha.shape) // 50) + 1)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return (cv2.dilate if rng.random() < 0.5 else cv2.erode)(alpha, ellipse)


def _blob(where: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A soft, bent spot, float32 (H, W) in [0, 1], its middle where `where` is above a half."""
    height, width = where.shape
    rows, columns = np.nonzero(where > 0.5)
    if not len(rows):
        return np.zeros_like(where)
    place = rng.integers(len(rows))
    y, x = np.ogrid[:height, :width]
    size = rng.uniform(0.02, 0.12, 2) * max(height, width)
    bend = cv2.resize(rng.normal(0, 0.35, (5, 5)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    far = np.sqrt(((y - rows[place]) / size[0]) ** 2 + ((x - columns[place]) / size[1]) ** 2) + bend
    return np.clip(1.5 - far, 0, 1).astype(np.float32)
