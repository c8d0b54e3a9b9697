"""What is trained: a model, its data, its losses. `fit` trains any `Task`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rimlib.profile import Loop, Profile
from rimlib.training import loop, record

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Settings that a run may change when it is resumed: they decide where it ends and what is kept of it, no number in it.
FREE = ("minutes", "steps", "epochs", "checkpoint_seconds", "workers", "cache", "snapshot_epochs", "validate_epochs")


class Task:
    """What `fit` trains. A subclass defines how.

    `samples` have `fingerprint`, `image_names` and `targets`; `train` are the loop's settings; `weights`, a name or a
    path that the model starts from, is for the record; `seed` is the profile's if None.
    """

    kind, name = "train", "model"  # the record is KIND.json, the weights are NAME.safetensors
    loss = "total"  # which of `losses` is made smaller; the others are only written down
    best_by = ""  # which of `scores` decides, by its smallest value, which weights are kept as the best ("": the loss)
    log_every = 10  # steps
    shown: tuple[str, ...] = ()  # of `losses`, beside the progress bar
    optimizer_options: dict[str, Any] = {}  # where they are not torch's own

    def __init__(
        self, profile: Profile, samples: Any, train: Loop, weights: str | Path = "random", seed: int | None = None
    ):
        self.profile, self.samples, self.train = profile, samples, train
        self.weights, self.seed = Path(weights).name, profile.seed if seed is None else seed

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the run, as plain values, for the record. `identity` reads `model` and `train` of them."""
        return self.profile.to_dict()

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share so that one may resume the other."""
        train = {name: value for name, value in self.settings["train"].items() if name not in FREE}
        about = {"method": self.name, "seed": self.seed, "weights": self.weights, "data": self.samples.fingerprint}
        return {**about, "model": self.settings["model"], "train": train}

    @property
    def unused(self) -> bool:
        """Whether some steps leave parameters without a gradient."""
        return False

    @property
    def dataset(self) -> Any:
        """Indexed with a `batches.Key`, of the images of `samples`. A copy of it goes to each worker."""
        return self.samples

    @property
    def images(self) -> int:
        """How many images are trained on: all but those of the validation, and one at least."""
        return max(1, len(self.samples.image_names) - self.train.validation_images)

    @property
    def collate(self) -> Callable[[list[Any]], Any]:
        """Makes a batch of samples of the data set, in the worker. `len` of a batch is its number of images."""
        raise NotImplementedError

    def size(self, step: int) -> int:
        """Images of a step, on all devices together."""
        return self.train.images  # type: ignore[attr-defined]

    def build(self) -> torch.nn.Module:
        """The model as it starts."""
        raise NotImplementedError

    def groups(self, model: Any) -> list[dict[str, Any]]:
        """The trained parameters, as `params` of one learning rate `rate` each; `weight_decay` if not the usual one."""
        return [{"params": [value for value in model.parameters() if value.requires_grad], "rate": self.train.lr}]

    def begin(self, model: Any, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        """What precedes the first step, of a resumed run too. Returns facts for the record."""
        return {}

    def losses(self, model: Any, batch: Any, fabric: Fabric) -> dict[str, torch.Tensor]:
        """Of a device's batch: the one that is named `self.loss`, its parts, and what else the log should hold.

        Scalars, whose means over the devices are those of the step. Called in the autocast of the run's precision.
        """
        raise NotImplementedError

    def scores(self, model: Any, batch: Any, fabric: Fabric) -> dict[str, torch.Tensor]:
        """How good the model is on a batch of validation images, scalars; the losses, if a task has nothing better."""
        return self.losses(model, batch, fabric)

    def figure(self, model: Any, batch: Any, device: torch.device) -> np.ndarray | None:
        """Results on validation images for people to look at, uint8 (H, W, 3), or None."""
        return None

    def after_step(self, model: Any) -> None:
        """Keep the weights within their bounds."""

    def end(self, model: Any, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        """More metrics, of the trained model."""
        return {}

    def store(self, model: Any, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        """Write the trained model to a .safetensors file."""
        raise NotImplementedError
