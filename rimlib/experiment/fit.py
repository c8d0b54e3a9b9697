"""One training run from its first step to its record, whatever learns.

Paper: Sec. 5.1. A run ends by the clock or by steps, goes on where it was interrupted, leaves out steps whose loss is no
number, keeps an average of its weights and writes down what it did. What learns is a `Task`: `train` has CLIPMat's,
`train_rival` those of the methods that it is compared with.
"""

from pathlib import Path

import numpy as np
import torch

from rimlib.errors import RimError
from rimlib.experiment import loop, record, state
from rimlib.files import read_json

FREE = {"minutes": None, "steps": None, "checkpoint_seconds": None}  # more time is no other run, nor are other intervals between two states
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Task:
    """What `fit` trains. A subclass says how; the samples, the settings and the seed are read by `fit`.

    profile: a Profile, of which `seed` and `train` count; samples: a `Samples`; weights: where the model starts, a name or a
    path, for the record; name: what is trained, for the key and the file of weights.
    """

    name = "model"

    def __init__(self, profile, samples, weights: str = "random"):
        self.profile, self.samples, self.weights = profile, samples, Path(weights).name

    @property
    def settings(self) -> dict:
        """All that decides the run, as plain values; `model` and `train` are among them."""
        return self.profile.to_dict()

    @property
    def key(self) -> str:
        """Runs of one key may go on from each other."""
        return state.settings_key(self.name, self.profile.seed, self.settings["model"], {**self.settings["train"], **FREE},
                                  self.samples.fingerprint, self.weights)

    def build(self) -> torch.nn.Module:
        """The model as it starts."""
        raise NotImplementedError

    def groups(self, model) -> list[dict]:
        """The parameters that learn, as `params` of one learning rate `rate` each."""
        return [{"params": [value for value in model.parameters() if value.requires_grad], "rate": self.profile.train.lr}]

    def prepare(self, model, rng: np.random.Generator):
        """A step's batch, made ahead of it in another thread."""
        raise NotImplementedError

    def losses(self, model, batch, device) -> dict[str, torch.Tensor]:
        """Of one batch: `total`, which is made smaller, and its parts, scalars."""
        raise NotImplementedError

    def store(self, model, path: Path, minutes, steps, metrics: dict) -> None:
        """Write the trained model to a .safetensors file."""
        raise NotImplementedError


def fit(task: Task, out, minutes=None, steps=None, resume=True, progress=True, device=None) -> dict:
    """Train; `out/NAME.safetensors` is the model and `out/train.json` the record.

    minutes, steps: how long (both None: the profile's); resume: go on from an interrupted run in `out`, and leave one
    alone that is complete; device: None finds the best. Returns the record.
    Raises RimError: a disk that is full, a state of other settings, a loss that is not a number. Ctrl-C stores the
    state and passes on.
    """
    profile, settings, out, device = task.profile, task.profile.train, Path(out), loop.pick_device(device)
    if minutes is None and steps is None:
        minutes, steps = settings.minutes, settings.steps
    record_path, state_path, weights_path = out / "train.json", out / "train-state.safetensors", out / f"{task.name}.safetensors"
    asked = {"minutes": minutes, "steps": steps}
    earlier = state.load(state_path, task.key) if resume else None
    if resume and earlier is None and record_path.exists() and weights_path.exists():
        last = read_json(record_path)
        if last.get("key") == task.key and last.get("asked") == asked:
            return last

    torch.manual_seed(profile.seed)
    model = task.build().to(device).train()
    optimizer = _optimizer(task.groups(model), settings, device)
    average = state.Average(model, settings.ema)
    stages = record.Stages(torch.cuda.synchronize if device.type == "cuda" else None)
    run = record.new("train", profile, key=task.key, asked=asked, method=task.name, settings=task.settings, weights=task.weights,
                     data={"fingerprint": task.samples.fingerprint, "images": len(task.samples), "entities": len(task.samples.targets)})
    done = {"key": task.key, "profile": profile.name, "step": 0, "seconds": 0.0, "log": []}
    if earlier:
        state.restore(*earlier, model, average, optimizer)
        done |= {name: earlier[1][name] for name in done}
    clock = loop.Clock(minutes, steps, done["seconds"], done["step"])

    def save():
        with stages("checkpoint"):
            done.update(step=clock.step, seconds=clock.seconds)
            state.save(state_path, model, average, optimizer, done)

    save()  # a disk that is full or read-only is found before the training, not after it
    try:
        # The step's number decides its batch, so that an interrupted run sees what it would have seen.
        with loop.Ahead(lambda step: task.prepare(model, np.random.default_rng([profile.seed, step])), clock.step) as batches:
            _steps(task, model, average, optimizer, clock, batches, stages, done["log"], save, device, progress)
    except KeyboardInterrupt:
        save()
        raise
    average.copy_to(model)
    model.eval()
    metrics = {"steps": clock.step, "minutes": clock.seconds / 60, **_last(done["log"])}
    task.store(model, weights_path, minutes, steps, metrics)
    record.finish(run, stages, metrics, device, dtype=loop.precision(device), log=done["log"])
    record.write(record_path, run)
    state_path.unlink(missing_ok=True)
    return run


def _steps(task, model, average, optimizer, clock, batches, stages, log, save, device, progress) -> None:
    settings = task.profile.train
    next_save, bad = clock.seconds + settings.checkpoint_seconds, 0
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    sums, count, mark = {}, 0, clock.seconds
    with loop.Stop() as stop, loop.bar("train", clock, progress) as show:
        while clock.share < 1:
            if stop.asked:
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * (loop.cosine(clock.share, settings.warmup) if settings.schedule == "cosine" else 1)
            with stages("data"):
                batch = next(batches)
            with stages("forward"):
                losses = task.losses(model, batch, device)
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


def _optimizer(groups, settings, device):
    if settings.optimizer not in OPTIMIZERS:
        raise RimError(f"train.optimizer {settings.optimizer!r}: must be one of {', '.join(OPTIMIZERS)}")
    # Decay on matrices and kernels only: a norm's scale and a bias have nothing to shrink.
    parts = []
    for group in groups:
        for matrices in (True, False):
            params = [value for value in group["params"] if (value.ndim > 1) == matrices]
            parts.append({"lr": group["rate"], **group, "params": params, "weight_decay": settings.weight_decay if matrices else 0.0})
    return OPTIMIZERS[settings.optimizer]([part for part in parts if part["params"]], fused=device.type in ("cpu", "cuda"))


def _last(log: list[dict]) -> dict:
    """The means of the run's last tenth, for the card: loss and speed."""
    rows = log[-max(1, len(log) // 10):]
    return {name: sum(row.get(name, 0.0) for row in rows) / len(rows) for name in ("total", "images_per_second")} if rows else {}
