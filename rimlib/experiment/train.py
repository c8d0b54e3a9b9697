"""Training CLIPMat on a RefMatte data set.

Paper: Sec. 5.1, S4.1. Decoders and encoders learn at rates of their own (the paper: 1e-4, 1e-6 and 1e-7). A step encodes
each image once and asks it several sentences. Ours besides: the rate falls by a cosine over the run, the weights that
are kept are an average over the last steps, and one model learns keywords and expressions together.

    python -m rimlib.experiment.train --profile tiny --data DATA --out run
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.clipmat.backbone import create_clip
from rimlib.clipmat.checkpoint import read_tensors
from rimlib.clipmat.losses import clipmat_loss
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.experiment import loop, record, state
from rimlib.experiment.samples import Samples
from rimlib.files import read_json
from rimlib.refmatte.dataset import RefMatte


def train(profile, data, out, minutes=None, steps=None, weights="clip", resume=True, progress=True, device=None) -> dict:
    """Train the profile's CLIPMat; `out/clipmat.safetensors` is the model and `out/train.json` the record.

    profile: a Profile; data: the folder of a RefMatte data set, or a `RefMatte`; minutes, steps: how long (both None:
    the profile's); weights: of the encoders, "clip", "random" or the path of a CLIP that `pretrain` stored; resume: go
    on from an interrupted run in `out`, and leave one alone that is complete; device: None finds the best.
    Returns the record. Raises RimError: no data, no weights, a disk that is full, a state of other settings, a loss
    that is not a number. Ctrl-C stores the state and passes on.
    """
    settings, out, device = profile.train, Path(out), loop.pick_device(device)
    if minutes is None and steps is None:
        minutes, steps = settings.minutes, settings.steps
    refmatte = data if hasattr(data, "targets_of") else RefMatte(data, split="train")
    samples = Samples(refmatte, profile.model.image_size, progress=progress)
    key = _key(profile, samples, weights)
    record_path, state_path = out / "train.json", out / "train-state.safetensors"
    earlier = state.load(state_path, key) if resume else None
    if resume and earlier is None and record_path.exists() and (out / "clipmat.safetensors").exists():
        last = read_json(record_path)
        if last.get("key") == key and last.get("asked") == {"minutes": minutes, "steps": steps}:
            return last

    torch.manual_seed(profile.seed)
    model = build(profile, weights).to(device).train()
    optimizer = _optimizer(model, settings, device)
    average = state.Average(model, settings.ema)
    stages = record.Stages(torch.cuda.synchronize if device.type == "cuda" else None)
    run = record.new("train", profile, key=key, asked={"minutes": minutes, "steps": steps}, weights=Path(weights).name,
                     data={"fingerprint": samples.fingerprint, "images": len(samples), "entities": len(samples.targets)})
    done = {"key": key, "profile": profile.name, "step": 0, "seconds": 0.0, "log": []}
    if earlier:
        state.restore(*earlier, model, average, optimizer)
        done |= {name: earlier[1][name] for name in done}
    clock = loop.Clock(minutes, steps, done["seconds"], done["step"])
    templates = prompt.TEMPLATES if profile.model.pre_context else ("{keyword}",)

    def save():
        with stages("checkpoint"):
            done.update(step=clock.step, seconds=clock.seconds)
            state.save(state_path, model, average, optimizer, done)

    def prepare(step):
        # The step's number decides its batch, so that an interrupted run sees what it would have seen.
        batch = samples.batch(np.random.default_rng([profile.seed, step]), settings.images, settings.sentences,
                              settings.keyword_share, settings.flip, settings.noise, settings.trimap_kernel, templates, settings.no_target)
        return batch, model.tokenizer(batch.texts, truncate=True)

    save()  # a disk that is full or read-only is found before the training, not after it
    try:
        with loop.Ahead(prepare, clock.step) as batches:
            _steps(model, average, optimizer, settings, clock, batches, stages, done["log"], save, device, progress)
    except KeyboardInterrupt:
        save()
        raise
    average.copy_to(model)
    model.eval()
    # What is stored says how long it was trained, whatever the profile's own length.
    model.profile = dataclasses.replace(profile, train=dataclasses.replace(settings, minutes=minutes, steps=steps))
    metrics = {"steps": clock.step, "minutes": clock.seconds / 60, **_last(done["log"])}
    model.save(out / "clipmat.safetensors", data=samples.fingerprint, weights=Path(weights).name, **metrics)
    record.finish(run, stages, metrics, device, dtype=loop.precision(device), log=done["log"])
    record.write(record_path, run)
    state_path.unlink(missing_ok=True)
    return run


def build(profile, weights="clip") -> CLIPMat:
    """A CLIPMat to train. weights: "clip", "random" or the path of a stored CLIP. Raises RimError."""
    if weights in ("clip", "random"):
        return CLIPMat.from_profile(profile, weights)
    path = Path(weights)
    if not path.is_file():
        raise RimError(f"weights {str(weights)!r}: must be `clip`, `random` or a file that `rim pretrain` wrote")
    clip, tokenizer = create_clip(profile.model, "random")
    clip.load_state_dict(read_tensors(path, clip.state_dict()))
    model = CLIPMat(profile.model, clip, tokenizer)
    model.profile = profile
    return model.to(memory_format=torch.channels_last)


def groups(model, settings) -> list[dict]:
    """The parameters by learning rate: the image encoder, the text encoder, all that is new. Paper: S4.1, Table 10."""
    image = [value for name, value in model.named_parameters() if name.startswith("backbone.visual.")]
    text = [value for name, value in model.named_parameters()
            if name.startswith("backbone.") and not name.startswith("backbone.visual.")]
    new = [value for name, value in model.named_parameters() if not name.startswith("backbone.")]
    return [{"params": params, "lr": rate, "rate": rate}
            for params, rate in ((image, settings.lr_image), (text, settings.lr_text), (new, settings.lr))]


def _steps(model, average, optimizer, settings, clock, batches, stages, log, save, device, progress) -> None:
    next_save, bad = clock.seconds + settings.checkpoint_seconds, 0
    parameters = [value for value in model.parameters() if value.requires_grad]
    sums, count, mark = {}, 0, clock.seconds
    with loop.Stop() as stop, loop.bar("train", clock, progress) as show:
        while clock.share < 1:
            if stop.asked:
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * (loop.cosine(clock.share, settings.warmup) if settings.schedule == "cosine" else 1)
            with stages("data"):
                batch, tokens = next(batches)
                inputs = batch.on(device)
            with stages("forward"):
                with loop.autocast(device):
                    output = model(inputs["images"], tokens.to(device), inputs["image_index"])
                losses = clipmat_loss(output, inputs["mattes"], inputs["trimaps"], settings.losses)
            with stages("backward"):
                optimizer.zero_grad(set_to_none=True)
                losses["total"].backward()
                norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            bad = loop.count_bad(bad, losses["total"], norm)
            if bad:
                average.repair()
            else:
                with stages("optimizer"):
                    optimizer.step()
                    average.update()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item()
                count += 1
            clock.step += 1
            if clock.step % 10 == 0 or clock.share >= 1:
                # The mean over the steps since the last row: single batches jump.
                spent = max(clock.seconds - mark, 1e-9)
                log.append({"step": clock.step, "seconds": round(clock.seconds, 2),
                            "images_per_second": round(count * settings.images / spent, 2),
                            **{name: round(value / count, 5) for name, value in sums.items()}})
                show(loss=log[-1].get("total"), step=clock.step)
                sums, count, mark = {}, 0, clock.seconds
            if clock.seconds > next_save:
                save()
                next_save = clock.seconds + settings.checkpoint_seconds


def _optimizer(model, settings, device):
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    # Decay on matrices and kernels only: a norm's scale and a bias have nothing to shrink.
    parts = []
    for group in groups(model, settings):
        for matrices in (True, False):
            params = [value for value in group["params"] if (value.ndim > 1) == matrices]
            parts.append({**group, "params": params, "weight_decay": settings.weight_decay if matrices else 0.0})
    return kind([part for part in parts if part["params"]], fused=device.type in ("cpu", "cuda"))


def _key(profile, samples, weights) -> str:
    whole = profile.to_dict()
    # More time is no other run, nor are other intervals between two states.
    free = {"minutes": None, "steps": None, "checkpoint_seconds": None}
    return state.settings_key("clipmat", profile.seed, whole["model"], {**whole["train"], **free},
                             samples.fingerprint, Path(weights).name)


def _last(log: list[dict]) -> dict:
    """The means of the run's last tenth, for the card: loss and speed."""
    rows = log[-max(1, len(log) // 10):]
    return {name: sum(row.get(name, 0.0) for row in rows) / len(rows) for name in ("total", "images_per_second")} if rows else {}


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rimlib.experiment.train", description="Train CLIPMat on a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--out", required=True, help="folder for the model and the record")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--weights", default="clip", help="clip, random, or the path of a CLIP that pretrain stored")
    parser.add_argument("--device")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", default=True, help="go on from an interrupted run (as without it)")
    again.add_argument("--fresh", dest="resume", action="store_false", help="begin anew")
    options = parser.parse_args(arguments)
    return loop.run_command(
        lambda: train(profiles.load(options.profile), options.data, options.out, options.minutes, options.steps,
                      options.weights, options.resume, device=options.device)["metrics"], options.out)


if __name__ == "__main__":
    sys.exit(main())
