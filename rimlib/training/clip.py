"""Contrastive pre-training of the small CLIP on the training scenes' own captions.

Not in the paper, which starts from OpenAI's CLIP weights: a CLIP that is small enough for a laptop has none.

    python -m rimlib.training.clip --profile tiny --data DATA --out clip --minutes 40
"""

import argparse
import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import torch

from rimlib import profile as profiles
from rimlib.clipmat import backbone, prompt
from rimlib.io.files import write_atomically, write_json
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import label_path
from rimlib.training import contrast, loop, state
from rimlib.training.fit import Task, fit
from rimlib.training.pairs import Pairs
from rimlib.training.samples import Samples

HELD_OUT = 128  # pictures that retrieval is measured on
PICTURES = 0.25  # weight of the pictures' own contrast beside the regions'


def pretrain_clip(profile, data_root, out, minutes=None, steps=None, resume=True, progress=True, device=None) -> dict:
    """Train the profile's CLIP and store it in `out`, as `<backbone>-clip.safetensors` and `.json`.

    profile: its `model` names the backbone, its `clip` the batch and the learning rate; data_root: a RefMatte data set
    (its "test" split, where there is one, only measures retrieval); minutes, steps: how long (both None: the
    profile's minutes); resume: go on from an interrupted run in `out`, and leave one alone that is complete. Returns the
    record, which is also `out/pretrain.json`. Raises RimError as `train.train` does. Ctrl-C stores the state and passes on.
    """
    samples, held_out = _data(data_root, profile.model.image_size, progress)
    return fit(Training(profile, samples, held_out), out, minutes, steps, resume, progress, device)


class Training(Task):
    """The small CLIP's training, a step at a time. held_out: `Samples` that retrieval is measured on, before and after."""

    kind, loss = "pretrain", "loss"
    optimizer_options = {"betas": (0.9, 0.98), "eps": 1e-6}

    def __init__(self, profile, samples, held_out):
        clip, grid = profile.clip, profile.model.image_size // backbone.PATCH
        numbers = dataclasses.replace(
            profile.train,
            minutes=clip.minutes,
            steps=None,
            images=clip.batch,
            lr=clip.lr,
            warmup=clip.warmup,
            weight_decay=clip.weight_decay,
            optimizer="adamw",
            schedule="cosine",
            clip_norm=1.0,
        )
        super().__init__(profile, samples, train=numbers, seed=clip.seed)
        self.name = f"{profile.model.backbone}-clip"
        self.pairs, self.held_out = (Pairs(part, prompt.TEMPLATES, grid) for part in (samples, held_out))

    @property
    def key(self) -> str:
        model, clip = self.profile.model, {**self.settings["clip"], "minutes": None}
        return state.settings_key("clip", model.backbone, model.image_size, clip, self.samples.fingerprint)

    def build(self):
        clip, self.tokenizer = backbone.create_clip(self.profile.model, "random")
        return clip

    def groups(self, clip) -> list[dict]:
        """Positions are matrices that have nothing to shrink."""
        named = list(clip.named_parameters())
        places, others = (
            [value for name, value in named if ("positional" in name) == place] for place in (True, False)
        )
        return [
            {"params": others, "rate": self.train.lr},
            {"params": places, "rate": self.train.lr, "weight_decay": 0.0},
        ]

    def begin(self, clip, device, stages) -> dict:
        self.before = self._measure(clip, device)
        return {}

    def prepare(self, clip, step):
        regions = self.pairs.batch(self.rng(step), self.train.images)
        arrays = (regions.pictures, regions.weights, regions.image_index, regions.also)
        return *map(torch.from_numpy, arrays), self._tokenize(regions.texts)

    def losses(self, clip, batch, device) -> dict[str, torch.Tensor]:
        pictures, weights, index, also, tokens = (tensor.to(device, non_blocking=True) for tensor in batch)
        with loop.autocast(device):
            seen = contrast.image_tokens(clip, pictures)
            texts, scale = contrast.text_features(clip, tokens), clip.logit_scale.exp()
            loss = contrast.contrastive_loss(contrast.region_features(clip, seen, weights, index), texts, scale, also)
            # A picture's caption is that of its first region; the captions of its other regions are true of it too.
            first = torch.cat([index.new_zeros(1), (index.diff() > 0).nonzero()[:, 0] + 1])
            shared = torch.zeros(len(pictures), len(first), dtype=torch.int64, device=device)
            shared.index_add_(0, index, also[:, first].long())
            pictures_of = index[first]
            whole = contrast.image_features(clip, seen[pictures_of])
            return {
                "loss": loss + PICTURES * contrast.contrastive_loss(whole, texts[first], scale, shared[pictures_of] > 0)
            }

    def after_step(self, clip) -> None:
        clip.logit_scale.clamp_(0, math.log(100))  # CLIP's own bound

    def end(self, clip, device, stages) -> dict:
        with stages("evaluation"):
            return {"before": self.before, "after": self._measure(clip, device)}

    def store(self, clip, path, minutes, steps, metrics) -> None:
        save_clip(path, clip, self.profile, metrics)

    def _tokenize(self, texts) -> torch.Tensor:
        return self.tokenizer(texts, truncate=True)

    def _measure(self, clip, device) -> dict:
        """Retrieval of a caption by the picture, and by the region, among the held-out ones."""
        count = min(HELD_OUT, len(self.held_out.samples))
        regions = self.held_out.batch(np.random.default_rng(0), count, flip=0.0, noise=0.0)
        return {
            "pictures": contrast.retrieval(clip, self._tokenize, *self.held_out.scenes(count), device),
            "pictures_chance": 1 / count,
            "regions": contrast.region_retrieval(clip, self._tokenize, regions, device),
            "regions_chance": float(regions.also.mean()),
        }


def save_clip(path, clip, profile, metrics: dict) -> None:
    """Store a CLIP's weights as safetensors (open_clip's names), and beside them as JSON what they are."""
    from safetensors.torch import save

    card = {
        "kind": "clip",
        "backbone": profile.model.backbone,
        "image_size": profile.model.image_size,
        "profile": profile.name,
        "metrics": metrics,
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in clip.state_dict().items()}
    write_atomically(path, save(tensors))
    write_json(Path(path).with_suffix(".json"), card)


def _data(root, size: int, progress: bool):
    """The training samples, and those that retrieval is measured on: new scenes where the data set has some."""
    samples = Samples(RefMatte(root, split="train"), size, progress=progress)
    for split in ("seen", "test"):
        if label_path(root, split).exists():
            return samples, Samples(RefMatte(root, split=split), size, limit=HELD_OUT, cache=False)
    return samples, samples


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.training.clip",
        description="Pre-train a small CLIP on the captions of a RefMatte data set.",
    )
    parser.add_argument("--profile", default="tiny")
    options, given = loop.run_options(parser, arguments)
    return loop.run_command(
        lambda: pretrain_clip(profiles.load(options.profile), options.data, options.out, **given)["metrics"],
        options.out,
    )


if __name__ == "__main__":
    sys.exit(main())
