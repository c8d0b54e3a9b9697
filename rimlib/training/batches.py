"""Which samples a step has, and the workers that prepare them.

Paper: Sec. 5.1 counts in epochs: each is a permutation of the images, drawn from the seed. A step takes the next images
of it, whatever the number of devices and workers: of the same step, two devices see together what one device would see.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache
from multiprocessing import active_children
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from rimlib.errors import RimError


class Key(NamedTuple):
    """What a training's data set is indexed with: everything random in a sample follows from it and the seed."""

    epoch: int  # the pass over the images, from 0
    index: int  # type: ignore[assignment]  # of the image; a tuple has a method of this name
    step: int  # of the run, from 0


class Batches(Sampler[list[Key]]):
    """The keys of each batch of a run that has no end: of one step after the other, from step `first` on.

    Args:
        length: images of the data set.
        size: images of a step, on all devices together; or a function of the step.
        seed: of the permutations.
        first: the step to begin at.
        rank: of this device …
        world: … among so many, each of which has an equal share of a step.
        parts: batches that a device's share is split into, whose gradients are accumulated.
        indices: int64 (length,), the images that are meant by 0, 1, …; None: themselves.

    Raises:
        RimError: the images of a step cannot be shared equally.

    >>> one = iter(Batches(length=5, size=4, seed=1))
    >>> two = [iter(Batches(length=5, size=4, seed=1, rank=rank, world=2)) for rank in range(2)]
    >>> next(one) == next(two[0]) + next(two[1])
    True
    """

    def __init__(
        self,
        length: int,
        size: int | Callable[[int], int],
        seed: int,
        first: int = 0,
        rank: int = 0,
        world: int = 1,
        parts: int = 1,
        indices: np.ndarray | None = None,
    ):
        self.length, self.seed, self.first, self.indices = length, seed, first, indices
        self.size = size if callable(size) else lambda step: size
        self.rank, self.world, self.parts = rank, world, parts
        images = self.size(first)
        if images % (world * parts):
            raise RimError(
                f"train.images {images}: must be a multiple of {world * parts}, so that "
                f"{world} devices, each in {parts} parts, have equally many",
                setting="train.images",
            )

    def __iter__(self) -> Iterator[list[Key]]:
        place = sum(self.size(step) for step in range(self.first))
        step = self.first
        while True:
            size = self.size(step)
            keys = [self.key(place + number, step) for number in range(size)]
            share = size // (self.world * self.parts)
            for part in range(self.parts):
                start = (self.rank * self.parts + part) * share
                yield keys[start : start + share]
            place, step = place + size, step + 1

    def key(self, place: int, step: int) -> Key:
        """The key of the image at a place of the run, all epochs one after the other."""
        epoch, within = divmod(place, self.length)
        chosen = permutation(self.seed, epoch, self.length)[within]
        return Key(epoch, int(chosen if self.indices is None else self.indices[chosen]), step)


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    """The order of the images in an epoch, int64 (length,)."""
    return np.random.default_rng([seed, epoch]).permutation(length)


class Prepared(Dataset):
    """A data set of whole batches, indexed with their keys. An error is returned, and raised in the training's process.

    A DataLoader would wrap it into one of many lines.
    """

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]):
        self.dataset, self.collate = dataset, collate

    def __getitem__(self, keys: list[Key]) -> Any:
        try:
            return self.collate([self.dataset[key] for key in keys])
        except Exception as error:
            if not isinstance(error, RimError):
                error.add_note(traceback.format_exc())
            return error


class Loader:
    """The batches in their order, prepared ahead of the steps by processes; a context manager, which ends these.

    Args:
        dataset: has `dataset[Key]`; each worker gets a copy of it once.
        collate: makes a batch of such samples, in the worker.
        batches: which.
        workers: how many processes, each two batches ahead; 0: a batch is prepared when it is needed.
    """

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any], batches: Batches, workers: int):
        before = set(active_children())
        self.loader: DataLoader = DataLoader(
            Prepared(dataset, collate),
            batch_size=None,
            sampler=batches,
            num_workers=workers,
            worker_init_fn=_one_thread,
            pin_memory=torch.cuda.is_available(),
        )
        self._batches = iter(self.loader)
        self._workers = set(active_children()) - before

    def __next__(self) -> Any:
        batch = next(self._batches)
        if isinstance(batch, Exception):
            raise batch
        return batch

    def __iter__(self) -> Loader:
        return self

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, *_: object) -> None:
        # Torch raises a RuntimeError wherever the training is at that moment.
        dead = isinstance(error, RuntimeError) and any(not worker.is_alive() for worker in self._workers)
        del self._batches  # ends the workers
        if dead:
            raise RimError(
                "a process that prepares batches was killed, perhaps for want of memory; "
                "the same command resumes; with fewer train.workers it needs less memory",
                setting="train.workers",
            ) from error


def _one_thread(worker: int) -> None:
    # Ctrl-C and a cluster's SIGTERM are for the training, which ends its workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)  # the workers are the threads, and OpenCV's own do not survive a fork
