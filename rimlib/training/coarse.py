"""Coarse alphas for the refiner to learn from: the truth made worse, and what a trained CLIPMat said.

Paper: S4.1 trains the refiner on RefMatte and does not say from which coarse alphas; both kinds are ours. The first are endless
and of every sort; the second have the faults that the refiner will meet.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from rimlib.errors import RimError
from rimlib.io.images import resize


def worsen(alpha: np.ndarray, rng: np.random.Generator, others: list[np.ndarray] = ()) -> np.ndarray:
    """A coarse alpha as a weak model might have given it, float32 (H, W) in [0, 1].

    alpha: float32 (H, W), the truth; others: mattes of the picture's other entities, of which a part may be taken along. The edge
    is moved, holes and ghosts are added, the whole is shrunk to between a fifth and four fifths of its size, and enlarged again.
    A quarter is only shrunk: that is what the refiner sees from its own step before.
    """
    height, width = alpha.shape
    coarse = alpha.copy()
    severe = rng.random() < 0.75
    if severe and rng.random() < 0.4:
        coarse = _moved(coarse, rng)
    if severe and rng.random() < 0.3:
        coarse *= 1 - _blob(alpha, rng)
    if severe and rng.random() < 0.3:
        ghost = _blob(np.ones_like(alpha), rng)
        if others and rng.random() < 0.6:
            ghost = others[rng.integers(len(others))] * np.maximum(ghost, _blob(others[0], rng))
        coarse = np.maximum(coarse, ghost * np.float32(rng.uniform(0.2, 1)))
    share = np.exp(rng.uniform(np.log(0.2), np.log(0.8))) if severe else rng.uniform(0.4, 0.7)
    small = resize(coarse, (max(8, round(height * share)), max(8, round(width * share))))
    if severe and rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.5))
    if severe and rng.random() < 0.4:  # a sharper answer or a more doubtful one, up to a mask
        small = np.clip((small - rng.uniform(0.4, 0.6)) * np.exp(rng.uniform(-0.4, 2.5)) + 0.5, 0, 1).astype(np.float32)
        small[resize(coarse, small.shape) <= 0] = 0
    small = np.rint(small * 255).astype(np.float32) / 255
    return resize(small, (height, width))


class Predictions:
    """What a model said about some sentences of a data set: only where it found the right entity, or the refiner would learn to invent.

    alphas: uint8 (N, S, S), at the model's size; of_image: the numbers of an image's rows, by its name; mask_ids: (N,).
    """

    def __init__(self, alphas: np.ndarray, names: list[str], mask_ids: list[str]):
        self.alphas, self.mask_ids = alphas, list(mask_ids)
        self.names = list(names)
        self.of_image: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            self.of_image.setdefault(name, []).append(number)

    def __len__(self) -> int:
        return len(self.alphas)

    def draw(self, rng: np.random.Generator) -> tuple[str, str, np.ndarray]:
        """One of them: image's name, mask id, float32 (S, S)."""
        number = rng.integers(len(self))
        return self.names[number], self.mask_ids[number], self.alphas[number].astype(np.float32) / 255

    @classmethod
    def make(cls, model, refmatte, images: int, path: Path, batch: int = 16, progress: bool = True) -> Predictions:
        """Ask `model`, a CLIPMat, about the first `images` images, one expression of each entity.

        What it says is kept in `path` (.npz) and read from there next time. Raises RimError where it found nothing.
        """
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as kept:
                    return cls(kept["alphas"], kept["names"].tolist(), kept["mask_ids"].tolist())
            except (OSError, ValueError, KeyError) as error:
                raise RimError(
                    f"{path}: not the predictions of a model ({str(error).splitlines()[0]}); delete it"
                ) from None
        import torch
        from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

        from rimlib.evaluation.evaluate import predict
        from rimlib.io.files import write_atomically
        from rimlib.matting.metrics import localised

        names, found = list(refmatte.image_names)[:images], []
        device = next(model.parameters()).device
        for start in tqdm(
            range(0, len(names), batch), desc="coarse alphas of CLIPMat", unit="batch", disable=not progress
        ):
            part = names[start : start + batch]
            asked = [(number, target) for number, name in enumerate(part) for target in refmatte.targets_of(name)]
            with torch.inference_mode():
                alphas, _ = predict(
                    model,
                    [refmatte.image(name) for name in part],
                    [number for number, _ in asked],
                    [refmatte.sentence(target) for _, target in asked],
                    device,
                )
            for (number, target), alpha in zip(asked, alphas):
                if localised(alpha, resize(refmatte.matte(target.mask_id), alpha.shape)):
                    found.append((np.rint(alpha * 255).astype(np.uint8), part[number], target.mask_id))
        if not found:
            raise RimError(
                "coarse alphas: the model found no entity of the data set; train it first, or use the worsened truth alone"
            )
        alphas, names, mask_ids = zip(*found)
        write_atomically(
            path,
            lambda stream: np.savez(
                stream, alphas=np.stack(alphas), names=np.array(names), mask_ids=np.array(mask_ids)
            ),
        )
        return cls(np.stack(alphas), names, mask_ids)


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
