"""A pool: the entities and backgrounds that scenes are made of, whatever they were read from."""
from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Callable

import numpy as np

from rimlib.entities.entity import Background, Entity
from rimlib.errors import RimError


class Pool:
    """Entities, backgrounds, and how to get their pixels.

    Args:
        entities, backgrounds: what the pool holds; names must be unique.
        read_cutout: entity → (foreground uint8 (H, W, 3), alpha float32 (H, W) in [0, 1]).
        read_background: background → uint8 (H, W, 3).

    Pixels are read when asked for and kept, so a small pool is read once.
    """

    def __init__(self, entities: list[Entity], backgrounds: list[Background],
                 read_cutout: Callable[[Entity], tuple[np.ndarray, np.ndarray]],
                 read_background: Callable[[Background], np.ndarray]):
        self.entities = list(entities)
        self.backgrounds = list(backgrounds)
        self._readers = {entity.name: read_cutout for entity in self.entities}
        self._background_readers = {background.name: read_background for background in self.backgrounds}
        self._kept: dict[tuple[str, str], object] = {}
        for what, names in (("entity", [item.name for item in self.entities]),
                            ("background", [item.name for item in self.backgrounds])):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise RimError(f"pool: the {what} name {twice[0]!r} is used {Counter(names)[twice[0]]} times; names must be unique")
        self._by_name = {entity.name: entity for entity in self.entities}
        self._background_by_name = {background.name: background for background in self.backgrounds}

    def __len__(self) -> int:
        return len(self.entities)

    def __getitem__(self, name: str) -> Entity:
        if name not in self._by_name:
            raise RimError(f"pool: no entity {name!r}; it holds {len(self)} others")
        return self._by_name[name]

    def of(self, kind: str | None = None, split: str | None = None) -> list[Entity]:
        """The entities of one kind and split, in the pool's order."""
        return [entity for entity in self.entities
                if kind in (None, entity.kind) and split in (None, entity.split)]

    def backgrounds_of(self, split: str | None = None) -> list[Background]:
        return [background for background in self.backgrounds if split in (None, background.split)]

    def categories(self, split: str | None = None) -> list[str]:
        return sorted({entity.category for entity in self.of(split=split)})

    def cutout(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Foreground uint8 (H, W, 3) and alpha float32 (H, W) of an entity."""
        key = ("cutout", name)
        if key not in self._kept:
            self._kept[key] = self._readers[self[name].name](self[name])
        return self._kept[key]

    def background(self, name: str) -> np.ndarray:
        """A background picture, uint8 (H, W, 3)."""
        key = ("background", name)
        if key not in self._kept:
            if name not in self._background_by_name:
                raise RimError(f"pool: no background {name!r}; it holds {len(self.backgrounds)} others")
            self._kept[key] = self._background_readers[name](self._background_by_name[name])
        return self._kept[key]

    def add(self, other: "Pool") -> "Pool":
        """A pool with the contents of both."""
        both = Pool(self.entities + other.entities, self.backgrounds + other.backgrounds, None, None)
        both._readers = {**self._readers, **other._readers}
        both._background_readers = {**self._background_readers, **other._background_readers}
        return both

    def fingerprint(self) -> str:
        """sha256 over all that is written of the entities and backgrounds (not their pixels)."""
        rows = [entity.to_dict() for entity in self.entities] + [asdict(item) for item in self.backgrounds]
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
