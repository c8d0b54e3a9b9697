"""A plan laid out for a build: the label files, and one `RenderJob` for each scene, in files of the working folder.

The plan of 47,500 scenes is made one scene at a time and never stands in memory; what stays is one name for each scene.
Its hash, over labels and jobs, shows whether a folder was begun from the same plan.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import Data
from rimlib.refmatte import format
from rimlib.refmatte import plan as planning
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.light import Light
from rimlib.refmatte.plan import ScenePlan

CHUNK = 50  # scenes at most that a worker is given at once


class RenderJob(NamedTuple):
    """What the renderer needs of a `ScenePlan`: all but its sentences. In the working folder it is one line of JSON."""

    name: str
    background: str
    entities: tuple[str, ...]
    placements: tuple[Placement, ...]
    mirrored: tuple[bool, ...]
    light: Light | None = None

    @classmethod
    def of(cls, scene: ScenePlan) -> RenderJob:
        """The job of a planned scene. Raises RimError for a name that is not plain: it becomes the name of files."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", scene.name):
            raise RimError(f"scene {scene.name!r}: files are named by it, so it has letters, digits, '-' and '_' only")
        return cls(scene.name, scene.background, scene.entities, scene.placements, scene.mirrored, scene.light)

    @classmethod
    def from_json(cls, line: bytes) -> RenderJob:
        """The job of a line of JSON."""
        name, background, entities, places, mirrored, *light = json.loads(line)
        lit = Light(*light[0]) if light else None
        places = tuple(Placement(*place) for place in places)
        return cls(name, background, tuple(entities), places, tuple(mirrored), lit)

    def to_json(self) -> bytes:
        """The job as a line; of one without a light nothing of it."""
        return json.dumps(self if self.light else self[:-1]).encode() + b"\n"

    def files(self, split: str) -> list[str]:
        """The files of the scene, below the root of the data set: a mask for each entity, and the image last."""
        masks = [format.mask_path(Path(), split, f"{self.name}_{index + 1}") for index in range(len(self.entities))]
        return [path.as_posix() for path in (*masks, format.image_path(Path(), split, self.name))]


class RenderPlan:
    """The plan of one split, laid out in a working folder, where the label files get their usual names."""

    def __init__(self, folder: Path, split: str, settings: Data, pool: Pool):
        self.folder, self.split, self.settings, self.pool = folder, split, settings, pool
        self.path = folder / f"jobs_{split}.jsonl"

    @property
    def labels(self) -> list[Path]:
        """The label files that were written: of the sentences, and of those that fit nothing or several, if any."""
        paths = (of(self.folder, self.split) for of in format.LABEL_FILES)
        return [path for path in paths if path.is_file()]

    def write(self, progress: bool = True) -> dict:
        """Plan the split and write its files.

        Returns:
            What marks this plan: the number of `scenes`, and its hash, `plan`.

        Raises:
            RimError: what the plan raises, two scenes of one name, a file that cannot be written.
        """
        names: set[str] = set()
        hashed = hashlib.sha256()

        def scenes(stream: BinaryIO) -> Iterator[ScenePlan]:
            planned = planning.scenes(self.pool, self.settings, self.split)
            total = planning.count(self.settings, self.split)
            for scene in tqdm(planned, f"plan of {self.split}", total, unit="scene", disable=not progress):
                if scene.name in names:
                    raise RimError(
                        f"plan of {self.split}: two scenes have the name {scene.name}; change data.seed",
                        setting="data.seed",
                    )
                names.add(scene.name)
                line = RenderJob.of(scene).to_json()
                hashed.update(line)
                stream.write(line)
                yield scene

        for path in self.labels:
            path.unlink()
        files.write_atomically(
            self.path,
            lambda stream: format.write_labels(self.folder, self.split, scenes(stream), self.pool),
            durable=False,
        )
        for path in self.labels:
            hashed.update(files.sha256(path).encode())
        return {"scenes": len(names), "plan": hashed.hexdigest()}

    def __iter__(self) -> Iterator[RenderJob]:
        with open(self.path, "rb") as lines:
            yield from map(RenderJob.from_json, lines)

    def pending(self, done: Container[str]) -> Iterator[list[RenderJob]]:
        """Chunks of jobs that are not done; a group's scenes stay together, so that their entities are read once."""
        _, size, _ = planning.sizes_of(self.settings, self.split)
        size = min(max(size, 1), CHUNK)
        for _, chunk in groupby(enumerate(self), key=lambda item: item[0] // size):
            if jobs := [job for _, job in chunk if job.name not in done]:
                yield jobs

    def remove(self) -> None:
        """Remove the files of the working folder."""
        for path in (*self.folder.glob(f"*_{self.split}.jsonl"), *self.labels):
            path.unlink(missing_ok=True)
