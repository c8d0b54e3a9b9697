"""What does a scene of RefMatte's size cost: how much of its time is its files, and what do two processes gain?

    python benchmarks/compose.py                # about a minute on two CPU cores
    python benchmarks/compose.py --groups 12    # steadier

The pool is the shipped one, enlarged beforehand: cut-outs of 1000 pixels as PNG, backgrounds 2000 pixels wide as JPEG.
Scenes are planned and rendered as `rim build` does it, 1080 x 1620 pixels, a group of twenty from seven entities at a
time. The last line is one JSON object:

    write_ratio         composing, encoding and writing a scene, over encoding and writing the same files alone; each
                        cut-out is read once for its group, as in a build, and that is counted
    write_ratio_read    the same, and each background is read from its file for one scene only, as with the paper's
                        15,000
    write_ratio_decoded the same with nothing to read, as with a pool that fits into memory
    scenes_per_second   on one core, with all reading
    hours_47500_16_cores
    speedup_2           scenes a second of two processes over one, with all reading; `best`: of the fastest runs of each

Ratios are medians, measured side by side, since machines are shared. The speed-up is meaningful only where two cores
are free, so the load average is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from rimlib import profile
from rimlib.entities import starter
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import Pool
from rimlib.io import images
from rimlib.refmatte import plan, render, workers
from rimlib.refmatte.jobs import RenderJob

CANVAS = (1080, 1620)
LONGER_SIDE, BACKGROUND_WIDTH = 1000, 2000
KINDS = {"person": 25, "animal": 8, "thing": 8}
BACKGROUNDS = 24
GROUP = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, default=6, help="groups of twenty scenes (default: 6)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        pool = enlarged_pool(folder / "pool")
        settings = profile.load(
            "tiny",
            data__height=CANVAS[0],
            data__width=CANVAS[1],
            data__groups_train=options.groups,
            data__images_per_group_train=GROUP,
            data__extra_train=0,
        ).data
        jobs = [RenderJob.of(scene) for scene in plan.scenes(pool, settings, "train")]
        groups = [jobs[start : start + GROUP] for start in range(0, len(jobs), GROUP)]
        tasks = [(part_of(pool, group), group, folder / "out", "train", CANVAS) for group in groups]
        log(f"{len(jobs)} scenes, {sum(len(job.entities) for job in jobs) / len(jobs):.2f} mattes each")
        with render.one_thread():
            render.write(tasks[0][0], tasks[0][1][0], *tasks[0][2:])  # whatever is loaded on first use
            one = [time_group(folder / "pool", *task) for task in tasks]
        two = [time_processes(folder / "pool", tasks) for _ in range(3)]
        size = sum(path.stat().st_size for path in (folder / "out").rglob("*.*")) / len(jobs)

    def ratio(*parts: str) -> float:
        return round(median(sum(row[part] for part in parts) / row["files"] for row in one), 3)

    seconds = median(row["backgrounds"] + row["cutouts"] + row["write"] for row in one) / GROUP
    print(
        json.dumps(
            {
                "write_ratio": ratio("write", "cutouts"),
                "write_ratio_read": ratio("write", "cutouts", "backgrounds"),
                "write_ratio_decoded": ratio("write"),
                "scenes_per_second": round(1 / seconds, 1),
                "hours_47500_16_cores": round(47500 * seconds / 16 / 3600, 3),
                "speedup_2": round(median(alone / both for alone, both in two), 2),
                "speedup_2_best": round(min(alone for alone, _ in two) / min(both for _, both in two), 2),
                "milliseconds": {name: round(1000 * median(row[name] for row in one) / GROUP, 1) for name in one[0]},
                "bytes_per_scene": round(size),
                "scenes": len(jobs),
                "load": [round(value, 1) for value in os.getloadavg()],
            }
        )
    )
    return 0


def enlarged_pool(folder: Path) -> Pool:
    """The shipped pool at the paper's resolution."""
    shipped = starter.load()
    entities = [entity for kind, number in KINDS.items() for entity in shipped.of(kind, "train")[::2][:number]]
    backgrounds = shipped.backgrounds_of("train")[:BACKGROUNDS]
    rng = np.random.default_rng(0)
    for entity in entities:
        foreground, alpha = shipped.cutout(entity.name)
        scale = LONGER_SIDE / max(alpha.shape)
        size = [max(1, round(side * scale)) for side in alpha.shape]
        alpha = images.resize(alpha, size)
        images.write_cutout(
            folder / f"{entity.name}.png", grain(images.resize(foreground, size), rng, alpha[..., None] > 0), alpha
        )
    for background in backgrounds:
        image = shipped.background(background.name)
        size = (round(image.shape[0] * BACKGROUND_WIDTH / image.shape[1]), BACKGROUND_WIDTH)
        images.write_image(folder / f"{background.name}.jpg", grain(images.resize(image, size), rng))
    return pool_of(folder, entities, backgrounds)


