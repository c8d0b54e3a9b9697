"""Training the refiner on a RefMatte data set.

Paper: S4.1: trained on RefMatte with P3M's settings. The loss is P3M's: cross-entropy of the trimap, of the decoder and
of its three guesses on the way; alpha and Laplacian loss of the detail where the trimap is unknown, and of the final
alpha everywhere. Its composition loss is left out, as in CLIPMat. Ours: the coarse alphas (see `coarse`), a thin
network, minutes instead of days.

    python -m rimlib.training.refiner --data DATA --out run
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from rimlib import profile as profiles
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import Output, Refiner
from rimlib.io.images import resize
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment, loop, record, state
from rimlib.training.coarse import Predictions, degrade
from rimlib.training.fit import Task, fit
from rimlib.training.pixels import CLASSES

# P3M's, as its code has them; "sides" is for the sum over the three.
LOSSES = {"ce": 0.5, "alpha_unknown": 2.0, "laplacian_unknown": 2.0, "alpha": 3.0, "laplacian": 3.0, "score_map": 0.0}
SIDES = 1 / 6
NETWORK = ("widths", "blocks", "follow")  # of the settings, those of the network
Tensors = dict[str, torch.Tensor]


def train(
    profile: Profile, data: str | Path, out: str | Path, clipmat: str | Path = "shipped", **options: Any
) -> dict[str, Any]:
    """Train the profile's refiner; `out/refiner.safetensors` is the model and `out/refine.json` the record.

    Args:
        profile: its `refiner` has the settings.
        data: the folder of a RefMatte data set.
        out: folder of the run.
        clipmat: whose predictions to refine: "shipped", the path of a checkpoint, or "none".
        options: of `fit.fit`, which returns the record.
    """
    task = Training(profile, RefMatte(data, "train"), clipmat, Path(out), options.get("progress", True))
    return fit(task, out, **options)


class Training(Task):
    """The refiner's training, a step at a time. The coarse alphas of `clipmat`, as in `train`, are kept in `out`."""

    kind, name, log_every, shown = "refine", "refiner", 20, ("alpha", "coarse")

    def __init__(self, profile: Profile, refmatte: RefMatte, clipmat: str | Path, out: Path, progress: bool):
        super().__init__(profile, refmatte, profile.refiner, clipmat, profile.refiner.seed)
        self.clipmat, self.out, self.progress = clipmat, out, progress

    @property
    def settings(self) -> dict[str, Any]:
        whole = self.profile.to_dict()["refiner"]
        network = {name: whole.pop(name) for name in NETWORK}
        return {"model": network, "train": whole, "losses": {**LOSSES, "sides": SIDES}}

    def build(self) -> Refiner:
        return Refiner.from_profile(self.profile)

    def begin(self, refiner: Refiner, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        with stages("predictions"):
            predictions = self._predictions(device)
        self.crops = Crops(self.samples, predictions, self.profile.refiner)
        parameters = sum(value.numel() for value in refiner.parameters())
        return {"parameters": parameters, "predictions": len(predictions) if predictions else 0}

    def prepare(self, refiner: Refiner, step: int) -> Tensors:
        return self.crops.batch(self.rng(step), step)

    def images(self, batch: Tensors) -> int:
        return len(batch["images"])

    def losses(self, refiner: Refiner, batch: Tensors, device: torch.device) -> Tensors:
        inputs = {name: value.to(device) for name, value in batch.items()}
        images = inputs["images"].permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
        with loop.autocast(device):
            output = refiner(images, inputs["coarse"])
        losses = refiner_loss(output, inputs["mattes"], inputs["trimaps"].long())
        # The error of the coarse alpha, beside that of the refined one: is it smaller?
        return {**losses, "coarse": (inputs["coarse"] - inputs["mattes"]).abs().mean()}

    def store(self, refiner: Refiner, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        refiner.save(path, half=False, data=self.samples.fingerprint, **metrics)

    def _predictions(self, device: torch.device) -> Predictions | None:
        images = self.profile.refiner.predictions
        if self.clipmat == "none" or not images:
            return None
        model = CLIPMat.shipped() if self.clipmat == "shipped" else CLIPMat.load(self.clipmat)
        weights = sorted(value.double().sum().item() for value in model.parameters())
        path = self.out / f"predictions-{state.settings_key(self.samples.fingerprint, images, weights)}.npz"
        return Predictions.make(model.to(device), self.samples, images, path, progress=self.progress)


class Crops:
    """Batches of crops of scenes, each with a true matte and a coarse one; read from the files as they are needed."""

    def __init__(self, refmatte: RefMatte, predictions: Predictions | None, settings: profiles.Refiner):
        self.refmatte, self.predictions, self.settings = refmatte, predictions, settings

    def batch(self, rng: np.random.Generator, step: int) -> Tensors:
        """A batch: images uint8 (B, S, S, 3), coarse and mattes float32 (B, 1, S, S), trimaps uint8 (B, S, S)."""
        side, count = self.settings.crops[step % len(self.settings.crops)]
        images, coarse, mattes, trimaps = zip(*(self.crop(rng, side) for _ in range(count)))
        arrays = {"images": images, "coarse": coarse, "mattes": mattes, "trimaps": trimaps}
        batch = {name: torch.from_numpy(np.stack(parts)) for name, parts in arrays.items()}
        return {**batch, "coarse": batch["coarse"][:, None], "mattes": batch["mattes"][:, None]}

    def crop(self, rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Image uint8 (S, S, 3), coarse and true matte float32 (S, S), trimap's classes uint8 (S, S)."""
        coarse, others = None, []
        if self.predictions and rng.random() < self.settings.predicted:
            name, mask_id, coarse = self.predictions.draw(rng)
            truth = self.refmatte.matte(mask_id)
        else:
            name = self.refmatte.image_names[rng.integers(len(self.refmatte.image_names))]
            targets = self.refmatte.targets_of(name)
            order = rng.permutation(len(targets))[:2]
            truth, *others = [self.refmatte.matte(targets[number].mask_id) for number in order]
        image = augment.photometric(self.refmatte.image(name), rng, self.settings.noise)
        scale = self._scale(rng, side)
        trimap = self._trimap(truth, rng) if self.settings.trimap_at == "image" else None
        height, width = (max(side, round(length * scale)) for length in truth.shape)
        image, truth, *others = (resize(array, (height, width)) for array in (image, truth, *others))
        coarse = degrade(truth, rng, others) if coarse is None else resize(coarse, (height, width))
        top, left = _place(truth, coarse, side, rng)
        window = slice(top, top + side), slice(left, left + side)
        flip = -1 if rng.random() < 0.5 else 1
        image, coarse, truth = (np.ascontiguousarray(array[window][:, ::flip]) for array in (image, coarse, truth))
        if trimap is None:
            return image, coarse, truth, self._trimap(truth, rng)
        trimap = cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)  # as P3M does
        return image, coarse, truth, np.ascontiguousarray(trimap[window][:, ::flip])

    def _scale(self, rng: np.random.Generator, side: int) -> float:
        """Of the scene, before a crop of `side` pixels is taken."""
        if self.settings.windows:
            return side / float(rng.choice(self.settings.windows))
        low, high = np.log(self.settings.scales)
        return float(rng.uniform(1, 2) if rng.random() < self.settings.larger else np.exp(rng.uniform(low, high)))

    def _trimap(self, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        kernel, most = self.settings.trimap_kernel, self.settings.trimap_kernel_most
        if most is not None:
            kernel += 2 * int(rng.integers((most - kernel) // 2 + 1))
        return CLASSES[trimap_from_alpha(truth, kernel)]


def refiner_loss(output: Output, mattes: torch.Tensor, trimaps: torch.Tensor) -> Tensors:
    """The parts of P3M's loss and their weighted sum, "total"; `mattes` and `trimaps` as in `Batch.on`."""
    losses = clipmat_loss(output, mattes, trimaps, LOSSES)
    sides = torch.stack([F.cross_entropy(side, trimaps) for side in output.sides]).sum()
    return {**losses, "sides": sides, "total": losses["total"] + SIDES * sides}


def _place(truth: np.ndarray, coarse: np.ndarray, side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a crop: mostly around an edge or an error of the coarse alpha, sometimes anywhere."""
    room = [length - side for length in truth.shape]
    rows, columns = np.nonzero((np.abs(truth - coarse) > 0.2) | (truth > 0.05) & (truth < 0.95))
    if len(rows) and rng.random() < 0.9:
        number = rng.integers(len(rows))
        starts = [middle - rng.integers(side // 4, 3 * side // 4) for middle in (rows[number], columns[number])]
        return int(np.clip(starts[0], 0, room[0])), int(np.clip(starts[1], 0, room[1]))
    return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim refine`. Returns the exit status."""
    parser = loop.command("refine", "Train the refiner on a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--clipmat", default="shipped", help="whose mattes to refine: shipped, a checkpoint, or none")
    return loop.run_training(train, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
