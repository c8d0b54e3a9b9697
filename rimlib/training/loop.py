"""What every training loop needs: the budget, the learning rate, prefetched batches, the device, a clean interrupt.

Used by `fit`; what a run stores and resumes from is in `state`.
"""

import argparse
import itertools
import json
import math
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from rimlib import profile as profiles
from rimlib.errors import RimError


class Budget:
    """How long a run is: its steps, and perhaps at most so many minutes, of which an earlier part has used some."""

    def __init__(self, steps: int | None, minutes: float | None = None, step: int = 0, seconds: float = 0.0):
        self.steps, self.minutes, self.step = steps, minutes, step
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """Spent so far, with the earlier parts of a run that was interrupted."""
        return time.monotonic() - self._started

    @property
    def fraction(self) -> float:
        """Of the run that is over, 0 to 1. Where minutes are given they count too: the rate still falls to 0."""
        by_steps = self.step / self.steps if self.steps else 0.0
        by_clock = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))


def cosine(fraction: float, warmup: float) -> float:
    """The factor on the learning rate: up in a line over the first `warmup` of the run, then down a half cosine to 0.

    >>> [round(cosine(fraction, 0.1), 2) for fraction in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if fraction < warmup:
        return fraction / warmup
    return 0.5 * (1 + math.cos(math.pi * (fraction - warmup) / max(1 - warmup, 1e-9)))


class Prefetcher:
    """Prepares batches in a background thread, `depth` of them ahead.

    Iterate over it: an error in `make(step)` is raised there. Leaving its `with` block ends the thread.
    """

    def __init__(self, make: Callable[[int], Any], first: int = 0, depth: int = 3):
        self._make, self._steps, self._pool = make, itertools.count(first), ThreadPoolExecutor(1, "prefetch")
        self._batches = deque(self._pool.submit(make, next(self._steps)) for _ in range(depth))

    def __next__(self) -> Any:
        self._batches.append(self._pool.submit(self._make, next(self._steps)))
        return self._batches.popleft().result()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """A context in bfloat16 where the hardware multiplies it, else in float32. `precision` names which."""
    if precision(device) == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def precision(device: torch.device) -> str:
    """The type that matrices are multiplied in on this device: "bfloat16" or "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        # Without these instructions bfloat16 is emulated, slower than float32.
        native = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return "bfloat16" if any(getattr(torch.cpu, name, bool)() for name in native) else "float32"
    return "float32"


def check_finite(bad: int, *values: torch.Tensor, most: int = 20) -> int:
    """How many steps in a row were not finite, this one included: 0 if all its `values`, scalars, are finite.

    Raises:
        RimError: after `most` such steps.
    """
    if all(math.isfinite(value.item()) for value in values):
        return 0
    if bad + 1 >= most:
        raise RimError(
            f"training: the loss was not a finite number for {most} steps in a row; "
            "lower train.lr (or clip.lr), or set train.clip_norm to about 1",
            setting="train.lr",
        )
    return bad + 1


class InterruptHandler:
    """Ends a run between two steps when it is interrupted (Ctrl-C, a notebook's stop button, a cluster's SIGTERM).

    In its `with` block the first signal sets `interrupted`, a second one interrupts at once; other threads get none.
    """

    def __init__(self) -> None:
        self.interrupted, self._before = False, {}  # type: bool, dict[int, Any]

    def _interrupt(self, number: int, frame: Any) -> None:
        self.interrupted = True
        self.__exit__()

    def __enter__(self) -> "InterruptHandler":
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def command(name: str, text: str) -> argparse.ArgumentParser:
    """The parser of the command `rim NAME`, with the options that all trainings have."""
    parser = argparse.ArgumentParser(prog=f"rim {name}", description=text)
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--out", required=True, help="folder for the weights and the record")
    parser.add_argument("--steps", type=int, help="how many steps (the profile's)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes, if the steps take longer")
    parser.add_argument("--device", help="such as cuda, mps or cpu (the best one here)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", default=True, help="resume an interrupted run (the default)")
    again.add_argument("--fresh", dest="resume", action="store_false", help="begin anew")
    return parser


def run_training(train: Callable[..., dict[str, Any]], parser: argparse.ArgumentParser, arguments: Any) -> int:
    """Parse, load the profile if one is named, and train with all the options. Returns the exit status."""
    options = vars(parser.parse_args(arguments))
    out = options["out"]

    def work() -> dict[str, Any]:
        if "profile" in options:
            options["profile"] = profiles.load(options["profile"])
        return train(**options)["metrics"]

    return run_command(work, out)


def run_command(work: Callable[[], Any], out: Any) -> int:
    """Run a command's work, print its result as one line of JSON, and return the exit status: 2 for a RimError."""
    try:
        print(json.dumps(work()))
    except RimError as error:
        print(f"rim: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command resumes from {out}", file=sys.stderr)
        return 130
    return 0