def pool_of(folder: Path, entities: list[Entity], backgrounds: list[Background]) -> Pool:
    """A pool of the enlarged files, with nothing decoded, here or in any process."""
    return Pool(
        entities,
        backgrounds,
        partial(read, images.read_cutout, folder, "png"),
        partial(read, images.read_image, folder, "jpg"),
    )


def part_of(pool: Pool, jobs: list[RenderJob]) -> Pool:
    """What some scenes use of a pool."""
    return pool.only((name for job in jobs for name in job.entities), (job.background for job in jobs))


def read(reader, folder: Path, ending: str, item):
    return reader(folder / f"{item.name}.{ending}")


def grain(image: np.ndarray, rng: np.random.Generator, where: np.ndarray | bool = True) -> np.ndarray:
    """As fine as a photograph's, so that files are as large as those of photographs; none where nothing is seen."""
    return np.clip(image + where * rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def time_group(
    folder: Path, pool: Pool, jobs: list[RenderJob], root: Path, split: str, canvas: tuple[int, int]
) -> dict[str, float]:
    """Seconds for a group's scenes: reading, composing and writing, and the files alone; scene by scene, in turns."""
    seconds = dict.fromkeys(("backgrounds", "cutouts", "write", "files"), 0.0)
    unread = pool_of(folder, pool.entities, pool.backgrounds)
    for job in jobs:
        with timed(seconds, "backgrounds"):
            unread.background(job.background)
        with timed(seconds, "cutouts"):
            for name in job.entities:
                render.layer_of(unread, name)
        with timed(seconds, "write"):
            render.write(unread, job, root, split, canvas)
        image, mattes = render.compose(unread, job, canvas)
        with timed(seconds, "files"):
            encoded = [*map(render.encode_matte, mattes), render.encode_image(image)]
            for path, data in zip(job.files(split), encoded):
                render.store(root / path, data)
    milliseconds = "  ".join(f"{name} {1000 * value / len(jobs):6.1f} ms" for name, value in seconds.items())
    log(f"{milliseconds}  load {os.getloadavg()[0]:.1f}")
    return seconds


def time_processes(folder: Path, tasks: list[workers.Task]) -> tuple[float, float]:
    """Seconds for all tasks in one process and in two, both started before, as in the middle of a long build."""
    seconds = []
    for number in (1, 2):
        list(workers.render_all(tasks[:number], number))
        unread = [(pool_of(folder, pool.entities, pool.backgrounds), *rest) for pool, *rest in tasks]
        started = time.perf_counter()
        list(workers.render_all(unread, number))
        seconds.append(time.perf_counter() - started)
    log(f"one process {seconds[0]:.2f} s, two {seconds[1]:.2f} s  load {os.getloadavg()[0]:.1f}")
    return seconds[0], seconds[1]


@contextmanager
def timed(seconds: dict[str, float], name: str):
    started = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - started


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
