"""What every training loop here needs: the clock, the learning rate, batches made ahead, the device, a clean stop.

Used by `fit`; what it stores and goes on from is in `state`.
"""

import json
import math
import queue
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext

import torch

from rimlib.device import pick_device as pick_device  # the command of each training picks by it
from rimlib.errors import RimError


class Clock:
    """How far a run is, by the clock or by steps; with both, whichever is further.

    minutes, steps: what the run may take, None for no limit; seconds, step: what an earlier part of it has used.
    """

    def __init__(self, minutes: float | None, steps: int | None, seconds: float = 0.0, step: int = 0):
        if minutes is None and steps is None:
            raise RimError("a run needs minutes or steps: both are unset")
        self.limit_seconds = None if minutes is None else 60.0 * minutes
        self.limit_steps, self.step = steps, step
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """Spent so far, with the earlier parts of a run that was interrupted."""
        return time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Of the run that is over, 0 to 1."""
        by_clock = 0.0 if self.limit_seconds is None else self.seconds / self.limit_seconds
        by_steps = 0.0 if self.limit_steps is None else self.step / self.limit_steps
        return min(1.0, max(by_clock, by_steps))


def cosine(share: float, warmup: float) -> float:
    """The factor on the learning rate: up in a line over the first `warmup` of the run, then down a half cosine to 0.

    >>> [round(cosine(share, 0.1), 2) for share in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if share < warmup:
        return share / warmup
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / max(1 - warmup, 1e-9)))


class Ahead:
    """Prepares batches in a background thread, so that a step does not wait for its pictures.

    make: function of a step's number that gives its batch; first: number of the first one; depth: how many to hold.
    Iterate over it; an error in `make` is raised there. `close()`, or leaving its `with` block, ends the thread.
    """

    def __init__(self, make, first: int = 0, depth: int = 3):
        self._queue: queue.Queue = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(make, first), daemon=True)
        self._thread.start()

    def _work(self, make, step: int) -> None:
        while not self._stop.is_set():
            try:
                item = (make(step), None)
            except BaseException as error:  # handed to the loop, which raises it
                item = (None, error)
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue
            if item[1] is not None:
                return
            step += 1

    def __iter__(self):
        return self

    def __next__(self):
        batch, error = self._queue.get()
        if error is not None:
            raise error
        return batch

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def autocast(device: torch.device):
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
        asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return "bfloat16" if any(getattr(torch.cpu, name, bool)() for name in asked) else "float32"
    return "float32"


def count_bad(bad: int, loss, norm, most: int = 20) -> int:
    """How many steps in a row were not finite, this one included; 0 if it is. Raises RimError after `most`.

    loss, norm: of the step's gradient, scalars. Such a step is left out, not applied.
    """
    if math.isfinite(loss.item()) and math.isfinite(norm.item()):
        return 0
    if bad + 1 >= most:
        raise RimError(
            f"training: the loss was not a finite number for {most} steps in a row; "
            "lower train.lr (or clip.lr), or set train.clip_norm to about 1"
        )
    return bad + 1


class Stop:
    """Ends a run between two steps when it is interrupted (Ctrl-C, a notebook's stop button, a cluster's SIGTERM).

    In its `with` block the first signal only sets `asked`; a second one interrupts at once. Outside the main thread,
    where Python hands out no signals, `asked` stays False.
    """

    def __init__(self):
        self.asked, self._before = False, {}

    def _ask(self, number, frame):
        self.asked = True
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        self._restore()


@contextmanager
def bar(name: str, clock: Clock, shown: bool):
    """A progress bar in per cent of the run. Yields a function: call it with what to show beside the bar."""
    from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

    layout = "{desc} {percentage:3.0f}% |{bar:30}| {elapsed}<{remaining}{postfix}"
    with tqdm(
        total=100.0, initial=round(100 * clock.share, 1), desc=name, disable=not shown, bar_format=layout
    ) as line:

        def show(**values):
            line.update(min(100.0, round(100 * clock.share, 1)) - line.n)
            line.set_postfix(values)

        yield show


def run_options(parser, arguments) -> tuple:
    """Add to a training command's own options those that all of them have, and parse.

    Returns all options, and of them those that every training function takes: a dict of minutes, steps, resume and device.
    """
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--out", required=True, help="folder for the weights and the record")
    parser.add_argument("--minutes", type=float, help="how long …")
    parser.add_argument("--steps", type=int, help="… or how many steps; with both, whichever ends first")
    parser.add_argument("--device", help="such as cuda, mps or cpu (the best one here)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", default=True, help="go on from an interrupted run (as without it)"
    )
    again.add_argument("--fresh", dest="resume", action="store_false", help="begin anew")
    options = parser.parse_args(arguments)
    return options, {name: getattr(options, name) for name in ("minutes", "steps", "resume", "device")}


def run_command(work, out) -> int:
    """Run a command's work, print its result as one line of JSON, and return the exit status: 2 for a RimError."""
    try:
        print(json.dumps(work()))
    except RimError as error:
        print(f"rim: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {out}", file=sys.stderr)
        return 130
    return 0
