"""A plan laid out for a build: the label files, and one `Order` for each scene, in files of the working folder.

The plan of 47,500 scenes is made one scene at a time and never stands in memory; what stays is one name for each scene. Its hash,
over labels and orders, tells whether a folder was begun from the same plan.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterator
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from pathlib import Path

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import Data
from rimlib.refmatte import format
from rimlib.refmatte import plan as planning
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.plan import ScenePlan

HEAD = 20  # scenes that are planned again to see whether a finished split is still of this plan
CHUNK = 50  # scenes at most that a worker is given at once


@dataclass(frozen=True)
class Order:
    """What the renderer needs of a `ScenePlan`: all but its sentences. `line` and `of_line` store it as one line of JSON."""

    name: str
    background: str
    entities: tuple[str, ...]
    placements: tuple[Placement, ...]
    mirrored: tuple[bool, ...]

    @classmethod
    def of(cls, scene: ScenePlan) -> Order:
        """Raises RimError for a name that is not plain: it becomes the name of files."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", scene.name):
            raise RimError(
                f"scene {scene.name!r}: a name has letters, digits, '-' and '_' only, since it becomes the name of files"
            )
        return cls(scene.name, scene.background, tuple(scene.entities), tuple(scene.placements), tuple(scene.mirrored))

    def line(self) -> bytes:
        places = [[int(value) for value in astuple(place)] for place in self.placements]
        return (
            json.dumps(
                [self.name, self.background, self.entities, places, [bool(value) for value in self.mirrored]]
            ).encode()
            + b"\n"
        )

    @classmethod
    def of_line(cls, line: bytes) -> Order:
        name, background, entities, places, mirrored = json.loads(line)
        return cls(name, background, tuple(entities), tuple(Placement(*place) for place in places), tuple(mirrored))


class Orders:
    """The plan of one split, laid out in a folder.

    Args:
        folder: the working folder; the label files get their usual names in it.
    """

    def __init__(self, folder: Path, split: str, settings: Data, pool: Pool):
        self.folder, self.split, self.settings, self.pool = folder, split, settings, pool
        self.path = folder / f"orders_{split}.jsonl"

    @property
    def labels(self) -> list[Path]:
        """The label files that were written: of the sentences, and of those that fit nothing if there are any."""
        return [
            path
            for path in (format.label_path(self.folder, self.split), format.no_target_path(self.folder, self.split))
            if path.is_file()
        ]

    def head(self) -> str:
        """A hash of the first scenes as they are planned now."""
        hashed = hashlib.sha256()
        for scene in islice(planning.scenes(self.pool, self.settings, self.split), HEAD):
            rows = format.labels_of(scene, [self.pool[name] for name in scene.entities])
            hashed.update(
                Order.of(scene).line() + json.dumps([rows, [sentence.text for sentence in scene.no_target]]).encode()
            )
        return hashed.hexdigest()

    def write(self, progress: bool = True) -> dict:
        """Plan the split and write its files. Returns what tells this plan from others: scenes, head, plan (hashes).

        Raises:
            RimError: what the plan raises, two scenes of one name, a file that cannot be written.
        """
        from tqdm import tqdm

        names: set[str] = set()
        hashed = hashlib.sha256()

        def noted(scenes: Iterator[ScenePlan], stream) -> Iterator[ScenePlan]:
            for scene in scenes:
                if scene.name in names:
                    raise RimError(f"plan of {self.split}: two scenes have the name {scene.name}; change data.seed")
                names.add(scene.name)
                line = Order.of(scene).line()
                hashed.update(line)
                stream.write(line)
                yield scene

        def pour(stream) -> None:
            scenes = tqdm(
                planning.scenes(self.pool, self.settings, self.split),
                f"plan of {self.split}",
                planning.count(self.settings, self.split),
                unit="scene",
                disable=not progress,
            )
            format.write_labels(self.folder, self.split, noted(scenes, stream), self.pool)

        for path in self.labels:
            path.unlink()
        files.write_atomically(self.path, pour, durable=False)
        for path in self.labels:
            hashed.update(files.sha256(path).encode())
        return {"scenes": len(names), "head": self.head(), "plan": hashed.hexdigest()}

    def __iter__(self) -> Iterator[Order]:
        with open(self.path, "rb") as lines:
            yield from map(Order.of_line, lines)

    def left(self, done: Container[str]) -> Iterator[list[Order]]:
        """Chunks of orders that are not done; a group's scenes stay together, so that their entities are read once."""
        size = self.settings.images_per_group_train if self.split == "train" else self.settings.images_per_group_test
        size = min(max(size, 1), CHUNK)
        for _, chunk in groupby(enumerate(self), key=lambda item: item[0] // size):
            if orders := [order for _, order in chunk if order.name not in done]:
                yield orders

    def remove(self) -> None:
        for path in (self.path, *self.labels):
            path.unlink(missing_ok=True)
