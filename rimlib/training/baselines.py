"""Training a method that CLIPMat is compared with, on the samples that CLIPMat has, for as long.

Paper: Sec. 5.1, S4.1: CLIPSeg and MDETR start from weights that were trained for segmentation, their encoders are frozen,
everything learns at 1e-4 with Adam in batches of 32 and 8. That is size `paper`. Size `tiny` takes batches and the
schedule of CLIPMat's own tiny run; its CLIPSeg stands on the same small CLIP, its MDETR starts from nothing.

    python -m rimlib.training.baselines --rival clipseg --size tiny --data DATA --out run
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from rimlib import baselines
from rimlib import profile as profiles
from rimlib.baselines.clipmat import PROFILES
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.files import read_json
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import loop, record
from rimlib.training.fit import Task, fit
from rimlib.training.samples import Samples

CHANGES = {  # of the profile's training
    ("clipseg", "tiny"): {"lr": 1e-3},
    ("mdetr", "tiny"): {"lr": 4e-4, "clip_norm": 0.1},  # the norm is MDETR's own: the matching makes single steps jump
    ("clipseg", "paper"): {"images": 32, "steps": 70312},  # 50 epochs of 45,000 images
    ("mdetr", "paper"): {"images": 8, "steps": 281250, "clip_norm": 0.1},
}
SPLITS = {"seen": "seen", "unseen": "test"}  # our names: splits of the data set
SCORES = ("entities", "localised", "chance", "iou", "sad", "sad_in_band", "mse", "mad", "sad_e", "sad_ratio")
WEIGHTS = {"clipseg": "clip", "mdetr": "random"}  # where the tiny ones start


def train_rival(
    rival,
    size,
    data,
    out,
    minutes=None,
    steps=None,
    weights=None,
    image_size=None,
    resume=True,
    progress=True,
    device=None,
) -> dict:
    """Train a rival; `out/RIVAL.safetensors` holds its weights, for `baselines.get(rival, size, path)`, and `out/train.json` the record.

    rival: "clipseg" or "mdetr"; size: "tiny" or "paper"; data: the folder of a RefMatte data set, or a `RefMatte`; weights: where it
    starts, as its `from_settings` takes it (None: the tiny CLIPSeg on the shipped CLIP, the tiny MDETR from random weights, those of size
    paper from the public ones); image_size: S (None: CLIPMat's); the rest as in `train.train`. Raises RimError.
    """
    if (rival, size) not in CHANGES:
        raise RimError(
            f"rival {rival!r} in size {size!r}: only {', '.join(baselines.TRAINABLE)} learn here, in size {' or '.join(PROFILES)}"
        )
    profile = profiles.load(PROFILES[size])
    profile = dataclasses.replace(profile, train=dataclasses.replace(profile.train, **CHANGES[rival, size]))
    weights = weights or (WEIGHTS[rival] if size == "tiny" else None)
    torch.manual_seed(profile.seed)  # of the fresh layers
    method = baselines.get(rival, size, weights, image_size=image_size or profile.model.image_size)
    refmatte = data if hasattr(data, "targets_of") else RefMatte(data, split="train")
    task = Training(profile, Samples(refmatte, method.image_size, progress=progress), method, weights or "public")
    return fit(task, out, minutes, steps, resume, progress, device)


class Training(Task):
    """A rival's training, a step at a time. method: a `Trainable`, not yet trained."""

    def __init__(self, profile, samples, method, weights):
        super().__init__(profile, samples, weights)
        self.method, self.name = method, method.name

    @property
    def settings(self) -> dict:
        """As of CLIPMat, with the rival's own sizes in place of CLIPMat's; how the data set was made is not a setting of this run."""
        whole = self.profile.to_dict()
        return {
            **{name: whole[name] for name in ("name", "seed", "train", "evaluate")},
            "model": {"rival": self.name, **self.method.about},
        }

    def build(self):
        return self.method

    def prepare(self, method, step):
        settings = self.train
        # A keyword in the one form that it is asked in: the bag of templates is CLIPMat's own idea.
        return self.samples.batch(
            self.rng(step),
            settings.images,
            settings.sentences,
            settings.keyword_share,
            settings.flip,
            settings.noise,
            settings.trimap_kernel,
            (self.profile.evaluate.template,),
            settings.no_target,
        )

    def losses(self, method, batch, device):
        inputs = batch.on(device)
        with loop.autocast(device):  # the loss too: MDETR makes its masks there
            return method.loss(method(inputs["images"], batch.texts, inputs["image_index"]), inputs["mattes"])

    def store(self, method, path, minutes, steps, metrics) -> None:
        method.save(path)


def score(run, data, progress=True) -> dict:
    """The scores of a trained rival in both settings, on known entities in new scenes and on unknown ones, as on CLIPMat's card.

    run: the folder that `train_rival` filled; data: the folder of a RefMatte data set with the splits `seen` and `test`. The edge's
    band is as wide as for CLIPMat. Raises RimError.
    """
    done = read_json(Path(run) / "train.json")
    rival, size = done["method"], done["settings"]["model"]["size"]
    method, profile, scores = (
        baselines.get(rival, size, str(Path(run) / f"{rival}.safetensors")),
        profiles.load(PROFILES[size]),
        {},
    )
    for label, split in SPLITS.items():
        for setting in ("keyword", "expression"):
            found = evaluate(
                method,
                RefMatte(data, split, setting),
                template=profile.evaluate.template,
                profile=profile,
                progress=progress,
            )
            scores[f"{setting}, {label}"] = {key: round(found["metrics"][key], 4) for key in SCORES}
    return scores


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rimlib.training.baselines", description=__doc__.splitlines()[0])
    parser.add_argument("--rival", required=True, choices=baselines.TRAINABLE)
    parser.add_argument("--size", default="tiny", choices=tuple(PROFILES))
    parser.add_argument(
        "--weights", help="where it starts: random, clip (CLIPSeg), towers (MDETR), a hub name or a file"
    )
    parser.add_argument("--image-size", type=int, help="pixels (CLIPMat's)")
    parser.add_argument(
        "--score", metavar="DATA", help="score it afterwards on the splits seen and test of this data set …"
    )
    parser.add_argument("--record", help="… and write the record with its scores to this JSON file")
    options, given = loop.run_options(parser, arguments)
    if bool(options.score) != bool(options.record):
        parser.error("--score and --record belong together")

    def work():
        run = train_rival(
            options.rival,
            options.size,
            options.data,
            options.out,
            weights=options.weights,
            image_size=options.image_size,
            **given,
        )
        if options.record:
            record.write(options.record, {**run, "scores": score(options.out, options.score)})
        return run["metrics"]

    return loop.run_command(work, options.out)


if __name__ == "__main__":
    sys.exit(main())
