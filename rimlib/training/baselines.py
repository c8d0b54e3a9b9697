"""Training a method that CLIPMat is compared with, on the samples that CLIPMat has, for as many steps.

Paper: Sec. 5.1, S4.1: CLIPSeg and MDETR start from weights that were trained for segmentation, their encoders are
frozen, everything learns at 1e-4 with Adam in batches of 32 and 8. That is size `paper`. Size `tiny` takes batches and
the schedule of CLIPMat's own tiny run. Its CLIPSeg and MDETR stand on the same small CLIP and leave it frozen;
beside it MDETR has blocks that learn from random weights, for finer features (`mdetr_weights.Trunk`).

    python -m rimlib.training.baselines --baseline clipseg --size tiny --data DATA --out run
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.baselines.baseline import TrainableMethod
from rimlib.baselines.clipmat import PROFILES
from rimlib.baselines.clipseg import CLIPS
from rimlib.errors import RimError
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte, training_set
from rimlib.training import command, loop
from rimlib.training.fit import fit
from rimlib.training.sample import Batch, Sample
from rimlib.training.samples import Samples
from rimlib.training.task import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train_baseline(
    baseline: str,
    size: str,
    data: str | Path | RefMatte,
    out: str | Path,
    weights: str | None = None,
    image_size: int | None = None,
    setting: str | None = None,
    changes: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """Train a baseline; `out/BASELINE.safetensors` are its weights, `out/train.json` the record.

    Args:
        baseline: "clipseg" or "mdetr".
        size: "tiny" or "paper".
        data: the folder of a RefMatte data set, or a `RefMatte`.
        out: folder of the run.
        weights: where it starts, as its `from_settings` takes it (None: the tiny ones from the CLIP that ships, those
            of size paper from the public ones).
        image_size: S (None: CLIPMat's).
        setting: "both", "expression" or "keyword" (None: the profile's; Paper: Table 2 has a training for each).
        changes: of the profile's settings, such as "train.images=8".
        options: of `fit.fit`, which returns the record.
    """
    for given, value, known in (("baseline", baseline, baselines.TRAINABLE), ("size", size, tuple(PROFILES))):
        if value not in known:
            raise RimError(f"{given} {value!r}: only {', '.join(known)} can be trained here", setting=given)
    profile = profiles.with_settings(with_changes(profiles.load(PROFILES[size]), baseline), changes)
    if setting is not None:
        profile = profiles.in_setting(profile, setting)
    return train(baseline, profile, data, out, weights, image_size, **options)


def train(
    baseline: str,
    profile: Profile,
    data: str | Path | RefMatte,
    out: str | Path,
    weights: str | None = None,
    image_size: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The same of a profile that has the baseline's changes; its size is that of the profile's backbone."""
    size = size_of(profile)
    weights = weights or weights_of(profile)
    torch.manual_seed(profile.seed)  # of the fresh layers
    method = baselines.get(baseline, size, weights, image_size=image_size or profile.model.image_size)
    refmatte = training_set(data, profile.train)
    # A keyword in the one form that is evaluated: drawing from all templates is CLIPMat's own idea.
    templates, progress = (profile.evaluate.template,), options.get("progress", True)
    samples = Samples(refmatte, profile.train, method.image_size, profile.seed, templates, progress=progress)
    return fit(Training(profile, samples, method, weights or "public"), out, **options)


def size_of(profile: Profile) -> str:
    """The size of the baselines that stand beside a profile's CLIPMat."""
    return "tiny" if profile.model.backbone == CLIPS["tiny"] else "paper"


def weights_of(profile: Profile) -> str | None:
    """Where they start, as `from_settings` takes it: the CLIP that ships, or None for the public weights."""
    return "clip" if size_of(profile) == "tiny" else None


def with_changes(profile: Profile, baseline: str) -> Profile:
    """The profile with what `baselines` of it changes in `train` for one of them."""
    changes = dataclasses.asdict(getattr(profile.baselines, baseline))
    changes = {name: value for name, value in changes.items() if value is not None and name != "alpha"}
    changes |= {"epochs": None} if "steps" in changes else {}
    return dataclasses.replace(profile, train=dataclasses.replace(profile.train, **changes))


class Training(Task):
    """A baseline's training, a step at a time. `method` is not yet trained."""

    def __init__(self, profile: Profile, samples: Samples, method: TrainableMethod, weights: str):
        super().__init__(profile, samples, profile.train, weights)
        self.method, self.name = method, method.name
        self.alpha: float = getattr(profile.baselines, method.name).alpha

    @property
    def settings(self) -> dict[str, Any]:
        """As of CLIPMat, with the baseline's own sizes in place of its; how the data were made is no setting here."""
        whole = self.profile.to_dict()
        kept = {name: whole[name] for name in ("name", "seed", "train", "evaluate")}
        return {**kept, "model": {"baseline": self.name, "alpha": self.alpha, **self.method.about}}

    def build(self) -> TrainableMethod:
        return self.method

    @property
    def collate(self) -> Callable[[list[Sample]], Batch]:
        return Samples.collate

    def losses(self, method: Any, batch: Batch, fabric: Fabric) -> dict[str, torch.Tensor]:
        # The loss in the autocast too: MDETR makes its masks there.
        inputs = batch.on(fabric.device)
        prediction, mattes = method(inputs["images"], batch.texts, inputs["image_index"]), inputs["mattes"]
        losses = method.loss(prediction, mattes)
        if self.alpha:
            losses["alpha"] = (prediction.alpha - mattes).abs().mean()
            losses["total"] = losses["total"] + self.alpha * losses["alpha"]
        return losses

    def store(self, method: TrainableMethod, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        method.save(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim train-baseline`. Returns the exit status."""
    parser = command.command("train-baseline", "Train a method that CLIPMat is compared with.")
    parser.add_argument("--baseline", required=True, choices=baselines.TRAINABLE)
    parser.add_argument("--size", default="tiny", choices=tuple(PROFILES))
    parser.add_argument("--weights", help="random, clip, towers (MDETR of size paper), a hub name or a file")
    parser.add_argument("--setting", choices=profiles.SETTINGS, help="what it learns (the profile's)")
    parser.add_argument("--image-size", type=int, help="pixels (CLIPMat's)")
    return command.run_training(train_baseline, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
