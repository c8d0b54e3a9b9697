"""A pool: the entities and backgrounds that scenes are made of, whatever they were read from."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np

from rimlib.entities.entity import Background, Entity
from rimlib.errors import RimError

KEEP_BYTES = 512 * 2**20  # of decoded pixels, for each process


class Pool:
    """Entities, backgrounds, and how to get their pixels.

    Args:
        entities, backgrounds: what the pool holds; names are unique and plain (they may become names of files).
        read_cutout: entity → (foreground uint8 (H, W, 3), alpha float32 (H, W) in [0, 1]).
        read_background: background → uint8 (H, W, 3).
        sizes: (height, width) of cut-outs, where they are known, so that a plan needs no pixels.
        digests: sha256 of the files behind entities and backgrounds, where they are known; part of the fingerprint.
        keep_bytes: pixels are kept up to so many bytes; those that were not asked for longest go first.

    A pool is pickled without its pixels. In another process all copies of one pool, and of its parts, share what is kept there.
    """

    def __init__(
        self,
        entities: list[Entity],
        backgrounds: list[Background],
        read_cutout: Callable[[Entity], tuple[np.ndarray, np.ndarray]],
        read_background: Callable[[Background], np.ndarray],
        sizes: dict[str, tuple[int, int]] | None = None,
        digests: dict[str, str] | None = None,
        keep_bytes: int = KEEP_BYTES,
    ):
        self.entities = list(entities)
        self.backgrounds = list(backgrounds)
        self.keep_bytes = keep_bytes
        self._readers = {entity.name: read_cutout for entity in self.entities}
        self._background_readers = {background.name: read_background for background in self.backgrounds}
        self._sizes = {name: (int(height), int(width)) for name, (height, width) in (sizes or {}).items()}
        self._digests = dict(digests or {})
        self._mark, self._kept = uuid.uuid4().hex, _Kept()
        for what, names in (
            ("entity", [item.name for item in self.entities]),
            ("background", [item.name for item in self.backgrounds]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise RimError(
                    f"pool: the {what} name {twice[0]!r} is used {Counter(names)[twice[0]]} times; names must be unique"
                )
            for name in names:
                if (
                    not name
                    or name in (".", "..")
                    or any(letter in "/\\" or not letter.isprintable() for letter in name)
                ):
                    raise RimError(
                        f"pool: the {what} name {name!r} is not a plain name; slashes, '..' and control characters are refused"
                    )
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
        return [entity for entity in self.entities if kind in (None, entity.kind) and split in (None, entity.split)]

    def backgrounds_of(self, split: str | None = None) -> list[Background]:
        return [background for background in self.backgrounds if split in (None, background.split)]

    def categories(self, split: str | None = None) -> list[str]:
        return sorted({entity.category for entity in self.of(split=split)})

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of an entity's cut-out; its pixels are read only where the pool was not told."""
        if name not in self._sizes:
            self._sizes[name] = self.cutout(name)[1].shape
        self[name]  # refuses a name that is told but not held
        return self._sizes[name]

    def cutout(self, name: str, keep: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Foreground uint8 (H, W, 3) and alpha float32 (H, W) of an entity; `keep` its pixels for the next time."""
        entity = self[name]
        return self.keep("cutout", name, lambda: self._readers[name](entity)) if keep else self._readers[name](entity)

    def background(self, name: str) -> np.ndarray:
        """A background picture, uint8 (H, W, 3)."""
        background = self._background(name)
        return self.keep("background", name, lambda: self._background_readers[name](background))

    def keep(self, what: str, name: str, make: Callable):
        """What `make()` makes of an entity or background, an array or a tuple of arrays; kept with the pixels and under their limit."""
        return self._kept.get((what, name), make, self.keep_bytes)

    def only(self, entities: Iterable[str], backgrounds: Iterable[str]) -> Pool:
        """A small pool of some of the entities and backgrounds, by name and in the order given; it shares the kept pixels."""
        part = Pool(
            [self[name] for name in dict.fromkeys(entities)],
            [self._background(name) for name in dict.fromkeys(backgrounds)],
            None,
            None,
            keep_bytes=self.keep_bytes,
        )
        part._readers = {name: self._readers[name] for name in part._by_name}
        part._background_readers = {name: self._background_readers[name] for name in part._background_by_name}
        part._sizes = {name: self._sizes[name] for name in part._by_name if name in self._sizes}
        part._digests = {
            name: self._digests[name] for name in (*part._by_name, *part._background_by_name) if name in self._digests
        }
        part._mark, part._kept = self._mark, self._kept
        return part

    def add(self, other: Pool) -> Pool:
        """A pool with the contents of both."""
        both = Pool(
            self.entities + other.entities,
            self.backgrounds + other.backgrounds,
            None,
            None,
            {**self._sizes, **other._sizes},
            {**self._digests, **other._digests},
            max(self.keep_bytes, other.keep_bytes),
        )
        both._readers = {**self._readers, **other._readers}
        both._background_readers = {**self._background_readers, **other._background_readers}
        return both

    def fingerprint(self) -> str:
        """sha256 over all that is written of the entities and backgrounds; of their pixels where the pool was told digests."""
        rows = (
            [entity.to_dict() for entity in self.entities]
            + [asdict(item) for item in self.backgrounds]
            + [self._digests]
        )
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()

    def _background(self, name: str) -> Background:
        if name not in self._background_by_name:
            raise RimError(f"pool: no background {name!r}; it holds {len(self.backgrounds)} others")
        return self._background_by_name[name]

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != "_kept"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if _here.get("mark") != self._mark:  # of the last pool only: a worker serves one build at a time
            _here.update(mark=self._mark, kept=_Kept())
        self._kept = _here["kept"]


class _Kept:
    """Decoded pixels up to a number of bytes; what was used longest ago goes first. Threads may share it."""

    def __init__(self):
        self._items: OrderedDict[tuple[str, str], object] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: tuple[str, str], read: Callable, limit: int):
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        item = read()
        with self._lock:
            if key not in self._items:
                self._items[key] = item
                self.bytes += _size(item)
            while self.bytes > limit and len(self._items) > 1:
                self.bytes -= _size(self._items.popitem(last=False)[1])
        return item


_here: dict = {}  # in a worker process: the mark of the pool that it last was sent, and its pixels


def _size(item) -> int:
    return sum(getattr(part, "nbytes", 0) for part in (item if isinstance(item, tuple) else (item,)))
