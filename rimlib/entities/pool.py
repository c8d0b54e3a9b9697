"""A pool: the entities and backgrounds that scenes are made of, whatever they were read from."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from rimlib.entities.entity import Background, Entity
from rimlib.errors import RimError

KEEP_BYTES = 512 * 2**20  # of decoded pixels, for each process

CutoutReader = Callable[[Entity], tuple[np.ndarray, np.ndarray]]
BackgroundReader = Callable[[Background], np.ndarray]


class Pool:
    """Entities, backgrounds, and how to get their pixels.

    Args:
        entities, backgrounds: what the pool holds; names are unique and plain (they may become names of files).
        read_cutout: entity → (foreground uint8 (H, W, 3), alpha float32 (H, W) in [0, 1]); one function, one for each
            name, or None in a pool that plans are made of and no images.
        read_background: background → uint8 (H, W, 3), likewise.
        sizes: (height, width) of cut-outs, where they are known, so that a plan needs no pixels.
        digests: sha256 of the files behind entities and backgrounds, where they are known; part of the fingerprint.
        cache: where pixels are kept; one of the pool's own if None.

    Attributes:
        cutout_readers, background_readers: the function of each name.

    A pool is pickled without its pixels. In another process all copies of one pool, and of its parts, share one cache.
    """

    def __init__(
        self,
        entities: list[Entity],
        backgrounds: list[Background],
        read_cutout: CutoutReader | Mapping[str, CutoutReader] | None = None,
        read_background: BackgroundReader | Mapping[str, BackgroundReader] | None = None,
        sizes: Mapping[str, tuple[int, int]] | None = None,
        digests: Mapping[str, str] | None = None,
        cache: PixelCache | None = None,
    ):
        self.entities, self.backgrounds = list(entities), list(backgrounds)
        _check_names("entity", [item.name for item in self.entities])
        _check_names("background", [item.name for item in self.backgrounds])
        self._by_name = {entity.name: entity for entity in self.entities}
        self._background_by_name = {background.name: background for background in self.backgrounds}
        self.cutout_readers = _by_name(read_cutout, self._by_name)
        self.background_readers = _by_name(read_background, self._background_by_name)
        self._sizes = {name: (int(size[0]), int(size[1])) for name, size in _only(sizes, self._by_name).items()}
        self._digests = _only(digests, (*self._by_name, *self._background_by_name))
        self.cache = PixelCache() if cache is None else cache

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
        """The backgrounds of one split."""
        return [background for background in self.backgrounds if split in (None, background.split)]

    def categories(self, split: str | None = None) -> list[str]:
        """The categories of a split, in alphabetical order."""
        return sorted({entity.category for entity in self.of(split=split)})

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of an entity's cut-out; its pixels are read only where the size was not given."""
        if name not in self._sizes:
            height, width = self.cutout(name)[1].shape
            self._sizes[name] = height, width
        return self._sizes[name]

    def cutout(self, name: str, keep: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Foreground uint8 (H, W, 3) and alpha float32 (H, W) of an entity; `keep` its pixels for the next time."""
        entity = self[name]
        read = partial(_reader(self.cutout_readers, name), entity)
        return self.keep("cutout", name, read) if keep else read()

    def background(self, name: str) -> np.ndarray:
        """A background image, uint8 (H, W, 3)."""
        background = self._background(name)
        return self.keep("background", name, partial(_reader(self.background_readers, name), background))

    def keep(self, what: str, name: str, make: Callable[[], Any]) -> Any:
        """The result of `make()` for an entity or background, one array or a tuple; cached with the pixels."""
        return self.cache.get((what, name), make)

    def only(self, entities: Iterable[str], backgrounds: Iterable[str]) -> Pool:
        """A small pool of some of the entities and backgrounds, by name and in the order given; it shares the cache."""
        chosen = [self[name] for name in dict.fromkeys(entities)]
        places = [self._background(name) for name in dict.fromkeys(backgrounds)]
        readers = self.cutout_readers, self.background_readers
        return Pool(chosen, places, *readers, self._sizes, self._digests, self.cache)

    def add(self, other: Pool) -> Pool:
        """A pool with the contents of both."""
        return Pool(
            self.entities + other.entities,
            self.backgrounds + other.backgrounds,
            {**self.cutout_readers, **other.cutout_readers},
            {**self.background_readers, **other.background_readers},
            {**self._sizes, **other._sizes},
            {**self._digests, **other._digests},
            PixelCache(max(self.cache.limit, other.cache.limit)),
        )

    def fingerprint(self) -> str:
        """SHA-256 of all entities, backgrounds and recorded digests, to know whether two pools are the same."""
        rows = [entity.to_dict() for entity in self.entities] + [asdict(item) for item in self.backgrounds]
        return hashlib.sha256(json.dumps([*rows, self._digests], sort_keys=True).encode()).hexdigest()

    def _background(self, name: str) -> Background:
        if name not in self._background_by_name:
            raise RimError(f"pool: no background {name!r}; it holds {len(self.backgrounds)} others")
        return self._background_by_name[name]


class PixelCache:
    """Decoded pixels up to a number of bytes; what was used longest ago goes first. Threads may share it.

    It is pickled as its id and limit only: where it is unpickled, the process's cache of that id takes its place.

    Args:
        limit: bytes of pixels. One item is kept whatever its size.
    """

    def __init__(self, limit: int = KEEP_BYTES, uid: str | None = None):
        self.limit = limit
        self.bytes = 0
        self._uid = uid or uuid.uuid4().hex
        self._items: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple:
        return _cache_of_this_process, (self.limit, self._uid)

    def get(self, key: tuple[str, str], make: Callable[[], Any]) -> Any:
        """The item of this key, made where it is not there."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        item = make()
        with self._lock:
            if key not in self._items:
                self._items[key] = item
                self.bytes += _bytes(item)
            while self.bytes > self.limit and len(self._items) > 1:
                self.bytes -= _bytes(self._items.popitem(last=False)[1])
        return item


_last: list[PixelCache] = []  # of the last pool only that was sent here: a worker serves one build at a time


def _cache_of_this_process(limit: int, uid: str) -> PixelCache:
    if not _last or _last[0]._uid != uid:
        _last[:] = [PixelCache(limit, uid)]
    return _last[0]


def _bytes(item: Any) -> int:
    return sum(getattr(part, "nbytes", 0) for part in (item if isinstance(item, tuple) else (item,)))


def _reader(readers: Mapping[str, Any], name: str) -> Any:
    if name not in readers:
        raise RimError(f"pool: {name!r} has no pixels here; this pool was made for plans only")
    return readers[name]


def _by_name(readers: Any, names: Iterable[str]) -> dict[str, Any]:
    return dict.fromkeys(names, readers) if callable(readers) else _only(readers, names)


def _only(values: Mapping[str, Any] | None, names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values} if values else {}


def _check_names(what: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise RimError(f"pool: the {what} name {name!r} is used {count} times; names must be unique")
        if not name or name in (".", "..") or any(letter in "/\\" or not letter.isprintable() for letter in name):
            raise RimError(
                f"pool: the {what} name {name!r} is not a plain name; slashes, '..' and control characters are refused"
            )
