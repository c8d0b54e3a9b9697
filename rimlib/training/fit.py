"""The training of every model here, on one device or several, by Lightning Fabric.

Paper: Sec. 5.1, S4.1. A run has a budget of steps or epochs, goes on where it was stopped, keeps an average of its
weights where the profile has one, and leaves a record. What learns is a `Task`: `clipmat` has CLIPMat's, `baselines`
those of the methods that it is compared with, `refiner` the refiner's, `clip` the small CLIP's.
"""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric import Fabric

from rimlib import provenance
from rimlib.errors import RimError
from rimlib.io.files import PARTIAL, read_json
from rimlib.training import devices as all_devices
from rimlib.training import loop, record, state
from rimlib.training.run import Run
from rimlib.training.task import Task
from rimlib.training.watch import Watch


def fit(
    task: Task,
    out: str | Path,
    steps: int | None = None,
    minutes: float | None = None,
    resume: bool = True,
    progress: bool = True,
    device: str | None = None,
    devices: int = 1,
    nodes: int = 1,
    tensorboard: bool = False,
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
        devices: how many of its kind, on each of …
        nodes: … so many machines.
        tensorboard: write curves and figures for TensorBoard too; a CSV file is always written.

    Raises:
        RimError: a disk that is full, a state of other settings or data, another run in `out`, a loss that is not a
            number, a device that is not there.
        KeyboardInterrupt: Ctrl-C, after the state has been stored.
    """
    out = Path(out)
    limits = _budget(task, steps, minutes)
    fabric = all_devices.launch(device, devices, nodes, task.train.precision, task.unused)
    with _Alone(out, fabric):
        return _fit(task, out, limits, fabric, resume, progress, tensorboard)


def _fit(
    task: Task, out: Path, limits: dict[str, Any], fabric: Fabric, resume: bool, progress: bool, tensorboard: bool
) -> dict[str, Any]:
    record_path, state_path = out / f"{task.kind}.json", out / f"{task.kind}-state.pt"
    weights_path = out / f"{task.name}.safetensors"
    key = state.settings_key(task.identity)
    earlier = state.load(state_path, task.identity) if resume else None
    if resume and earlier is None and record_path.exists() and weights_path.exists():
        last = read_json(record_path)
        if last.get("key") == key and last.get("budget") == limits:
            return last
    torch.manual_seed(task.seed)
    model = task.build().to(fabric.device)
    done = earlier["progress"] if earlier else _nothing(task)
    stages = record.Stages(done["seconds"])
    run = record.new(task.kind, task.profile, key=key, budget=limits, method=task.name, weights=task.weights)
    samples = task.samples
    data = {"fingerprint": samples.fingerprint, "images": len(samples.image_names), "entities": len(samples.targets)}
    run |= {"data": data, "seed": task.seed, "settings": task.settings}
    run |= task.begin(model, fabric.device, stages)
    budget = loop.Budget(limits["steps"], limits["minutes"], done["step"], done["trained_seconds"])
    started = {"from": budget.step, "started": run["started"], "git": run["git"], "devices": fabric.world_size}
    done["parts"].append({**started, "device": provenance.device_name(fabric.device)})
    training = Run(task, model, fabric, budget, stages, done, out, state_path)
    if earlier:
        before = done["parts"][-2]["devices"]
        if before != fabric.world_size and fabric.global_rank == 0:
            now = f"{state_path}: resumes on {fabric.world_size} devices, was left by {before}"
            print(f"rim: {now}; samples stay the same, dropout differs", file=sys.stderr)
    elif fabric.global_rank == 0:
        _clear(out, task)
    part = len(done["parts"]) - 1
    training.train(Watch(task, fabric, budget, done["log"], out / "logs", part, tensorboard, progress), earlier)
    metrics = {"steps": budget.step, "minutes": round(budget.seconds / 60, 4), **_last(done["log"])}
    metrics |= task.end(training.result, fabric.device, stages)
    facts = {"dtype": all_devices.dtype(fabric), **{name: done[name] for name in ("log", "validation", "parts")}}
    run["started"] = done["parts"][0]["started"]
    record.finish(run, stages, metrics, fabric.device, **facts)
    run["peak_memory_bytes"] = training.memory()
    if fabric.global_rank == 0:
        task.store(training.result, weights_path, budget, metrics)
        record.write(record_path, run)
        state_path.unlink(missing_ok=True)
    fabric.barrier()
    return run


def _clear(out: Path, task: Task) -> None:
    """Remove what a run before this one has left: curves of two runs in one folder would be taken for one."""
    for folder in (out / "logs").glob("version_*"):
        shutil.rmtree(folder)
    for pattern in (f"{task.name}-epoch-*.safetensors", f"{task.name}-best.safetensors", "logs/validation-*.png"):
        for path in out.glob(pattern):
            path.unlink()


def _nothing(task: Task) -> dict[str, Any]:
    """How far a run is that has not begun."""
    identity = {"identity": task.identity, "profile": task.profile.name}
    counts: dict[str, Any] = {"step": 0, "updates": 0, "trained_seconds": 0.0}
    return {**identity, **counts, "seconds": {}, "log": [], "validation": [], "parts": [], "memory": {}}


def _budget(task: Task, steps: int | None, minutes: float | None) -> dict[str, Any]:
    """Steps and minutes: those given, or the task's. Paper: Sec. 5.1 counts epochs of images. Raises RimError."""
    loop.check_budget(steps, minutes)
    epochs = task.train.epochs
    if steps is None and epochs:
        steps = math.floor(epochs * task.images / task.size(0) + 0.5)
    return {"steps": steps or task.train.steps, "minutes": minutes or task.train.minutes}


def _last(log: list[dict[str, float]]) -> dict[str, float]:
    """The means of the run's last tenth, for the card: losses and speed."""
    rows = log[-max(1, len(log) // 10) :]
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "seconds")]
    return {name: round(sum(row[name] for row in rows) / len(rows), 5) for name in names}


class _Alone:
    """A context in which no other run writes into a folder; what a killed one left half-written is removed."""

    def __init__(self, out: Path, fabric: Fabric):
        self.out, self.fabric, self.lock = out, fabric, None  # type: Path, Fabric, FileLock | None

    def __enter__(self) -> None:
        if self.fabric.global_rank:
            return
        try:
            (self.out / "logs").mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(self.out / "logs" / ".lock", timeout=0)
            self.lock.acquire()
        except Timeout:
            raise RimError(
                f"{self.out}: another run is writing there; wait, or name another --out", path=self.out
            ) from None
        except OSError as error:
            raise RimError(f"{self.out}: cannot be written: {error.strerror}", path=self.out) from None
        for path in self.out.iterdir():
            if PARTIAL.fullmatch(path.name):
                path.unlink()

    def __exit__(self, *_: object) -> None:
        if self.lock:
            self.lock.release()
