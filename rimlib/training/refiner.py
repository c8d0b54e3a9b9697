"""Training the refiner on a RefMatte data set.

Paper: S4.1: trained on RefMatte with P3M's settings. The loss is P3M's: cross-entropy of the trimap, of the decoder's answer and of
its three guesses on the way; alpha and Laplacian loss of the detail where the trimap is unknown, and of the final alpha everywhere.
Its composition loss is left out, as in CLIPMat. Ours: the coarse alphas (see `coarse`), a thin network, minutes instead of days.

    python -m rimlib.training.refiner --data DATA --out run --minutes 30
"""

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.refiner import Refiner
from rimlib.io.images import resize
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.profile import Train
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import augment, loop, state
from rimlib.training.coarse import Predictions, worsen
from rimlib.training.fit import Task, fit
from rimlib.training.samples import CLASSES

# P3M's, as its code has them; "sides" is for the sum over the three.
WEIGHTS = {
    "ce": 1 / 2,
    "alpha_unknown": 2.0,
    "laplacian_unknown": 2.0,
    "alpha": 3.0,
    "laplacian": 3.0,
    "match": 0.0,
    "sides": 1 / 6,
}
NUMBERS = ("lr", "weight_decay", "clip_norm", "ema", "warmup", "checkpoint_seconds")  # of the settings, for the loop


@dataclass(frozen=True)
class Settings:
    """How the refiner is trained."""

    crops: tuple[tuple[int, int], ...] = ((128, 8), (192, 4))  # (side in pixels, how many in a batch), in turns
    scales: tuple[float, float] = (0.5, 1.0)  # of the scene, before it is cropped …
    larger: float = 0.15  # … and how many crops are of a scene enlarged to at most twice
    predictions: int = 2500  # images whose mattes the model is asked for, beforehand
    predicted: float = 0.4  # of the coarse alphas that are the model's, the rest are made from the truth
    trimap_kernel: int = 7  # pixels of the crop
    lr: float = 4e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.998
    warmup: float = 0.02
    noise: float = 0.4  # see augment.photometric
    checkpoint_seconds: float = 60.0
    seed: int = 1


def train(
    data,
    out,
    minutes=None,
    steps=None,
    settings=Settings(),
    clipmat="shipped",
    refiner=None,
    resume=True,
    progress=True,
    device=None,
) -> dict:
    """Train a refiner; `out/refiner.safetensors` is the model and `out/refine.json` the record, which is returned.

    data: the folder of a RefMatte data set; minutes, steps: how long; clipmat: whose predictions to refine, "shipped", the path of a
    checkpoint, or "none"; refiner: an untrained `Refiner`, the thin one if None; resume: go on from an interrupted run in `out`, and
    leave one alone that is complete. Raises RimError as `train.train` does. Ctrl-C stores the state and passes on.
    """
    torch.manual_seed(settings.seed)
    task = Training(
        RefMatte(data, "train"), Refiner.tiny() if refiner is None else refiner, settings, clipmat, Path(out), progress
    )
    return fit(task, out, minutes, steps, resume, progress, device)


class Training(Task):
    """The refiner's training, a step at a time. out: where the coarse alphas of `clipmat`, as in `train`, are kept."""

    kind, name, log_every, shown = "refine", "refiner", 20, ("alpha", "coarse")

    def __init__(self, refmatte, refiner, settings: Settings, clipmat, out: Path, progress: bool):
        numbers = Train(
            minutes=None, optimizer="adamw", schedule="cosine", **{name: getattr(settings, name) for name in NUMBERS}
        )
        super().__init__(None, refmatte, train=numbers, seed=settings.seed)
        self.refiner, self.how, self.clipmat, self.out, self.progress = refiner, settings, clipmat, out, progress

    @property
    def settings(self) -> dict:
        # As they are read back from JSON, which has no tuples.
        plain = {name: np.array(value).tolist() for name, value in dataclasses.asdict(self.how).items()}
        return {"refiner": self.refiner.settings, "train": plain, "weights": WEIGHTS}

    @property
    def key(self) -> str:
        return state.settings_key(
            self.name,
            self.refiner.settings,
            {**self.settings["train"], "checkpoint_seconds": None},
            self.samples.fingerprint,
            Path(self.clipmat).name,
        )

    def build(self) -> Refiner:
        return self.refiner

    def begin(self, refiner, device, stages) -> dict:
        with stages("predictions"):
            predictions = _predictions(self.clipmat, self.samples, self.how, self.out, self.progress, device)
        self.crops = Crops(self.samples, predictions, self.how)
        return {
            "clipmat": Path(self.clipmat).name,
            "parameters": sum(value.numel() for value in refiner.parameters()),
            "predictions": len(predictions) if predictions else 0,
        }

    def prepare(self, refiner, step):
        return self.crops.batch(step)

    def images(self, batch) -> int:
        return len(batch["pictures"])

    def losses(self, refiner, batch, device) -> dict[str, torch.Tensor]:
        inputs = {name: value.to(device) for name, value in batch.items()}
        images = inputs["pictures"].permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
        with loop.autocast(device):
            output = refiner(images, inputs["coarse"])
        losses = refiner_loss(output, inputs["mattes"], inputs["trimaps"].long())
        # What the coarse alpha is off by, beside what the answer is: is the answer the better one?
        return {**losses, "coarse": (inputs["coarse"] - inputs["mattes"]).abs().mean()}

    def store(self, refiner, path, minutes, steps, metrics) -> None:
        refiner.save(path, half=False, data=self.samples.fingerprint, **metrics)


