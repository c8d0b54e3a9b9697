"""The training loop, for every model here.

Paper: Sec. 5.1. A run has a budget of steps, resumes where it was interrupted, skips non-finite steps, keeps an EMA of
its weights and leaves a record. What learns is a `Task`: `clipmat` has CLIPMat's, `baselines` those of the methods that
it is compared with, `refiner` the refiner's, `clip` the small CLIP's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.device import pick_device
from rimlib.io.files import read_json
from rimlib.profile import Loop, Profile
from rimlib.training import loop, record, state

# Settings that do not enter the resume key: a longer run may go on from a shorter one.
FREE = {"minutes": None, "steps": None, "checkpoint_seconds": None, "cache": None}
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Task:
    """What `fit` trains. A subclass defines how.

    `samples` have `fingerprint`, `image_names` and `targets`; `train` are the loop's settings; `weights`, a name or a
    path that the model starts from, is for the record; `seed` is the profile's if None.
    """

    kind, name = "train", "model"  # the record is KIND.json, the weights are NAME.safetensors
    loss = "total"  # which of `losses` is made smaller; the others are only written down
    log_every = 10  # steps
    shown: tuple[str, ...] = ()  # of `losses`, beside the progress bar
    optimizer_options: dict[str, Any] = {}  # where they are not torch's own

    def __init__(
        self, profile: Profile, samples: Any, train: Loop, weights: str | Path = "random", seed: int | None = None
    ):
        self.profile, self.samples, self.train = profile, samples, train
        self.weights, self.seed = Path(weights).name, profile.seed if seed is None else seed

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the run, as plain values, for the record. `key` reads `model` and `train` of them."""
        return self.profile.to_dict()

    @property
    def key(self) -> str:
        """Runs of one key may go on from each other."""
        model, train = self.settings["model"], {**self.settings["train"], **FREE}
        return state.settings_key(self.name, self.seed, model, train, self.samples.fingerprint, self.weights)

    def build(self) -> torch.nn.Module:
        """The model as it starts."""
        raise NotImplementedError

    def groups(self, model: Any) -> list[dict[str, Any]]:
        """The trained parameters, as `params` of one learning rate `rate` each; `weight_decay` if not the usual one."""
        return [{"params": [value for value in model.parameters() if value.requires_grad], "rate": self.train.lr}]

    def begin(self, model: Any, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        """What precedes the first step, of a resumed run too. Returns facts for the record."""
        return {}

    def rng(self, step: int) -> np.random.Generator:
        """The step's number decides its batch, so that a resumed run sees what it would have seen."""
        return np.random.default_rng([self.seed, step])

    def prepare(self, model: Any, step: int) -> Any:
        """A step's batch, made ahead of it in another thread."""
        raise NotImplementedError

    def images(self, batch: Any) -> int:
        """How many images a batch has."""
        raise NotImplementedError

    def losses(self, model: Any, batch: Any, device: torch.device) -> dict[str, torch.Tensor]:
        """Of one batch: the one that is named `self.loss`, its parts, and what else the log should hold, scalars."""
        raise NotImplementedError

    def after_step(self, model: Any) -> None:
        """Keep the weights within their bounds."""

    def end(self, model: Any, device: torch.device, stages: record.Stages) -> dict[str, Any]:
        """More metrics, of the trained model."""
        return {}

    def store(self, model: Any, path: Path, budget: loop.Budget, metrics: dict[str, Any]) -> None:
        """Write the trained model to a .safetensors file."""
        raise NotImplementedError


def fit(
    task: Task,
    out: str | Path,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = True,
    progress: bool = True,
    device: str | None = None,
) -> dict[str, Any]:
    """Train; `out/NAME.safetensors` is the model and `out/KIND.json` the record, which is returned.

    Args:
        task: what is trained.
        out: folder of the run.
        steps: the budget (None: the task's).
        minutes: a limit beside it, if the steps take longer (None: the task's, mostly none).
        resume: go on from an interrupted run in `out`, and leave one alone that is complete.
        progress: show a bar with the time left.
        device: None finds the best.

    Raises:
        RimError: a disk that is full, a state of other settings, a loss that is not a number.
        KeyboardInterrupt: Ctrl-C, after the state has been stored.
    """
    out, chosen = Path(out), pick_device(device)
    steps, minutes = steps or task.train.steps, minutes or task.train.minutes
    record_path, state_path = out / f"{task.kind}.json", out / f"{task.kind}-state.pt"
    weights_path = out / f"{task.name}.safetensors"
    key, limits = task.key, {"steps": steps, "minutes": minutes}
    earlier = state.load(state_path, key) if resume else None
    if resume and earlier is None and record_path.exists() and weights_path.exists():
        last = read_json(record_path)
        if last.get("key") == key and last.get("budget") == limits:
            return last

    torch.manual_seed(task.seed)
    model = task.build().to(chosen)
    stages = record.Stages(torch.cuda.synchronize if chosen.type == "cuda" else None)
    samples = task.samples
    data = {"fingerprint": samples.fingerprint, "images": len(samples.image_names), "entities": len(samples.targets)}
    run = record.new(task.kind, task.profile, key=key, budget=limits, method=task.name, weights=task.weights, data=data)
    run |= {"seed": task.seed, "settings": task.settings}
    run |= task.begin(model, chosen, stages)
    model.train()
    average, optimizer = state.EMA(model, task.train.ema), _optimizer(task, model, chosen)
    parts = {"model": model, "average": average, "optimizer": optimizer}
    done = {"key": key, "profile": run["profile"], "step": 0, "updates": 0, "seconds": 0.0, "log": []}
    if earlier:
        done = earlier["progress"]
        state.restore(earlier, parts)
    budget = loop.Budget(steps, minutes, done["step"], done["seconds"])

    def save() -> None:
        with stages("checkpoint"):
            done.update(step=budget.step, seconds=budget.seconds)
            state.save(state_path, parts, done, chosen)

    save()  # a disk that is full or read-only is found before the training, not after it
    try:
        with loop.Prefetcher(lambda step: task.prepare(model, step), budget.step) as batches:
            _steps(task, parts, budget, batches, stages, done, save, chosen, progress)
    except KeyboardInterrupt:
        save()
        raise
    model = average.module
    metrics = {"steps": budget.step, "minutes": round(budget.seconds / 60, 4), **_last(done["log"])}
    metrics |= task.end(model, chosen, stages)
    task.store(model, weights_path, budget, metrics)
    record.finish(run, stages, metrics, chosen, dtype=loop.precision(chosen), log=done["log"])
    record.write(record_path, run)
    state_path.unlink(missing_ok=True)
    return run


def _steps(
    task: Task,
    parts: dict[str, Any],
    budget: loop.Budget,
    batches: loop.Prefetcher,
    stages: record.Stages,
    done: dict[str, Any],
    save: Callable[[], None],
    device: torch.device,
    progress: bool,
) -> None:
    model, average, optimizer = parts.values()
    settings = task.train
    next_save, bad = budget.seconds + settings.checkpoint_seconds, 0
    sums: dict[str, float] = {}
    count, images, mark = 0, 0, budget.seconds
    bar = tqdm(total=budget.steps, initial=budget.step, desc=task.kind, unit="step", disable=not progress)
    with loop.InterruptHandler() as handler, bar:
        while budget.fraction < 1:
            if handler.interrupted:
                raise KeyboardInterrupt
            factor = loop.cosine(budget.fraction, settings.warmup) if settings.schedule == "cosine" else 1
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * factor
            with stages("data"):
                batch = next(batches)
            with stages("forward"):
                losses = task.losses(model, batch, device)
            with stages("backward"):
                optimizer.zero_grad(set_to_none=True)
                losses[task.loss].backward()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            bad = loop.check_finite(bad, losses[task.loss], norm)
            if bad:
                average.repair(model)
            else:
                with stages("optimizer"), torch.no_grad():
                    optimizer.step()
                    task.after_step(model)
                    average.update(model, done["updates"])
                done["updates"] += 1
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item()
                count, images = count + 1, images + task.images(batch)
            budget.step += 1
            if count and (budget.step % task.log_every == 0 or budget.fraction >= 1):
                # The mean over the steps since the last row: single batches jump.
                row = {name: round(value / count, 5) for name, value in sums.items()}
                speed = round(images / max(budget.seconds - mark, 1e-9), 2)
                head = {"step": budget.step, "seconds": round(budget.seconds, 2), "images_per_second": speed}
                done["log"].append({**head, **row})
                bar.update(budget.step - bar.n)
                bar.set_postfix({name: row[name] for name in (task.loss, *task.shown)}, images_per_second=speed)
                sums, count, images, mark = {}, 0, 0, budget.seconds
            if budget.seconds > next_save:
                save()
                next_save = budget.seconds + settings.checkpoint_seconds


def _optimizer(task: Task, model: torch.nn.Module, device: torch.device) -> torch.optim.Optimizer:
    # Decay on matrices and kernels only: a norm's scale and a bias have nothing to shrink.
    parts = []
    for group in task.groups(model):
        for matrices in (True, False):
            params = [value for value in group["params"] if (value.ndim > 1) == matrices]
            decay = task.train.weight_decay if matrices else 0.0
            parts.append({"lr": group["rate"], "weight_decay": decay, **group, "params": params})
    parts = [part for part in parts if part["params"]]
    return OPTIMIZERS[task.train.optimizer](parts, fused=device.type in ("cpu", "cuda"), **task.optimizer_options)


def _last(log: list[dict[str, float]]) -> dict[str, float]:
    """The means of the run's last tenth, for the card: losses and speed."""
    rows = log[-max(1, len(log) // 10) :]
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "seconds")]
    return {name: round(sum(row[name] for row in rows) / len(rows), 5) for name in names}
