"""How quick is the training step of the tiny profile, over that of an earlier commit?

    python benchmarks/step.py                       # some minutes on two CPU cores
    python benchmarks/step.py --busy                # and beside another busy process

Two processes train the profile's model with `fit.fit` on the same batches, one with this tree, one with the `rimlib` of
the earlier commit, taken from git. They run in turns of `--steps` steps each; while one runs, the other waits. Batches
are prepared before, so what is timed is the step alone; threads wait in the same way in both. The earlier commit needs
numba. The last line is one JSON object:

    step_ratio          images per second of this tree over those of the earlier commit, the median of the rounds'
                        ratios (bar: 1.5)
    images_per_second   of this tree, median of the rounds
    loss, loss_before   mean total loss of the last steps of both, after equal steps
    parts               milliseconds of a step of this tree: the forward pass of each part, the backward pass, the
                        optimizer (with the norm of the gradient and the average), and the loader, which works ahead of
                        the step in another process
    busy_ratio          with --busy: seconds of a step beside one busy process over those of a step alone (bar: 2.5)

`--save` writes a run record.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from statistics import fmean, median
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "ac4d25b"
SCENES, BATCHES, WARM = 32, 8, 3  # a few images are enough: what a step costs does not depend on them
HERE = {"train": "rimlib.training.clipmat", "samples": "rimlib.training.samples", "training": "rimlib.training"}
THERE = {"train": "rimlib.experiment.train", "samples": "rimlib.experiment.samples", "training": "rimlib.experiment"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--float32", action="store_true", help="though the processor multiplies bfloat16")
    parser.add_argument("--busy", action="store_true", help="measure busy_ratio too")
    parser.add_argument("--save", help="write the run record to this JSON file")
    parser.add_argument("--worker", choices=("before", "now"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("steps", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: must be at least 1")
    if options.worker:
        work(HERE if options.worker == "now" else THERE, options)
        return 0
    from rimlib import profile as profiles
    from rimlib.training import record

    stages, run = record.Stages(), record.new("step", profiles.load("tiny"), load=os.getloadavg()[0], before=BEFORE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options.folder = Path(folder)
        extract(options.folder / "before")
        loader = prepare(options.folder)
        before, now = Worker("before", options), Worker("now", options)
        turns = [(before.turn(), now.turn()) for _ in range(options.rounds)]
        last, last_before = now.end(), before.end()
        seconds = median(after for _, after in turns) / options.steps
        found = {
            "step_ratio": round(median(earlier / after for earlier, after in turns), 3),
            "images_per_second": round(last["images"] / seconds, 2),
            "images_per_second_before": round(last["images"] * options.steps / median(old for old, _ in turns), 2),
            "loss": last["loss"],
            "loss_before": last_before["loss"],
            "parts": {**last["parts"], "loader": loader},
        }
        if options.busy:
            found["busy_ratio"] = busy_ratio(options)
    found |= {name: last[name] for name in ("dtype", "capability", "threads", "steps")}
    print(f"{options.rounds} rounds of {options.steps} steps, load {os.getloadavg()[0]:.1f}")
    if options.save:
        record.write(options.save, record.finish(run, stages, found))
    print(json.dumps(found))
    return 0


def extract(folder: Path) -> None:
    """The package of the earlier commit, or one line of error where git does not have it."""
    command = ["git", "-C", str(ROOT), "archive", BEFORE, "rimlib"]
    try:
        archive = subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"").decode().strip().splitlines()[-1:] or [str(error)]
        sys.exit(f"step.py: error: {ROOT}: the history of the repository must have commit {BEFORE} ({why[0]})")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def prepare(folder: Path) -> float:
    """Render a few scenes and write the batches of both processes; milliseconds of one batch."""
    from rimlib import profile as profiles
    from rimlib.clipmat import prompt
    from rimlib.clipmat.clip_weights import create_clip
    from rimlib.refmatte import build
    from rimlib.refmatte.dataset import RefMatte
    from rimlib.training.batches import Key
    from rimlib.training.samples import Samples

    profile = profiles.load("tiny", data__groups_train=0, data__extra_train=SCENES)
    build.build(profile.data, folder / "data", splits=("train",), progress=False)
    templates, images = prompt.templates(profile.model), profile.train.images
    samples = Samples(RefMatte(folder / "data"), profile.train, profile.model.image_size, templates=templates)
    _, tokenizer = create_clip(profile.model, "random")
    started, arrays = time.perf_counter(), {}
    for number in range(BATCHES):
        keys = [Key(0, (number * images + place) % len(samples), number) for place in range(images)]
        batch = samples.collate([samples[key] for key in keys])
        tokens = tokenizer(batch.texts, truncate=True).numpy()
        for name, array in {**vars(batch), "texts": tokens}.items():
            if name == "names":
                continue
            arrays[f"{name}{number}"] = np.asarray(array)
    spent = time.perf_counter() - started
    np.savez(folder / "batches.npz", **arrays)
    return round(1000 * spent / BATCHES, 1)


class Worker:
    """A process that trains, a turn at a time."""

    def __init__(self, tree: str, options: argparse.Namespace, rounds: int | None = None):
        command = [sys.executable, __file__, "--worker", tree, "--folder", str(options.folder)]
        command += ["--steps", str(options.steps), "--rounds", str(rounds or options.rounds)]
        command += ["--float32"] * options.float32
        environment = {**os.environ, "PYTHONPATH": str(ROOT if tree == "now" else options.folder / "before")}
        self.tree = tree
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()  # it has trained its first steps, which are slower

    def turn(self) -> float:
        """Seconds of some steps."""
        return float(self._turn())

    def end(self) -> dict[str, Any]:
        """What the process found, after its last turn."""
        found = self._turn()
        self.process.wait()
        return found

    def _turn(self) -> Any:
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        sys.exit(f"step.py: error: the process of {self.tree} ended with status {self.process.wait()}; see above")


def busy_ratio(options: argparse.Namespace) -> float:
    """A step of this tree beside a process that never rests, over one alone."""
    worker, ratios = Worker("now", options, 2 * options.rounds), []
    for _ in range(options.rounds):
        alone = worker.turn()
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            ratios.append(worker.turn() / alone)
        finally:
            other.kill()
            other.wait()
    worker.end()
    return round(median(ratios), 3)


def work(names: dict[str, str], options: argparse.Namespace) -> None:
    """The worker: trains with the package that it imports, and waits for a line after each turn."""
    profiles, train, samples = (import_module(name) for name in ("rimlib.profile", names["train"], names["samples"]))
    fit, loop = (import_module(f"{names['training']}.{name}") for name in ("fit", "loop"))
    import torch

    if options.float32:
        loop.__dict__["precision"] = lambda device: "float32"  # of either tree
    total = WARM + options.steps * options.rounds + 1
    now = options.worker == "now"
    profile = profiles.load("tiny", train__checkpoint_seconds=1e9, **({"train__workers": 0} if now else {}))
    arrays, batches = np.load(options.folder / "batches.npz"), []
    kind = torch.from_numpy if now else np.asarray
    for number in range(BATCHES):
        fields = [kind(arrays[f"{name}{number}"]) for name in ("images", "image_index", "mattes", "trimaps")]
        tokens = torch.from_numpy(arrays[f"texts{number}"])
        if now:
            names = [str(image) for image in range(len(fields[0]))]
            batches.append(train.Queries(samples.Batch(names, *fields[:2], [], *fields[2:]), tokens))
        else:
            batches.append((samples.Batch(*fields[:2], [], *fields[2:]), tokens))
    clock = Clock()

    class Task(train.Training):  # type: ignore[name-defined]  # of either tree
        def build(self) -> Any:
            model = super().build()
            if now:
                clock.watch(model, train)
            return model

        def begin(self, *_: Any) -> dict[str, Any]:
            return {}

        def prepare(self, model: Any, step: int) -> Any:  # of the earlier commit
            return batches[step % BATCHES]

        dataset = Keys()  # of this tree
        collate = staticmethod(lambda keys: batches[keys[0].step % BATCHES])

        def losses(self, model: Any, batch: Any, device: Any) -> Any:
            done = len(found)
            if done >= WARM and (done - WARM) % options.steps == 0:
                print(f"@{time.perf_counter() - started[0]}", flush=True)
                sys.stdin.readline()
                started[0] = time.perf_counter()
                if done == WARM:
                    clock.seconds.clear()
            with clock("forward"):
                losses = super().losses(model, batch, device)
            found.append(losses["total"].detach())
            return losses

        def end(self, model: Any, device: Any, stages: Any) -> dict[str, Any]:
            clock.backward = 1000 * stages.seconds["backward"] / total
            clock.optimizer = 1000 * stages.seconds["optimizer"] / total
            return {}

        def store(self, *_: Any) -> None:
            pass

    found: list[Any] = []
    started = [time.perf_counter()]
    data = SimpleNamespace(fingerprint="", image_names=range(SCENES), targets=())
    fit.fit(Task(profile, data), options.folder / options.worker, steps=total, progress=False, device="cpu")
    parts = {name: round(1000 * seconds / (total - WARM), 1) for name, seconds in clock.seconds.items()}
    last = found[-options.steps - 1 : -1]
    report = {
        "images": len(arrays["images0"]),
        "loss": round(fmean(value.item() for value in last), 4),
        "parts": {**parts, "backward": round(clock.backward, 1), "optimizer": round(clock.optimizer, 1)},
        "dtype": loop.precision(torch.device("cpu")),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "steps": total - 1,
    }
    print("@" + json.dumps(report), flush=True)


class Keys:
    """A data set whose samples are their keys."""

    def __getitem__(self, key: Any) -> Any:
        return key


class Clock:
    """Seconds of the parts of a forward pass."""

    backward = optimizer = 0.0

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Any:
        """Time the `with` block."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started

    def watch(self, model: Any, train: Any) -> None:
        """Time the parts of a model of this tree, and its losses."""
        places = [(model.backbone, "encode_image", "encoder"), (model, "encode_text", "text")]
        places += [(extractor, "forward", "extractors") for extractor in model.extractors]
        places += [(model.score_map, "forward", "score_map"), (model.popup, "forward", "popup")]
        places += [(model.semantic, "forward", "decoders"), (model.details, "forward", "decoders")]
        for owner, attribute, name in [*places, (train, "clipmat_loss", "losses")]:
            setattr(owner, attribute, self._timed(getattr(owner, attribute), name))

    def _timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            with self(name):
                return function(*arguments, **options)

        return timed


if __name__ == "__main__":
    sys.exit(main())
