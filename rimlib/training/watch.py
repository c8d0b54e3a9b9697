"""What a run shows while it runs: a bar, a CSV file that grows by a line, TensorBoard's curves and figures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import CSVLogger, TensorBoardLogger
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.io.images import write_image
from rimlib.provenance import peak_memory
from rimlib.training import loop
from rimlib.training.task import Task


class Watch:
    """Rows of a run's log, each the mean over the steps since the last one: single batches jump.

    Args:
        task: what is trained.
        fabric: its devices; the first writes.
        budget: of the run.
        log: the rows of the run's earlier parts, to which new ones are added.
        folder: where the files go.
        part: the number of this part of the run, each of which has files of its own.
        board: write for TensorBoard too, where it is installed.
        progress: show a bar with the time left.
    """

    def __init__(
        self,
        task: Task,
        fabric: Fabric,
        budget: loop.Budget,
        log: list[dict[str, float]],
        folder: Path,
        part: int,
        board: bool,
        progress: bool,
    ):
        self.task, self.fabric, self.budget, self.log = task, fabric, budget, log
        first = fabric.global_rank == 0
        self.loggers: list[Any] = []
        if first:
            where: dict[str, Any] = {"root_dir": folder.parent, "name": folder.name, "version": part}
            self.loggers = [CSVLogger(**where, flush_logs_every_n_steps=1)]
            self.loggers += [TensorBoardLogger(**where)] if board and find_spec("tensorboard") else []
        hidden = not (progress and first)
        self.bar = tqdm(total=budget.steps, initial=budget.step, desc=task.kind, unit="step", disable=hidden)
        self._begin()

    def _begin(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.count, self.images, self.mark = 0, 0, self.budget.seconds

    def partial(self) -> dict[str, Any]:
        """What belongs to the row that is not yet full, for the state."""
        sums: Any = loop.over_devices(self.fabric, torch.stack(list(self.sums.values()))) if self.sums else []
        row = {name: float(value) for name, value in zip(self.sums, sums)}
        return {"sums": row, "count": self.count, "images": self.images, "mark": self.mark}

    def resume(self, partial: dict[str, Any]) -> None:
        """Go on with a row that `partial` gave."""
        device = self.fabric.device
        self.sums = {name: torch.tensor(value, device=device) for name, value in partial["sums"].items()}
        self.count, self.images, self.mark = partial["count"], partial["images"], partial["mark"]

    def add(self, losses: dict[str, torch.Tensor], images: int) -> None:
        """Count a step. The sums stay on the device: to read a number there would wait for it.

        Where the losses have other parts than before, as after the first steps of a run, a row ends.
        """
        if self.sums and losses.keys() != self.sums.keys():
            self.row()
        for name, value in losses.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count, self.images = self.count + 1, self.images + images

    def row(self) -> None:
        """Write the row of the steps since the last one, if there were any."""
        if not self.count:
            return
        sums = loop.over_devices(self.fabric, torch.stack(list(self.sums.values())))
        means = {name: round(value / self.count, 5) for name, value in zip(self.sums, sums.tolist())}
        images = self.images * self.fabric.world_size  # each device has an equal share of a step
        speed = round(images / max(self.budget.seconds - self.mark, 1e-9), 2)
        head = {"step": self.budget.step, "seconds": round(self.budget.seconds, 2), "images_per_second": speed}
        self.log.append({**head, **means})
        self.write({"images_per_second": speed, "memory_gib": _memory(self.fabric.device), **means})
        self.bar.update(self.budget.step - self.bar.n)
        shown = {name: means[name] for name in (self.task.loss, *self.task.shown)}
        self.bar.set_postfix({**shown, "images_per_second": speed})
        self._begin()

    def write(self, values: dict[str, float]) -> None:
        """A line of the files."""
        for logger in self.loggers:
            logger.log_metrics(values, step=self.budget.step)

    def figure(self, image: np.ndarray | None, path: Path) -> None:
        """Results on validation images, uint8 (H, W, 3), as a PNG file and for TensorBoard."""
        if image is None or not self.loggers:
            return
        write_image(path, image)
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("validation", image, self.budget.step, dataformats="HWC")

    def close(self) -> None:
        """End the bar and the files."""
        self.bar.close()
        for logger in self.loggers:
            logger.finalize("success")


def _memory(device: torch.device) -> float:
    found = peak_memory(device)
    return round(found.get("device", found["process"]) / 2**30, 3)
