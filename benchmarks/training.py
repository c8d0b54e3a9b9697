"""Do the data keep up with the training, and does their memory stay as the set grows?

    python benchmarks/training.py                   # some minutes on two CPU cores
    python benchmarks/training.py --only memory

Scenes are rendered from the shipped pool and enlarged to 1080 x 1620 pixels, with grain: JPEGs with PNG mattes. They
are prepared at 512 x 512 as `paper-b16` trains, with its augmentation and trimaps of the full-size mattes, by two
`DataLoader` workers. Beside them two processes do nothing but decode and resize the very files that the workers read;
both run in turns. A second part plans sets of 450 and of 45,000 images (the paper's number), whose files are links to
those scenes, and takes batches of each. The last line is one JSON object:

    loader_share        images a second of the loader over those of the bare decoding, median of the rounds (bar: 0.8)
    images_per_second   of the loader, and of the bare decoding, medians
    cpu_share           the same by CPU seconds, which other processes do not disturb
    cpu_ms              milliseconds of one core for an image: loader, bare
    memory_ratio        peak of the process and its workers at 45,000 images over that at 450 (bar: 1.1)
    peak_mb             of the process and of its two workers, at both
    open_seconds        from the label file of 45,000 images to the first batch
    waiting_share       seconds that the steps of the profile `tiny` wait for their batches over all seconds (bar: 0.02)
    pickle_bytes        that a worker is sent, for each image
    cache_bytes         that the data take on disk beside the data set

`--save` writes a run record.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from rimlib import profile as profiles
from rimlib.io.images import read_image, read_levels, resize, write_image, write_matte
from rimlib.refmatte import build
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import pixels, record
from rimlib.training.batches import Batches, Key, Loader
from rimlib.training.samples import Samples

SCENES, HEIGHT, WIDTH = 24, 1080, 1620
WORKERS, AHEAD = 2, 4  # batches that two workers are ahead
SETS = (450, 45000)
STEPS = 60  # of the training that waits
LABELS = "refmatte_train_label.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=4, help="of 12 images, in a round")
    parser.add_argument("--save", help="write the run record to this JSON file")
    parser.add_argument("--planned", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("rounds", "batches"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: must be at least 1")
    if options.planned:
        print(json.dumps(planned(options.planned, options.batches)))
        return 0
    found: dict[str, Any] = {}
    stages, run = record.Stages(), record.new("data", profiles.load("paper-b16"), load=os.getloadavg()[0])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "scenes"
        render(root)
        for name in [options.only] if options.only else PARTS:
            with stages(name):
                found |= PARTS[name](root, options)
    if options.save:
        record.write(options.save, record.finish(run, stages, found))
    print(f"{options.rounds} rounds of {options.batches} batches, load {os.getloadavg()[0]:.1f}")
    print(json.dumps(found))
    return 0


def render(root: Path) -> None:
    """A few scenes of 1.75 million pixels; the shipped photographs are smaller."""
    settings = profiles.load("tiny", data__groups_train=0, data__extra_train=SCENES).data
    build.build(replace(settings, height=HEIGHT // 2, width=WIDTH // 2), root, splits=("train",), progress=False)
    rng = np.random.default_rng(0)
    for path in sorted((root / "train" / "img").iterdir()):
        grain = rng.normal(0, 5, (HEIGHT, WIDTH, 3))
        image = resize(read_image(path), (HEIGHT, WIDTH)) + grain
        write_image(path, np.rint(image.clip(0, 255)).astype(np.uint8))
    for path in sorted((root / "train" / "mask").iterdir()):
        write_matte(path, resize(read_levels(path), (HEIGHT, WIDTH)))


def open_samples(root: Path) -> Samples:
    """As the paper's profile trains."""
    profile = profiles.load("paper-b16")
    return Samples(RefMatte(root), profile.train, profile.model.image_size)


