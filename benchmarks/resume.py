"""Is a run that was killed again and again the same as one that never was?

    python benchmarks/resume.py                     # minutes on two CPU cores

A process trains a CLIPMat on a few scenes and is killed (SIGKILL), at random moments and in the middle of writing its
state, until it comes to its end. Weights and log are held against those of a run that was left alone, bit for bit. The
last line is one JSON object:

    kills, kills_while_writing   how often it was killed, and how often a half-written state lay there
    identical                    are all weights and all rows of the log the same
    lost                         files of the run that could not be read after a kill, and half-written ones at its end
    parts                        parts of the run by its record
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import load_file

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.io.files import PARTIAL
from rimlib.refmatte.build import build
from rimlib.training import run, state

STEPS = 120
PROFILE = profiles.load(
    "tiny",
    data__groups_train=0,
    data__extra_train=48,
    model__image_size=64,
    train__images=8,
    train__checkpoint_seconds=0.05,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--while-writing", type=int, default=6, help="of them in the middle of writing the state")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", nargs=2, metavar=("DATA", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*map(Path, options.worker))
    if not 0 <= options.while_writing <= options.kills:
        parser.error(f"--while-writing {options.while_writing}: must be 0 to --kills {options.kills}")
    with tempfile.TemporaryDirectory() as folder:
        data, whole, parts = (Path(folder) / name for name in ("data", "whole", "parts"))
        build(PROFILE.data, data, splits=("train",), progress=False)
        subprocess.run(command(data, whole), check=True)
        kills, writing, lost = killed(data, parts, options)
        lost += sum(bool(PARTIAL.fullmatch(path.name)) for path in parts.iterdir())
        record = json.loads((parts / "train.json").read_text())
        found = {"kills": kills, "kills_while_writing": writing, "identical": identical(whole, parts), "lost": lost}
        print(json.dumps({**found, "parts": len(record["parts"]), "steps": STEPS}))
    return 0


def work(data: Path, out: Path) -> int:
    """The process that trains; it stores its state as often as it can."""
    from rimlib.training.clipmat import train

    run.STATES = 1.0
    train(PROFILE, data, out, steps=STEPS, weights="random", progress=False, device="cpu")
    return 0


def command(data: Path, out: Path) -> list[str]:
    """Of the process that trains."""
    return [sys.executable, __file__, "--worker", str(data), str(out)]


def killed(data: Path, out: Path, options: argparse.Namespace) -> tuple[int, int, int]:
    """Train with kills: how many, how many while the state was written, how many states could not be read."""
    chance, kills, writing, lost = random.Random(options.seed), 0, 0, 0
    while True:
        wanted = kills < options.kills
        process = subprocess.Popen(command(data, out))
        in_write = wanted and writing < options.while_writing and (kills % 3 == 0 or options.kills - kills <= 6)
        hit = wanted and kill(process, out, None if in_write else chance.uniform(0, 1.5))
        if not wanted or not hit:
            if process.wait() == 0:
                return kills, writing, lost
            raise SystemExit("resume.py: the training failed")
        kills += 1
        left = [path for path in out.iterdir() if PARTIAL.fullmatch(path.name)]
        writing += bool(left)
        print(f"kill {kills}: {'while writing' if left else 'between two states'}", file=sys.stderr)
        lost += not readable(out)


def kill(process: subprocess.Popen, out: Path, after: float | None) -> bool:
    """Kill a process so many seconds after it has begun to train, or (None) while it writes; False: it had ended."""
    began, started = None, stamp(out)
    while process.poll() is None:
        if began is None and stamp(out) != started:
            began = time.monotonic()  # its first state: it trains
        if began is not None:
            half = after is None and any(PARTIAL.fullmatch(path.name) for path in out.iterdir())
            if half or (after is not None and time.monotonic() - began > after):
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                return True
        time.sleep(0 if after is None and began is not None else 0.005)
    return False


def stamp(out: Path) -> int:
    """When the state was written last."""
    path = out / "train-state.pt"
    return path.stat().st_mtime_ns if path.exists() else 0


def readable(out: Path) -> bool:
    """Can the state be read that a kill has left?"""
    from rimlib.refmatte.dataset import RefMatte
    from rimlib.training.clipmat import Training
    from rimlib.training.samples import Samples

    try:
        samples = Samples(RefMatte(out.parent / "data"), PROFILE.train, PROFILE.model.image_size)
        return state.load(out / "train-state.pt", Training(PROFILE, samples, "random").identity) is not None
    except RimError as error:
        print(error, file=sys.stderr)
        return False


def identical(one: Path, other: Path) -> bool:
    """Have two runs the same weights and the same log, but for the time?"""
    weights = [load_file(folder / "clipmat.safetensors") for folder in (one, other)]
    logs = [json.loads((folder / "train.json").read_text())["log"] for folder in (one, other)]
    timed = dict.fromkeys(("seconds", "images_per_second"))
    rows = [[{**row, **timed} for row in log] for log in logs]
    return rows[0] == rows[1] and all(weights[1][name].equal(value) for name, value in weights[0].items())


if __name__ == "__main__":
    sys.exit(main())
