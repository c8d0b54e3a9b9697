"""Contrastive pre-training of the small CLIP on the training scenes' own captions.

Not in the paper, which starts from OpenAI's CLIP weights: a CLIP that is small enough for a laptop has none.

    python -m rimlib.experiment.pretrain --profile tiny --data DATA --out clip --minutes 40
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch

from rimlib import profile as profiles
from rimlib.clipmat import backbone, prompt
from rimlib.experiment import contrast, loop, record, state
from rimlib.experiment.pairs import Pairs
from rimlib.experiment.samples import Samples
from rimlib.files import write_atomically, write_json
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import label_path

HELD_OUT = 128  # pictures that retrieval is measured on
PICTURES = 0.25  # weight of the pictures' own contrast beside the regions'


def pretrain_clip(profile, data_root, out, minutes=None, steps=None, resume=True, progress=True, device=None) -> dict:
    """Train the profile's CLIP and store it in `out`, as `<backbone>-clip.safetensors` and `.json`.

    profile: its `model` names the backbone, its `clip` the batch and the learning rate; data_root: a RefMatte data set
    (its "test" split, where there is one, only measures retrieval); minutes, steps: how long (both None: the
    profile's minutes); resume: go on from an interrupted run in `out`. Returns the record, which is also
    `out/pretrain.json`. Raises RimError.
    """
    settings, out, device = profile.clip, Path(out), loop.pick_device(device)
    if minutes is None and steps is None:
        minutes = settings.minutes
    torch.manual_seed(settings.seed)
    samples, unseen = _data(data_root, profile.model.image_size, progress)
    grid = profile.model.image_size // backbone.PATCH
    pairs = Pairs(samples, prompt.TEMPLATES, grid)
    held_out = Pairs(unseen, prompt.TEMPLATES, grid)
    clip, tokenizer = backbone.create_clip(profile.model, "random")
    clip = clip.to(device)
    tokenize = lambda texts: tokenizer(texts, truncate=True)
    optimizer = torch.optim.AdamW(_groups(clip, settings.weight_decay), lr=settings.lr, betas=(0.9, 0.98), eps=1e-6,
                                  fused=device.type in ("cpu", "cuda"))
    average = state.Average(clip, decay=profile.train.ema)
    stages = record.Stages(torch.cuda.synchronize if device.type == "cuda" else None)
    run = record.new("pretrain", profile, data={"fingerprint": samples.fingerprint, "images": len(samples)})

    whole = profile.to_dict()
    done = {"key": state.settings_key("clip", whole["model"]["backbone"], whole["model"]["image_size"],
                                     {**whole["clip"], "minutes": None}, samples.fingerprint),
            "profile": profile.name, "step": 0, "seconds": 0.0, "log": [], "before": None}
    state_path = out / "pretrain-state.safetensors"
    earlier = state.load(state_path, done["key"]) if resume else None
    if earlier:
        state.restore(*earlier, clip, average, optimizer)
        done |= {name: earlier[1][name] for name in done}
    else:
        done["before"] = _measure(clip, tokenize, held_out, device)
    clock = loop.Clock(minutes, steps, done["seconds"], done["step"])

    def save():
        with stages("checkpoint"):
            done.update(step=clock.step, seconds=clock.seconds)
            state.save(state_path, clip, average, optimizer, done)

    def prepare(step):
        # The step's number decides its batch, so that an interrupted run sees what it would have seen.
        regions = pairs.batch(np.random.default_rng([settings.seed, step]), settings.batch)
        arrays = (regions.pictures, regions.weights, regions.image_index, regions.also)
        return *map(torch.from_numpy, arrays), tokenize(regions.texts)

    save()  # a disk that is full or read-only is found before the training, not after it
    try:
        with loop.Ahead(prepare, clock.step) as batches:
            _train(clip, average, optimizer, settings, clock, batches, stages, done["log"], save, device, progress)
    except KeyboardInterrupt:
        save()
        raise
    average.copy_to(clip)
    with stages("evaluation"):
        after = _measure(clip, tokenize, held_out, device)
    metrics = {"before": done["before"], "after": after, "steps": clock.step, "minutes": clock.seconds / 60}
    save_clip(out / f"{profile.model.backbone}-clip.safetensors", clip, profile, metrics)
    record.finish(run, stages, metrics, device, dtype=loop.precision(device), log=done["log"])
    record.write(out / "pretrain.json", run)
    state_path.unlink(missing_ok=True)
    return run


def save_clip(path, clip, profile, metrics: dict) -> None:
    """Store a CLIP's weights as safetensors (open_clip's names), and beside them as JSON what they are."""
    from safetensors.torch import save

    card = {"kind": "clip", "backbone": profile.model.backbone, "image_size": profile.model.image_size,
            "profile": profile.name, "metrics": metrics}
    tensors = {name: value.detach().cpu().contiguous() for name, value in clip.state_dict().items()}
    write_atomically(path, save(tensors))
    write_json(Path(path).with_suffix(".json"), card)


def _train(clip, average, optimizer, settings, clock, batches, stages, log, save, device, progress) -> None:
    next_save, bad, images_seen, mark = clock.seconds + 60, 0, 0, clock.seconds
    clip.train()
    with loop.Stop() as stop, loop.bar("clip", clock, progress) as show:
        while clock.share < 1:
            if stop.asked:
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * loop.cosine(clock.share, settings.warmup)
            with stages("data"):
                pictures, weights, index, also, tokens = (tensor.to(device, non_blocking=True) for tensor in next(batches))
            with stages("forward"), loop.autocast(device):
                seen = contrast.image_tokens(clip, pictures)
                texts, scale = contrast.text_features(clip, tokens), clip.logit_scale.exp()
                loss = contrast.contrastive_loss(contrast.region_features(clip, seen, weights, index), texts, scale, also)
                # A picture's caption is that of its first region; the captions of its other regions are true of it too.
                first = torch.cat([index.new_zeros(1), (index.diff() > 0).nonzero()[:, 0] + 1])
                shared = torch.zeros(len(pictures), len(first), dtype=torch.int64, device=device)
                shared.index_add_(0, index, also[:, first].long())
                pictures_of = index[first]
                whole = contrast.image_features(clip, seen[pictures_of])
                loss = loss + PICTURES * contrast.contrastive_loss(whole, texts[first], scale, shared[pictures_of] > 0)
            with stages("backward"):
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(clip.parameters(), 1.0)
            bad = loop.count_bad(bad, loss, norm)
            if not bad:
                with stages("optimizer"), torch.no_grad():
                    optimizer.step()
                    clip.logit_scale.clamp_(0, math.log(100))  # CLIP's own bound
                    average.update()
            clock.step += 1
            images_seen += len(pictures)
            if clock.step % 10 == 0 or clock.share >= 1:
                log.append({"step": clock.step, "seconds": round(clock.seconds, 1), "loss": round(loss.item(), 4),
                            "images_per_second": round(images_seen / (clock.seconds - mark), 1)})
                images_seen, mark = 0, clock.seconds
                show(loss=log[-1]["loss"], step=clock.step)
            if clock.seconds > next_save:
                save()
                next_save = clock.seconds + 60


def _data(root, size: int, progress: bool):
    """The training samples, and those that retrieval is measured on: new scenes where the data set has some."""
    samples = Samples(RefMatte(root, split="train"), size, progress=progress)
    for split in ("seen", "test"):
        if label_path(root, split).exists():
            return samples, Samples(RefMatte(root, split=split), size, limit=HELD_OUT, cache=False)
    return samples, samples


def _measure(clip, tokenize, held_out, device) -> dict:
    """Retrieval of a caption by the picture, and by the region, among the held-out ones."""
    count = min(HELD_OUT, len(held_out.samples))
    regions = held_out.batch(np.random.default_rng(0), count, flip=0.0, noise=0.0)
    return {"pictures": contrast.retrieval(clip, tokenize, *held_out.scenes(count), device), "pictures_chance": 1 / count,
            "regions": contrast.region_retrieval(clip, tokenize, regions, device), "regions_chance": float(regions.also.mean())}


def _groups(clip, weight_decay: float) -> list[dict]:
    """Weight decay for the matrices; none for biases, norms, positions and the scale."""
    named = dict(clip.named_parameters())
    decayed = {name for name, value in named.items() if value.ndim >= 2 and "positional" not in name}
    return [{"params": [value for name, value in named.items() if name in decayed], "weight_decay": weight_decay},
            {"params": [value for name, value in named.items() if name not in decayed], "weight_decay": 0.0}]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rimlib.experiment.pretrain",
                                     description="Pre-train a small CLIP on the captions of a RefMatte data set.")
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--out", required=True, help="folder for the weights and the record")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--fresh", action="store_true", help="do not go on from an interrupted run")
    options = parser.parse_args(arguments)
    return loop.run_command(
        lambda: pretrain_clip(profiles.load(options.profile), options.data, options.out, options.minutes, options.steps,
                              resume=not options.fresh)["metrics"], options.out)


if __name__ == "__main__":
    sys.exit(main())
