"""Training CLIPMat on a RefMatte data set.

Paper: Sec. 5.1, S4.1. Decoders and encoders learn at rates of their own (the paper: 1e-4, 1e-6 and 1e-7). A step encodes
each image once and asks it several sentences. Ours besides: the rate falls by a cosine over the run, the weights that
are kept are an average over the last steps, and one model learns keywords and expressions together.

    python -m rimlib.training.clipmat --profile tiny --data DATA --out run
"""

import argparse
import dataclasses
import sys

import torch

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import CLIPMat
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import loop
from rimlib.training.fit import Task, fit
from rimlib.training.samples import Samples


def train(
    profile, data, out, minutes=None, steps=None, weights="clip", resume=True, progress=True, device=None
) -> dict:
    """Train the profile's CLIPMat; `out/clipmat.safetensors` is the model and `out/train.json` the record.

    profile: a Profile; data: the folder of a RefMatte data set, or a `RefMatte`; minutes, steps: how long (both None:
    the profile's); weights: of the encoders, "clip", "random" or a .safetensors file of a CLIP of the profile's backbone,
    whose image size may be another; resume: go on from an interrupted run in `out`, and leave one alone that is complete;
    device: None finds the best.
    Returns the record. Raises RimError: no data, no weights, a disk that is full, a state of other settings, a loss
    that is not a number. Ctrl-C stores the state and passes on.
    """
    refmatte = data if hasattr(data, "targets_of") else RefMatte(data, split="train")
    task = Training(profile, Samples(refmatte, profile.model.image_size, progress=progress), weights)
    return fit(task, out, minutes, steps, resume, progress, device)


class Training(Task):
    """CLIPMat's training, a step at a time."""

    name = "clipmat"

    def __init__(self, profile, samples, weights="clip"):
        super().__init__(profile, samples, weights)
        self.start = weights

    def build(self) -> CLIPMat:
        return CLIPMat.from_profile(self.profile, self.start)

    def groups(self, model) -> list[dict]:
        return groups(model, self.train)

    def prepare(self, model, step):
        """A batch and its sentences' tokens; `batch` as in `Samples`."""
        settings, templates = self.train, prompt.templates(self.profile.model)
        batch = self.samples.batch(
            self.rng(step),
            settings.images,
            settings.sentences,
            settings.keyword_share,
            settings.flip,
            settings.noise,
            settings.trimap_kernel,
            templates,
            settings.no_target,
        )
        return batch, model.tokenizer(batch.texts, truncate=True)

    def losses(self, model, batch, device) -> dict[str, torch.Tensor]:
        inputs, tokens = batch[0].on(device), batch[1].to(device)
        with loop.autocast(device):
            output = model(inputs["images"], tokens, inputs["image_index"])
        return clipmat_loss(output, inputs["mattes"], inputs["trimaps"], self.train.losses)

    def store(self, model, path, minutes, steps, metrics) -> None:
        # What is stored says how long it was trained, whatever the profile's own length.
        train = dataclasses.replace(self.train, minutes=minutes, steps=steps)
        model.profile = dataclasses.replace(self.profile, train=train)
        model.save(path, data=self.samples.fingerprint, weights=self.weights, **metrics)


def groups(model, settings) -> list[dict]:
    """The parameters by learning rate: the image encoder, the text encoder, all that is new. Paper: S4.1, Table 10."""
    image = [value for name, value in model.named_parameters() if name.startswith("backbone.visual.")]
    text = [
        value
        for name, value in model.named_parameters()
        if name.startswith("backbone.") and not name.startswith("backbone.visual.")
    ]
    new = [value for name, value in model.named_parameters() if not name.startswith("backbone.")]
    return [
        {"params": params, "lr": rate, "rate": rate}
        for params, rate in ((image, settings.lr_image), (text, settings.lr_text), (new, settings.lr))
    ]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rimlib.training.clipmat", description="Train CLIPMat on a RefMatte data set."
    )
    parser.add_argument("--profile", default="tiny")
    parser.add_argument(
        "--weights", default="clip", help="clip, random, or a .safetensors file of a CLIP of the profile's backbone"
    )
    options, given = loop.run_options(parser, arguments)
    return loop.run_command(
        lambda: train(profiles.load(options.profile), options.data, options.out, weights=options.weights, **given)[
            "metrics"
        ],
        options.out,
    )


if __name__ == "__main__":
    sys.exit(main())
