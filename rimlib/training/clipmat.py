"""Training CLIPMat on a RefMatte data set.

Paper: Sec. 5.1, S4.1. Decoders and encoders learn at rates of their own (the paper: 1e-4, 1e-6 and 1e-7). A step
encodes each image once, for several sentences. Ours besides: the rate falls by a cosine over the run, the stored
weights are an average over the last steps, and one model learns keywords and expressions together.

    python -m rimlib.training.clipmat --profile tiny --data DATA --out run
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F

from rimlib import fast
from rimlib.additions.score_map import score_map_loss
from rimlib.clipmat import prompt
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.tokenizer import Tokenizer
from rimlib.errors import RimError
from rimlib.fast import FastCLIPMat
from rimlib.fast.losses import laplacian_losses
from rimlib.profile import Profile, Train
from rimlib.refmatte.dataset import RefMatte, training_set
from rimlib.sentences import THE
from rimlib.training import command, loop, record, wording
from rimlib.training.fit import fit
from rimlib.training.sample import Batch, Sample
from rimlib.training.samples import Samples
from rimlib.training.task import Task
from rimlib.understanding.vocabulary import KEY as VOCABULARY
from rimlib.understanding.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(
    profile: Profile, data: str | Path | RefMatte, out: str | Path, weights: str | Path = "clip", **options: Any
) -> dict[str, Any]:
    """Train the profile's CLIPMat; `out/clipmat.safetensors` is the model and `out/train.json` the record.

    Args:
        profile: the settings.
        data: the folder of a RefMatte data set, or a `RefMatte`.
        out: folder of the run.
        weights: of the encoders: "clip", "random", or a file of a CLIP of the profile's backbone; or of a trained model
            to go on from: "shipped" or a checkpoint, as `CLIPMat.from_profile` has it.
        options: of `fit.fit`, which returns the record.
    """
    refmatte = training_set(data, profile.train)
    templates, progress = prompt.templates(profile.model), options.get("progress", True)
    if (
        profile.train.setting == "both" and profile.model.pre_context
    ):  # such a model is asked for "the dog" (`prediction.prompts`)
        templates = (*templates, THE)
    samples = Samples(refmatte, profile.train, profile.model.image_size, profile.seed, templates, progress=progress)
    return fit(Training(profile, samples, weights), out, **options)


@dataclass
class Queries:
    """A batch of images and sentences, and the tokens of these, int64 (B k, L)."""

    batch: Batch
    tokens: torch.Tensor

    @classmethod
    def of(cls, tokenizer: Tokenizer, samples: list[Sample]) -> Queries:
        """Collate samples; a sentence that is too long is cut."""
        batch = Samples.collate(samples)
        return cls(batch, tokenizer(batch.texts, truncate=True))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.batch)

    @property
    def names(self) -> list[str]:
        """Of the images."""
        return self.batch.names


class Training(Task):
    """CLIPMat's training, a step at a time."""

    name, best_by = "clipmat", "mad"

    def __init__(self, profile: Profile, samples: Samples, weights: str | Path = "clip"):
        super().__init__(profile, samples, profile.train, weights)
        self.start = weights

    def build(self) -> CLIPMat:
        """See `Task`, as the methods below."""
        model = fast.optimize(CLIPMat.from_profile(self.profile, self.start))
        freeze(model, self.profile.train)
        self.tokenizer = model.tokenizer
        return model

    @property
    def unused(self) -> bool:
        return self.profile.train.grounding_steps > 0  # then the details have none

    def begin(self, model: CLIPMat, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        texts = wording.some_texts(self.samples.refmatte, self.profile)
        cut = [text for text in texts if model.tokenizer.cut(text)[1]]
        if cut and not int(os.environ.get("LOCAL_RANK") or 0):  # of several processes one prints
            length = f"longer than model.text_length, {self.profile.model.text_length} tokens, and are cut"
            print(f"note: {len(cut)} of {len(texts)} sentences are {length}: {cut[0]!r}", file=sys.stderr)
        return {"sentences_cut": len(cut), "sentences_counted": len(texts)}

    def groups(self, model: CLIPMat) -> list[dict[str, Any]]:
        """The image encoder, the text encoder, and all that is new (Paper: S4.1, Table 10)."""
        return groups(model, self.profile.train)

    @property
    def collate(self) -> Callable[[list[Sample]], Queries]:
        return partial(Queries.of, self.tokenizer)

    def losses(self, model: CLIPMat, batch: Queries, fabric: Fabric) -> dict[str, torch.Tensor]:
        inputs = batch.batch.on(fabric.device)
        given = inputs["images"], batch.tokens.to(fabric.device), inputs["image_index"]
        if batch.batch.grounding:
            trimap_logits, score_map = cast(FastCLIPMat, model).ground(*given)
            return self._grounding_losses(trimap_logits, score_map, inputs)
        output = model(*given)
        # The losses are taken in float32.
        with torch.autocast(fabric.device.type, enabled=False):
            unknown = (inputs["trimaps"] == 1).sum().float()
            count = (loop.over_devices(fabric, unknown, "sum") + 1) / fabric.world_size
            weights = self.profile.train.losses
            return clipmat_loss(output, inputs["mattes"], inputs["trimaps"], weights, laplacian_losses, count)

    def _grounding_losses(
        self, trimap_logits: torch.Tensor, score_map: torch.Tensor | None, inputs: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Those of the first steps: to find the entity is most of what is to be learnt, and costs half."""
        weights = self.profile.train.losses
        parts = {"ce": F.cross_entropy(trimap_logits, inputs["trimaps"])}
        if score_map is not None:
            parts["score_map"] = score_map_loss(score_map.float(), inputs["mattes"])
        return {"total": torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum(), **parts}

    def scores(self, model: CLIPMat, batch: Queries, fabric: Fabric) -> dict[str, torch.Tensor]:
        """The mean absolute difference, and the share of mattes that are localised: an IoU above one half."""
        inputs = batch.batch.on(fabric.device)
        alpha = model(inputs["images"], batch.tokens.to(fabric.device), inputs["image_index"]).alpha.float()
        both, either = (
            (torch.stack([alpha, inputs["mattes"]]) > 0.5).float().prod(0),
            torch.maximum(alpha, inputs["mattes"]) > 0.5,
        )
        iou = both.sum(dim=(1, 2, 3)) / either.sum(dim=(1, 2, 3)).clamp(min=1)
        return {"mad": (alpha - inputs["mattes"]).abs().mean(), "localised": (iou > 0.5).float().mean()}

    def figure(self, model: CLIPMat, batch: Queries, device: torch.device) -> np.ndarray:
        """Rows of an image, the true matte of its first sentence, and the model's."""
        inputs = batch.batch.on(device)
        alpha = model(inputs["images"], batch.tokens.to(device), inputs["image_index"]).alpha.float()
        first = [batch.batch.image_index.tolist().index(image) for image in range(len(batch))]
        mattes = torch.cat([inputs["mattes"], alpha], dim=3)[first].expand(-1, 3, -1, -1)
        rows = torch.cat([inputs["images"], mattes], dim=3)  # (B, 3, S, 3 S)
        return (rows.permute(0, 2, 3, 1).flatten(0, 1) * 255).round().byte().cpu().numpy()

    def store(self, model: CLIPMat, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        # What is stored names how long it was trained, whatever the profile's own budget.
        train = dataclasses.replace(self.profile.train, steps=budget.steps, minutes=budget.minutes)
        model.profile = dataclasses.replace(self.profile, train=train)
        facts = {"data": self.samples.fingerprint, "weights": self.weights, **metrics}
        if self.vocabulary is not None:
            facts[VOCABULARY] = self.vocabulary.to_dict()
        model.save(path, **facts)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """See `wording.vocabulary`; read from all labels, once, when weights are stored."""
        return wording.vocabulary(self.samples, self.start)


def freeze(model: CLIPMat, settings: Train) -> None:
    """Leave the first image blocks as CLIP has them, and the text encoder where its rate is 0: no gradient is computed.

    Raises RimError where the image encoder has fewer blocks.
    """
    visual: Any = model.backbone.visual
    blocks, count = visual.transformer.resblocks, settings.frozen_image_blocks
    if count > len(blocks):
        raise RimError(
            f"train.frozen_image_blocks {count}: must be at most {len(blocks)}, the blocks of the image encoder",
            setting="train.frozen_image_blocks",
        )
    if count:
        embeddings = [visual.class_embedding, visual.positional_embedding]
        parts = [visual.conv1, visual.ln_pre, *blocks[:count]]
        for value in (*embeddings, *(value for part in parts for value in part.parameters())):
            value.requires_grad_(False)
    if settings.lr_text == 0:
        for name, value in model.backbone.named_parameters():
            if not name.startswith("visual."):
                value.requires_grad_(False)


def groups(model: CLIPMat, settings: Train) -> list[dict[str, Any]]:
    """The parameters that learn, by learning rate: the image encoder, the text encoder, all that is new."""
    parts: dict[str, list[torch.nn.Parameter]] = {"image": [], "text": [], "new": []}
    for name, value in model.named_parameters():
        encoder = "image" if name.startswith("backbone.visual.") else "text"
        if value.requires_grad:
            parts[encoder if name.startswith("backbone.") else "new"].append(value)
    rates = {"image": settings.lr_image, "text": settings.lr_text, "new": settings.lr}
    return [{"params": params, "lr": rates[name], "rate": rates[name]} for name, params in parts.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `rim train`. Returns the exit status."""
    parser = command.command("train", "Train CLIPMat on a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    weights = "clip, random, or a file of a CLIP of the profile's backbone: OpenAI's .pt, open_clip's, .safetensors; \
or to go on from a trained model: shipped, or its checkpoint"
    parser.add_argument("--weights", default="clip", help=weights)
    return command.run_training(train, parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
