"""One training run from its first step to its record, whatever learns.

Paper: Sec. 5.1. A run ends by the clock or by steps, goes on where it was interrupted, leaves out steps whose loss is no
number, keeps an average of its weights and writes down what it did. What learns is a `Task`: `train` has CLIPMat's,
`train_rival` those of the methods that it is compared with, `refine` the refiner's, `pretrain` the small CLIP's.
"""

from pathlib import Path

import numpy as np
import torch

from rimlib.errors import RimError
from rimlib.io.files import read_json
from rimlib.training import loop, record, state

FREE = {
    "minutes": None,
    "steps": None,
    "checkpoint_seconds": None,
}  # more time is no other run, nor are other intervals between two states
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Task:
    """What `fit` trains. A subclass says how.

    profile: a Profile, or None; samples: `Samples`, or whatever has `fingerprint`, `image_names` and `targets`; weights: where the
    model starts, a name or a path, for the record; train, seed: the loop's numbers, a `profile.Train`, and the seed (None: the profile's).
    """

    kind, name = "train", "model"  # the record is KIND.json, the weights are NAME.safetensors
    loss = "total"  # which of `losses` is made smaller; the others are only written down
    log_every = 10  # steps
    shown: tuple[str, ...] = ()  # of `losses`, beside the progress bar
    optimizer_options: dict = {}  # where they are not torch's own

    def __init__(self, profile, samples, weights: str = "random", train=None, seed: int | None = None):
        self.profile, self.samples, self.weights = profile, samples, Path(weights).name
        self.train, self.seed = train or profile.train, profile.seed if seed is None else seed

    @property
    def settings(self) -> dict:
        """All that decides the run, as plain values, for the record. `key` reads `model` and `train` of them."""
        return self.profile.to_dict()

    @property
    def key(self) -> str:
        """Runs of one key may go on from each other."""
        return state.settings_key(
            self.name,
            self.seed,
            self.settings["model"],
            {**self.settings["train"], **FREE},
            self.samples.fingerprint,
            self.weights,
        )

    def build(self) -> torch.nn.Module:
        """The model as it starts."""
        raise NotImplementedError

    def groups(self, model) -> list[dict]:
        """The parameters that learn, as `params` of one learning rate `rate` each; `weight_decay` where it is not the usual."""
        return [{"params": [value for value in model.parameters() if value.requires_grad], "rate": self.train.lr}]

    def begin(self, model, device, stages) -> dict:
        """What precedes the first step, of a run that goes on too. Returns facts for the record; stages: the run's stopwatch."""
        return {}

    def rng(self, step: int) -> np.random.Generator:
        """The step's number decides its batch, so that an interrupted run sees what it would have seen."""
        return np.random.default_rng([self.seed, step])

    def prepare(self, model, step: int):
        """A step's batch, made ahead of it in another thread."""
        raise NotImplementedError

    def images(self, batch) -> int:
        """How many images a batch has."""
        return self.train.images

    def losses(self, model, batch, device) -> dict[str, torch.Tensor]:
        """Of one batch: the one that is named `self.loss`, its parts, and what else the log should hold, scalars."""
        raise NotImplementedError

    def after_step(self, model) -> None:
        """Keep the weights within their bounds."""

    def end(self, model, device, stages) -> dict:
        """More metrics, of the trained model."""
        return {}

    def store(self, model, path: Path, minutes, steps, metrics: dict) -> None:
        """Write the trained model to a .safetensors file."""
        raise NotImplementedError


