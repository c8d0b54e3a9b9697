"""Training the refiner on a RefMatte data set.

Paper: S4.1: trained on RefMatte with P3M's settings. The loss is P3M's: cross-entropy of the trimap, of the decoder and
of its three trimaps on the way; alpha and Laplacian loss of the detail where the trimap is unknown, and of the final
alpha everywhere. Its composition loss is left out, as in CLIPMat. Ours: the coarse alphas (see `coarse`), a thin
network, minutes instead of days.

    python -m rimlib.training.refiner --data DATA --out run
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from rimlib.clipmat import prompt
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import Output, Refiner
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import command, loop, record, state
from rimlib.training.coarse import Predictions
from rimlib.training.crops import Crop, CropBatch, Crops
from rimlib.training.fit import fit
from rimlib.training.task import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

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
        self.crops = Crops(self.samples, predictions, self.profile.refiner, self.seed)
        parameters = sum(value.numel() for value in refiner.parameters())
        return {"parameters": parameters, "predictions": len(predictions) if predictions else 0}

    @property
    def dataset(self) -> Crops:
        return self.crops

    @property
    def collate(self) -> Callable[[list[Crop]], CropBatch]:
        return CropBatch

    def size(self, step: int) -> int:
        crops = self.profile.refiner.crops
        return crops[step % len(crops)][1]

    def losses(self, refiner: Refiner, batch: CropBatch, fabric: Fabric) -> Tensors:
        inputs = batch.on(fabric.device)
        output = refiner(inputs["images"], inputs["coarse"])
        with torch.autocast(fabric.device.type, enabled=False):  # in float32
            losses = refiner_loss(output, inputs["mattes"], inputs["trimaps"])
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
        refmatte, template = self.samples, "{keyword}"
        if model.profile is not None and model.profile.train.setting == "keyword":  # longer texts would be cut
            refmatte, template = RefMatte(refmatte.root, refmatte.split, "keyword"), prompt.template(model.profile)
        return Predictions.make(model.to(device), refmatte, images, path, template, progress=self.progress)


def refiner_loss(output: Output, mattes: torch.Tensor, trimaps: torch.Tensor) -> Tensors:
    """The parts of P3M's loss and their weighted sum, "total"; `mattes` and `trimaps` as in `Batch.on`."""
    losses = clipmat_loss(output, mattes, trimaps, LOSSES)
    sides = torch.stack([F.cross_entropy(side, trimaps) for side in output.sides]).sum()
    return {**losses, "sides": sides, "total": losses["total"] + SIDES * sides}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim refine`. Returns the exit status."""
    parser = command.command("refine", "Train the refiner on a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--clipmat", default="shipped", help="whose mattes to refine: shipped, a checkpoint, or none")
    return command.run_training(train, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
