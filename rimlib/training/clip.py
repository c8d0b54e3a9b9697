"""Contrastive pre-training of the small CLIP on the training scenes' own captions.

Not in the paper, which starts from OpenAI's CLIP weights: a CLIP that is small enough for a laptop has none.

    python -m rimlib.training.clip --profile tiny --data DATA --out clip
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rimlib.clipmat import backbone, clip_weights, prompt
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.io import weights
from rimlib.profile import Profile
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import label_path
from rimlib.training import command, contrast, loop, record
from rimlib.training.batches import Key
from rimlib.training.contrast import ContrastiveCLIP
from rimlib.training.fit import fit
from rimlib.training.pairs import Captions, Pairs
from rimlib.training.samples import Samples
from rimlib.training.task import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

HELD_OUT = 128  # images that retrieval is measured on


class Captioned:
    """A batch of captioned regions as `tensors`: images, weights, image_index, positives, tokens."""

    def __init__(self, tokenizer: Tokenizer, samples: list[Captions]):
        regions = Pairs.collate(samples)
        arrays = (regions.images, regions.weights, regions.image_index, regions.positives)
        self.tensors = [*map(torch.from_numpy, arrays), tokenizer(regions.texts, truncate=True)]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.tensors[0])


def pretrain_clip(profile: Profile, data: str | Path, out: str | Path, **options: Any) -> dict[str, Any]:
    """Train the profile's CLIP and store it in `out`, as `<backbone>-clip.safetensors` and `.json`.

    Args:
        profile: its `model` names the backbone, its `clip` the loop's settings.
        data: the folder of a RefMatte data set (a test split, where there is one, only measures retrieval).
        out: folder of the run.
        options: of `fit.fit`, which returns the record.
    """
    samples, held_out = _data(data, profile, options.get("progress", True))
    return fit(Training(profile, samples, held_out), out, **options)


class Training(Task):
    """The small CLIP's training; retrieval is measured on `held_out`, before and after."""

    kind, loss = "pretrain", "loss"
    optimizer_options = {"betas": (0.9, 0.98), "eps": 1e-6}

    def __init__(self, profile: Profile, samples: Samples, held_out: Samples):
        super().__init__(profile, samples, profile.clip, seed=profile.clip.seed)
        self.name, grid = f"{profile.model.backbone}-clip", profile.model.image_size // backbone.PATCH
        self.pairs = Pairs(samples, prompt.TEMPLATES, grid, self.seed)
        self.held_out = Pairs(held_out, prompt.TEMPLATES, grid, 0, flip=0.0, noise=0.0)

    @property
    def settings(self) -> dict[str, Any]:
        """See `Task`, as the methods below."""
        whole, model = self.profile.to_dict(), self.profile.model
        return {"model": {"backbone": model.backbone, "image_size": model.image_size}, "train": whole["clip"]}

    @property
    def dataset(self) -> Pairs:
        return self.pairs

    @property
    def collate(self) -> Callable[[list[Captions]], Captioned]:
        return partial(Captioned, self.tokenizer)

    def size(self, step: int) -> int:
        return self.profile.clip.batch

    def build(self) -> ContrastiveCLIP:
        clip, self.tokenizer = clip_weights.create_clip(self.profile.model, "random")
        return ContrastiveCLIP(clip, self.tokenizer, self.profile.model.image_size)

    def groups(self, clip: ContrastiveCLIP) -> list[dict[str, Any]]:
        """Positions are matrices that have nothing to shrink."""
        named, rate = list(clip.named_parameters()), self.train.lr
        positions = [value for name, value in named if "positional" in name]
        others = [value for name, value in named if "positional" not in name]
        return [{"params": others, "rate": rate}, {"params": positions, "rate": rate, "weight_decay": 0.0}]

    def begin(self, clip: ContrastiveCLIP, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        self.before = self._measure(clip, device)
        return {}

    def losses(self, clip: ContrastiveCLIP, batch: Captioned, fabric: Fabric) -> dict[str, torch.Tensor]:
        """Of several devices, each contrasts its own captions."""
        device = fabric.device
        images, weights, index, positives, words = (tensor.to(device, non_blocking=True) for tensor in batch.tensors)
        tokens, texts, scale = clip.tokens(images), clip.text_features(words), clip.logit_scale.exp()
        by_region = contrast.contrastive_loss(clip.region_features(tokens, weights, index), texts, scale, positives)
        # An image's caption is that of its first region; the captions of its other regions are true of it too.
        first = torch.cat([index.new_zeros(1), (index.diff() > 0).nonzero()[:, 0] + 1])
        shared = torch.zeros(len(images), len(first), dtype=torch.int64, device=device)
        shared.index_add_(0, index, positives[:, first].long())
        captioned = index[first]
        whole = clip.image_features(tokens[captioned])
        by_image = contrast.contrastive_loss(whole, texts[first], scale, shared[captioned] > 0)
        settings = self.profile.clip
        return {"loss": settings.regions * by_region + settings.images * by_image}

    def after_step(self, clip: ContrastiveCLIP) -> None:
        clip.logit_scale.clamp_(0, math.log(100))  # CLIP's own bound

    def end(self, clip: ContrastiveCLIP, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        with stages("evaluation"):
            return {"before": self.before, "after": self._measure(clip, device)}

    def store(self, clip: ContrastiveCLIP, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        """Weights by open_clip's names, and beside them as JSON what they are."""
        model = self.profile.model
        card = {"kind": "clip", "backbone": model.backbone, "image_size": model.image_size, "metrics": metrics}
        weights.write(path, clip.open_clip_state(), {**card, "profile": self.profile.name}, beside=True)

    def _measure(self, clip: ContrastiveCLIP, device: torch.device) -> dict[str, float]:
        """Retrieval of a caption by the image, and by the region, among the held-out ones."""
        count = min(HELD_OUT, len(self.held_out.samples))
        regions = Pairs.collate([self.held_out[Key(0, index, 0)] for index in range(count)])
        return {
            "images": contrast.retrieval(clip, *self.held_out.scenes(count), device),
            "images_chance": 1 / count,
            "regions": contrast.region_retrieval(clip, regions, device),
            "regions_chance": float(regions.positives.mean()),
            "pairs": contrast.region_pairs(clip, regions, device),
        }


def _data(root: str | Path, profile: Profile, progress: bool) -> tuple[Samples, Samples]:
    """The training samples, and those that retrieval is measured on: new scenes where the data set has some."""
    settings, size = profile.train, profile.model.image_size
    samples = Samples(RefMatte(root, split="train"), settings, size, progress=progress)
    for split in ("seen", "test"):
        if label_path(Path(root), split).exists():
            return samples, Samples(RefMatte(root, split=split), settings, size, limit=HELD_OUT, where="never")
    return samples, samples


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim pretrain`. Returns the exit status."""
    parser = command.command("pretrain", "Pre-train a small CLIP on the captions of a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    return command.run_training(pretrain_clip, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
