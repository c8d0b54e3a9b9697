"""What a training run is made of besides its steps: the budget, the learning rate, the precision, a clean interrupt."""

import math
import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from rimlib.errors import RimError


def check_budget(steps: int | None, minutes: float | None) -> None:
    """Raises RimError for a budget in which nothing is trained; None is no limit."""
    if steps is not None and steps < 1:
        raise RimError(f"--steps {steps}: must be at least 1", setting="steps")
    if minutes is not None and not minutes > 0:  # NaN is refused too
        raise RimError(f"--minutes {minutes}: must be more than 0", setting="minutes")


class Budget:
    """How long a run is: its steps, and perhaps at most so many minutes, of which an earlier part has used some.

    `seconds` is the time spent as it was at the last `tick`, so that all that is decided in a step is decided alike.
    """

    def __init__(self, steps: int | None, minutes: float | None = None, step: int = 0, seconds: float = 0.0):
        self.steps, self.minutes, self.step, self.seconds = steps, minutes, step, seconds
        self._started = time.monotonic() - seconds

    @property
    def now(self) -> float:
        """Seconds spent so far, with the earlier parts of a run that was interrupted."""
        return time.monotonic() - self._started

    def tick(self, seconds: float | None = None) -> None:
        """Set `seconds` to this value, on which several devices have agreed, or to `now`."""
        self.seconds = self.now if seconds is None else seconds

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


def over_devices(fabric: Any, value: torch.Tensor, how: str = "mean") -> torch.Tensor:
    """The mean or the "sum" of a tensor over the devices of a Fabric, the same on each; of one device, itself."""
    return fabric.all_reduce(value, reduce_op=how)


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