def fit(task: Task, out, minutes=None, steps=None, resume=True, progress=True, device=None) -> dict:
    """Train; `out/NAME.safetensors` is the model and `out/KIND.json` the record, by the names of the task.

    minutes, steps: how long (both None: the task's); resume: go on from an interrupted run in `out`, and leave one
    alone that is complete; device: None finds the best. Returns the record.
    Raises RimError: a disk that is full, a state of other settings, a loss that is not a number. Ctrl-C stores the
    state and passes on.
    """
    out, device = Path(out), loop.pick_device(device)
    if minutes is None and steps is None:
        minutes, steps = task.train.minutes, task.train.steps
    record_path, state_path = out / f"{task.kind}.json", out / f"{task.kind}-state.safetensors"
    weights_path = out / f"{task.name}.safetensors"
    asked, key = {"minutes": minutes, "steps": steps}, task.key
    earlier = state.load(state_path, key) if resume else None
    if resume and earlier is None and record_path.exists() and weights_path.exists():
        last = read_json(record_path)
        if last.get("key") == key and last.get("asked") == asked:
            return last

    torch.manual_seed(task.seed)
    model = task.build().to(device)
    stages = record.Stages(torch.cuda.synchronize if device.type == "cuda" else None)
    data = {
        "fingerprint": task.samples.fingerprint,
        "images": len(task.samples.image_names),
        "entities": len(task.samples.targets),
    }
    run = record.new(
        task.kind,
        task.profile,
        key=key,
        asked=asked,
        seed=task.seed,
        method=task.name,
        settings=task.settings,
        weights=task.weights,
        data=data,
    )
    run |= task.begin(model, device, stages)
    model.train()
    optimizer = _optimizer(task, model, device)
    average = state.Average(model, task.train.ema)
    done = {"key": key, "profile": run["profile"] or task.name, "step": 0, "seconds": 0.0, "log": []}
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
        with loop.Ahead(lambda step: task.prepare(model, step), clock.step) as batches:
            _steps(task, model, average, optimizer, clock, batches, stages, done["log"], save, device, progress)
    except KeyboardInterrupt:
        save()
        raise
    average.copy_to(model)
    model.eval()
    metrics = {
        "steps": clock.step,
        "minutes": round(clock.seconds / 60, 4),
        **_last(done["log"]),
        **task.end(model, device, stages),
    }
    task.store(model, weights_path, minutes, steps, metrics)
    record.finish(run, stages, metrics, device, dtype=loop.precision(device), log=done["log"])
    record.write(record_path, run)
    state_path.unlink(missing_ok=True)
    return run


def _steps(task, model, average, optimizer, clock, batches, stages, log, save, device, progress) -> None:
    settings = task.train
    next_save, bad = clock.seconds + settings.checkpoint_seconds, 0
    sums, count, images, mark = {}, 0, 0, clock.seconds
    with loop.Stop() as stop, loop.bar(task.kind, clock, progress) as show:
        while clock.share < 1:
            if stop.asked:
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * (
                    loop.cosine(clock.share, settings.warmup) if settings.schedule == "cosine" else 1
                )
            with stages("data"):
                batch = next(batches)
            with stages("forward"):
                losses = task.losses(model, batch, device)
            with stages("backward"):
                optimizer.zero_grad(set_to_none=True)
                losses[task.loss].backward()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            bad = loop.count_bad(bad, losses[task.loss], norm)
            if bad:
                average.repair()
            else:
                with stages("optimizer"), torch.no_grad():
                    optimizer.step()
                    task.after_step(model)
                    average.update()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item()
                count, images = count + 1, images + task.images(batch)
            clock.step += 1
            if count and (clock.step % task.log_every == 0 or clock.share >= 1):
                # The mean over the steps since the last row: single batches jump.
                row = {name: round(value / count, 5) for name, value in sums.items()}
                log.append(
                    {
                        "step": clock.step,
                        "seconds": round(clock.seconds, 2),
                        "images_per_second": round(images / max(clock.seconds - mark, 1e-9), 2),
                        **row,
                    }
                )
                show(loss=row[task.loss], **{name: row[name] for name in task.shown}, step=clock.step)
                sums, count, images, mark = {}, 0, 0, clock.seconds
            if clock.seconds > next_save:
                save()
                next_save = clock.seconds + settings.checkpoint_seconds


def _optimizer(task, model, device):
    settings = task.train
    if settings.optimizer not in OPTIMIZERS:
        raise RimError(f"train.optimizer {settings.optimizer!r}: must be one of {', '.join(OPTIMIZERS)}")
    # Decay on matrices and kernels only: a norm's scale and a bias have nothing to shrink.
    parts = []
    for group in task.groups(model):
        for matrices in (True, False):
            params = [value for value in group["params"] if (value.ndim > 1) == matrices]
            parts.append(
                {
                    "lr": group["rate"],
                    "weight_decay": settings.weight_decay if matrices else 0.0,
                    **group,
                    "params": params,
                }
            )
    return OPTIMIZERS[settings.optimizer](
        [part for part in parts if part["params"]], fused=device.type in ("cpu", "cuda"), **task.optimizer_options
    )


def _last(log: list[dict]) -> dict:
    """The means of the run's last tenth, for the card: losses and speed."""
    rows = log[-max(1, len(log) // 10) :]
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "seconds")]
    return {name: round(sum(row[name] for row in rows) / len(rows), 5) for name in names}
