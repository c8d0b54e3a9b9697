"""A run: the steps, and what is kept of them.

Steps, states and scores belong to one object, which makes this file long.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from rimlib import provenance
from rimlib.errors import RimError
from rimlib.training import devices, loop, record, state, validation
from rimlib.training.batches import Batches, Loader, permutation
from rimlib.training.task import Task
from rimlib.training.watch import Watch

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
TRIES = 20  # steps in a row that float16 may leave out
STATES = 0.01  # share of the time that storing states may take


class Step(nn.Module):
    """What Fabric wraps: the losses of a batch, so that gradients are averaged over devices whatever the model is."""

    def __init__(self, task: Task, model: nn.Module, fabric: Fabric):
        super().__init__()
        self.model = torch.compile(model) if task.train.compile else model
        self.losses = lambda batch: task.losses(self.model, batch, fabric)

    def forward(self, batch: Any) -> dict[str, torch.Tensor]:
        """The scalars of `Task.losses`."""
        return self.losses(batch)


class Run:
    """The training of a task: `train` it; `result` is the trained model.

    Args:
        task: what is trained.
        model: on the device of `fabric`.
        fabric: launched.
        budget: how long.
        stages: their seconds are added to.
        done: how far the run is, plain values; changed in place.
        out: the run's folder.
        state_path: where the state is stored.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        fabric: Fabric,
        budget: loop.Budget,
        stages: record.Stages,
        done: dict[str, Any],
        out: Path,
        state_path: Path,
    ):
        self.task, self.fabric, self.budget, self.stages = task, fabric, budget, stages
        self.done, self.out, self.state_path = done, out, state_path
        self.model = devices.synchronise_norms(model, fabric.device) if fabric.world_size > 1 else model
        self.average = state.EMA(self.model, task.train.ema) if task.train.ema else None
        self.bad, self.next_save, self.watch = 0, 0.0, None  # type: int, float, Any
        self.step, self.optimizer = fabric.setup(Step(task, self.model, fabric), self._optimizer())
        images = len(task.samples.image_names)
        kept = images - task.images
        order = permutation(task.seed + 1, 0, images) if kept else np.arange(images)
        self.trained_on, self.validated_on = np.sort(order[kept:]), np.sort(order[:kept])

    @property
    def result(self) -> nn.Module:
        """The trained model: the average of its weights, where there is one."""
        return self.average.module if self.average else self.model

    def train(self, watch: Watch, earlier: dict[str, Any] | None = None) -> None:
        """Take the steps that are left, from a loaded state if there is one.

        Raises RimError, and KeyboardInterrupt after the state has been stored.
        """
        task, fabric, self.watch = self.task, self.fabric, watch
        if earlier:
            state.restore(earlier, self._parts())
            watch.resume(self.done["partial"])
        self.save()  # a disk that is full or read-only is found before the training, not after it
        batches = Batches(
            len(self.trained_on), task.size, task.seed, self.budget.step, fabric.global_rank, fabric.world_size,
            task.train.accumulate, indices=self.trained_on,
        )  # fmt: skip
        # The workers start before the first step: a fork copies what the process holds.
        with Loader(task.dataset, task.collate, batches, task.train.workers) as loader:
            try:
                self._steps(loader)
            except KeyboardInterrupt:
                self.save()
                raise
            finally:
                watch.close()

    def _steps(self, loader: Iterator[Any]) -> None:
        settings, budget = self.task.train, self.budget
        self.model.train()
        with loop.InterruptHandler() as handler:
            stop = self._agree(handler)
            while budget.fraction < 1:
                if stop:
                    raise KeyboardInterrupt
                factor = loop.cosine(budget.fraction, settings.warmup) if settings.schedule == "cosine" else 1
                for group in self.optimizer.param_groups:
                    group["lr"] = group["rate"] * factor
                names: list[str] = []
                for part in range(settings.accumulate):
                    with self.stages("data"):
                        batch = next(loader)
                    names += getattr(batch, "names", [])
                    self._backward(batch, part)
                self._update(names)
                budget.step += 1
                stop = self._agree(handler)
                if budget.step % self.task.log_every == 0 or budget.fraction >= 1:
                    self.watch.row()
                self._keep()

    def _backward(self, batch: Any, part: int) -> None:
        """The losses of one part of a step and its gradient, which is added to those of the earlier parts."""
        count = self.task.train.accumulate
        # A step's number decides its random numbers too, so that a resumed run has those that it would have had.
        seeds = np.random.SeedSequence([self.task.seed, self.budget.step, part, self.fabric.global_rank])
        torch.manual_seed(int(seeds.generate_state(1, np.uint32)[0]))
        with self.fabric.no_backward_sync(self.step, enabled=part < count - 1):
            with self.stages("forward"):
                losses = self.step(batch)
            with self.stages("backward"):
                if part == 0:
                    self.optimizer.zero_grad(set_to_none=True)
                self.fabric.backward(losses[self.task.loss] / count)
        self.watch.add(losses, len(batch))

    def _update(self, names: list[str]) -> None:
        """Change the weights. Raises RimError for a gradient that is not finite, as it is where the loss is not."""
        settings = self.task.train
        with self.stages("backward"):
            most = settings.clip_norm or math.inf
            found = self.fabric.clip_gradients(self.step, self.optimizer, max_norm=most, error_if_nonfinite=False)
            self._check(math.isfinite(found.item()), names)  # type: ignore[union-attr]
        with self.stages("optimizer"), torch.no_grad():
            self.optimizer.step()
            self.task.after_step(self.model)
            if self.average:
                self.average.update(self.model, self.done["updates"])
            self.done["updates"] += 1

    def _check(self, finite: bool, names: list[str]) -> None:
        self.bad = 0 if finite else self.bad + 1
        # The scaler of float16 leaves a step out that is too large for it, and scales less from then on.
        if self.bad <= (TRIES if self.task.train.precision == "fp16" else 0):
            return
        where = f" of the images {', '.join(names)}" if names else ""
        raise RimError(
            f"training: the loss or its gradient in step {self.budget.step}{where} is not a finite number; "
            f"{self.state_path} is from before it; lower the learning rate, or set clip_norm to about 1",
            path=self.state_path,
            setting="train.lr",
        )

    def _agree(self, handler: loop.InterruptHandler) -> bool:
        """Set the time, and find whether to stop, alike on all devices."""
        flag, seconds = float(handler.interrupted), self.budget.now
        if self.fabric.world_size > 1:
            both = torch.tensor([flag, seconds], device=self.fabric.device)
            flag, seconds = loop.over_devices(self.fabric, both).tolist()
        self.budget.tick(seconds)
        return flag > 0

    def _keep(self) -> None:
        """What is written between two steps: states, snapshots of epochs, validation."""
        settings, budget = self.task.train, self.budget
        passed = self._crossed(settings.snapshot_epochs)
        if passed:
            self._store(self.out / f"{self.task.name}-epoch-{passed * settings.snapshot_epochs}.safetensors", {})
        if len(self.validated_on) and (self._crossed(settings.validate_epochs) or budget.fraction >= 1):
            with self.stages("validation"):
                self._validate()
        if budget.seconds > self.next_save and budget.fraction < 1:
            self.save()

    def _crossed(self, epochs: float) -> int:
        """How many spans of so many epochs are over, if one ended with the last step; else 0."""
        if not epochs:
            return 0
        images, step = self.task.size(self.budget.step - 1), self.budget.step
        before, now = (int(number * images / len(self.trained_on) / epochs) for number in (step - 1, step))
        return now if now > before else 0

    def _validate(self) -> None:
        """Score the validation images; the best weights so far are kept."""
        scores, figure = validation.scores(self.task, self.result, self.validated_on, self.fabric)
        self.model.train()
        named = {f"validation_{name}": value for name, value in scores.items()}
        by = f"validation_{self.task.best_by or self.task.loss}"
        best = min((earlier[by] for earlier in self.done["validation"]), default=math.inf)
        self.done["validation"].append({"step": self.budget.step, **named})
        self.watch.write(named)
        self.watch.figure(figure, self.out / "logs" / f"validation-{self.budget.step}.png")
        if named[by] < best:
            self._store(self.out / f"{self.task.name}-best.safetensors", named)

    def _store(self, path: Path, metrics: dict[str, Any]) -> None:
        if self.fabric.global_rank == 0:
            self.task.store(self.result, path, self.budget, {"step": self.budget.step, **metrics})
        self.fabric.barrier()

    def save(self) -> None:
        """Store the state, and when the next one is due."""
        started = time.monotonic()
        with self.stages("checkpoint"):
            now = {"step": self.budget.step, "trained_seconds": self.budget.now, "seconds": dict(self.stages.seconds)}
            self.done.update(now, memory=self.memory(), partial=self.watch.partial())
            if self.fabric.global_rank == 0:
                state.save(self.state_path, self._parts(), self.done)
            self.fabric.barrier()
        took = time.monotonic() - started
        pause = self.fabric.broadcast(max(self.task.train.checkpoint_seconds, took / STATES))
        self.next_save = self.budget.seconds + pause

    def memory(self) -> dict[str, int]:
        """The most that any part of the run has held, in bytes."""
        earlier, now = self.done["memory"], provenance.peak_memory(self.fabric.device)
        return {name: max(value, earlier.get(name, 0)) for name, value in now.items()}

    def _parts(self) -> dict[str, Any]:
        # The last is float16's, which learns how much it may scale the loss.
        others = {"average": self.average, "scaler": getattr(self.fabric._precision, "scaler", None)}
        parts = {"model": self.model, "optimizer": self.optimizer}
        return parts | {name: part for name, part in others.items() if part is not None}

    def _optimizer(self) -> torch.optim.Optimizer:
        # Decay on matrices and kernels only: a norm's scale and a bias have nothing to shrink.
        task, parts = self.task, []
        for group in task.groups(self.model):
            for matrices in (True, False):
                params = [value for value in group["params"] if (value.ndim > 1) == matrices]
                decay = task.train.weight_decay if matrices else 0.0
                parts.append({"lr": group["rate"], "weight_decay": decay, **group, "params": params})
        parts = [part for part in parts if part["params"]]
        # The scaler of float16 does not know fused optimizers.
        fused = self.fabric.device.type in ("cpu", "cuda") and task.train.precision != "fp16"
        return OPTIMIZERS[task.train.optimizer](parts, fused=fused, **task.optimizer_options)