class Crops:
    """Batches of crops of scenes, each with a true matte and a coarse one; read from the files as they are needed."""

    def __init__(self, refmatte, predictions: Predictions | None, settings: Settings):
        self.refmatte, self.predictions, self.settings = refmatte, predictions, settings

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step; its number decides it, so that an interrupted run sees what it would have seen.

        pictures: uint8 (B, S, S, 3); coarse, mattes: float32 (B, 1, S, S); trimaps: uint8 (B, S, S), 0 background, 1 unknown, 2 foreground.
        """
        rng = np.random.default_rng([self.settings.seed, step])
        side, count = self.settings.crops[step % len(self.settings.crops)]
        pictures, coarse, mattes = zip(*(self.crop(rng, side) for _ in range(count)))
        trimaps = [CLASSES[trimap_from_alpha(matte, self.settings.trimap_kernel)] for matte in mattes]
        return {
            "pictures": torch.from_numpy(np.stack(pictures)),
            "coarse": torch.from_numpy(np.stack(coarse))[:, None],
            "mattes": torch.from_numpy(np.stack(mattes))[:, None],
            "trimaps": torch.from_numpy(np.stack(trimaps)),
        }

    def crop(self, rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture uint8 (S, S, 3), coarse and true matte float32 (S, S)."""
        if self.predictions and rng.random() < self.settings.predicted:
            name, mask_id, coarse = self.predictions.draw(rng)
            truth, others = self.refmatte.matte(mask_id), []
        else:
            coarse, name = None, self.refmatte.image_names[rng.integers(len(self.refmatte.image_names))]
            targets = list(rng.permutation(self.refmatte.targets_of(name)))
            truth, *others = [self.refmatte.matte(target.mask_id) for target in targets[:2]]
        picture = augment.photometric(self.refmatte.image(name), rng, self.settings.noise)
        low, high = self.settings.scales
        scale = (
            rng.uniform(1, 2) if rng.random() < self.settings.larger else np.exp(rng.uniform(np.log(low), np.log(high)))
        )
        size = tuple(max(side, round(length * scale)) for length in truth.shape)
        picture, truth = resize(picture, size), resize(truth, size)
        coarse = (
            worsen(truth, rng, [resize(other, size) for other in others]) if coarse is None else resize(coarse, size)
        )
        top, left = _place(truth, coarse, side, rng)
        flip = -1 if rng.random() < 0.5 else 1
        return tuple(
            np.ascontiguousarray(array[top : top + side, left : left + side][:, ::flip])
            for array in (picture, coarse, truth)
        )


def refiner_loss(output, mattes: torch.Tensor, trimaps: torch.Tensor) -> dict[str, torch.Tensor]:
    """The parts of P3M's loss and their weighted sum, "total".

    `output`: of the refiner; `mattes`: float (B, 1, H, W) in [0, 1]; `trimaps`: int64 (B, H, W), 0 background, 1 unknown, 2 foreground.
    """
    losses = clipmat_loss(
        output, mattes, trimaps, {name: weight for name, weight in WEIGHTS.items() if name != "sides"}
    )
    losses["sides"] = sum(F.cross_entropy(side, trimaps) for side in output.sides)
    losses["total"] = losses["total"] + WEIGHTS["sides"] * losses["sides"]
    return losses


def _predictions(clipmat, refmatte, settings, out, progress, device) -> Predictions | None:
    if clipmat == "none" or settings.predictions == 0:
        return None
    from rimlib.clipmat.model import CLIPMat

    model = CLIPMat.shipped() if clipmat == "shipped" else CLIPMat.load(clipmat)
    key = state.settings_key(
        refmatte.fingerprint, settings.predictions, sorted(value.double().sum().item() for value in model.parameters())
    )
    return Predictions.make(
        model.to(device), refmatte, settings.predictions, out / f"predictions-{key}.npz", progress=progress
    )


def _place(truth: np.ndarray, coarse: np.ndarray, side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a crop: mostly around a pixel of the edge or one where the coarse alpha is wrong, sometimes anywhere."""
    room = [length - side for length in truth.shape]
    rows, columns = np.nonzero((np.abs(truth - coarse) > 0.2) | (truth > 0.05) & (truth < 0.95))
    if len(rows) and rng.random() < 0.9:
        number = rng.integers(len(rows))
        middle = (rows[number], columns[number])
        return tuple(
            int(np.clip(place - rng.integers(side // 4, 3 * side // 4), 0, most)) for place, most in zip(middle, room)
        )
    return tuple(int(rng.integers(most + 1)) for most in room)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.training.refiner", description="Train the refiner on a RefMatte data set."
    )
    parser.add_argument(
        "--clipmat", default="shipped", help="whose mattes to refine: shipped, the path of a checkpoint, or none"
    )
    options, given = loop.run_options(parser, arguments)
    if options.minutes is None and options.steps is None:
        parser.error("how long? give --minutes or --steps")
    return loop.run_command(
        lambda: train(options.data, options.out, clipmat=options.clipmat, **given)["metrics"], options.out
    )


if __name__ == "__main__":
    sys.exit(main())