def loader(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The loader beside the bare decoding of the files that it reads."""
    samples = open_samples(root)
    size, count = samples.settings.images, options.batches
    total = (options.rounds + 2) * (AHEAD + count)
    batches = Batches(len(samples), size, seed=1)
    keys = [key for _, part in zip(range(total), batches) for key in part]
    speeds, bare_speeds, cpu, bare_cpu = [], [], [], []
    with Loader(samples, samples.collate, batches, WORKERS) as prepared:
        workers = [psutil.Process(process.pid) for process in multiprocessing.active_children()]
        bare = Bare(samples.size)
        settle(workers)
        for turn in range(options.rounds):
            # At the start and at the end of a round the workers are as far ahead as they go.
            before, started = cpu_seconds([*workers, psutil.Process()]), time.perf_counter()
            for _ in range(AHEAD + count):
                next(prepared)
            speeds.append(count * size / (time.perf_counter() - started))  # so many were not there yet
            settle(workers)
            cpu.append((cpu_seconds([*workers, psutil.Process()]) - before) / (AHEAD + count))
            reads = read_by(samples, keys[size * (turn + 1) * (AHEAD + count) :][: size * count])
            seconds, used = bare.decode(reads)
            bare_speeds.append(count * size / seconds)
            bare_cpu.append(used / count)
    return {
        "loader_share": round(median(one / other for one, other in zip(speeds, bare_speeds)), 3),
        "images_per_second": [round(median(speeds), 1), round(median(bare_speeds), 1)],
        "cpu_share": round(median(other / one for one, other in zip(cpu, bare_cpu)), 3),
        "cpu_ms": [round(1000 * median(part) / size, 1) for part in (cpu, bare_cpu)],
    }


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Of some processes so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def settle(workers: list[psutil.Process]) -> None:
    """Wait until the workers are as far ahead as they go."""
    last = -1.0
    while (now := cpu_seconds(workers)) > last:
        last = now
        time.sleep(0.3)


def read_by(samples: Samples, keys: list[Key]) -> list[tuple[Path, Any]]:
    """The files that the samples of these keys read, and the least size of an image that they ask for."""
    found: list[tuple[Path, Any]] = []
    real = pixels.read_image, pixels.read_levels

    def image(path: Path, least: Any = None) -> Any:
        found.append((path, least))
        return real[0](path, least)

    def levels(path: Path) -> Any:
        found.append((path, "matte"))
        return real[1](path)

    pixels.read_image, pixels.read_levels = image, levels  # type: ignore[assignment]
    try:
        for key in keys:
            samples[key]
    finally:
        pixels.read_image, pixels.read_levels = real
    return found


class Bare:
    """Processes that decode files and resize them, and do nothing else."""

    def __init__(self, size: int):
        context: Any = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
        self.pipes, self.processes = [], []
        for _ in range(WORKERS):
            here, there = context.Pipe()
            process = context.Process(target=decode, args=(there, size), daemon=True)
            process.start()
            self.pipes.append(here)
            self.processes.append(process)

    def decode(self, reads: list[tuple[Path, Any]]) -> tuple[float, float]:
        """Seconds, and CPU seconds of all processes."""
        started = time.perf_counter()
        for number, pipe in enumerate(self.pipes):
            pipe.send(reads[number::WORKERS])
        used = sum(pipe.recv() for pipe in self.pipes)
        return time.perf_counter() - started, used


def decode(pipe: Any, size: int) -> None:
    """A process of `Bare`."""
    import cv2

    cv2.setNumThreads(0)
    while True:
        reads = pipe.recv()
        started = time.process_time()
        for path, how in reads:
            resize(read_levels(path) if how == "matte" else read_image(path, how), (size, size))
        pipe.send(time.process_time() - started)


def memory(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Sets of few and of many planned images, each in a process of its own."""
    rows = []
    for count in SETS:
        folder = root.with_name(f"planned-{count}")
        plan(root, folder, count)
        command = [sys.executable, __file__, "--planned", str(folder), "--batches", str(options.batches)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        rows.append(json.loads(answer.splitlines()[-1]))
    few, many = rows
    return {
        "memory_ratio": round(sum(many["peak_mb"]) / sum(few["peak_mb"]), 3),
        "peak_mb": [few["peak_mb"], many["peak_mb"]],
        **{name: many[name] for name in ("open_seconds", "pickle_bytes", "cache_bytes")},
    }


def plan(root: Path, folder: Path, count: int) -> None:
    """A set of so many images, whose files are links to those of a few."""
    scenes: dict[str, list[tuple[str, dict]]] = {}
    for mask_id, row in json.loads((root / LABELS).read_text()).items():
        scenes.setdefault(row["image_name"], []).append((mask_id, row))
    few, labels = list(scenes.items()), {}
    for part in ("img", "mask"):
        (folder / "train" / part).mkdir(parents=True)
    for number in range(count):
        old, rows = few[number % len(few)]
        name = f"rim_train_{number:08x}"
        os.symlink(root / "train" / "img" / f"{old}.jpg", folder / "train" / "img" / f"{name}.jpg")
        for index, (mask_id, row) in enumerate(rows):
            labels[f"{name}_{index + 1}"] = {**row, "image_name": name}
            link = folder / "train" / "mask" / f"{name}_{index + 1}.png"
            os.symlink(root / "train" / "mask" / f"{mask_id}.png", link)
    (folder / LABELS).write_text(json.dumps(labels))


def planned(root: Path, count: int) -> dict[str, Any]:
    """Take batches of a planned set."""
    started = time.perf_counter()
    samples = open_samples(root)
    batches = Batches(len(samples), samples.settings.images, seed=1)
    with Loader(samples, samples.collate, batches, WORKERS) as prepared:
        next(prepared)
        opened = time.perf_counter() - started
        for _ in range(AHEAD + 2 * count):
            next(prepared)
        peaks = [peak(os.getpid()), *(peak(process.pid) for process in multiprocessing.active_children())]
    cache = root / ".cache"
    return {
        "peak_mb": peaks,
        "open_seconds": round(opened, 1),
        "pickle_bytes": round(len(pickle.dumps(samples)) / len(samples), 1),
        "cache_bytes": sum(path.stat().st_size for path in cache.rglob("*")) if cache.exists() else 0,
    }


def peak(process: int | None) -> float:
    """The most memory that a process has had, MB; what it has now where the system does not keep the peak."""
    status = Path(f"/proc/{process}/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    return round(psutil.Process(process).memory_info().rss / 2**20, 1)


def waiting(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A short training of `tiny`, on some scenes of its own."""
    from rimlib.training.clipmat import train

    profile = profiles.load("tiny", data__groups_train=0, data__extra_train=STEPS * 2)
    build.build(profile.data, root.with_name("tiny"), splits=("train",), progress=False)
    done = train(profile, root.with_name("tiny"), root.with_name("run"), steps=STEPS, progress=False, device="cpu")
    seconds = {name: done["seconds"][name] for name in ("data", "forward", "backward", "optimizer")}
    return {"waiting_share": round(seconds["data"] / sum(seconds.values()), 4)}


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "loader": loader,
    "memory": memory,
    "waiting": waiting,
}

if __name__ == "__main__":
    sys.exit(main())
