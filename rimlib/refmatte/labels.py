"""The targets of a data set, image by image, read from its label file when they are asked for.

What is kept is where each entry stands in the file: 24 bytes for an entity, and the images' names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, overload

import numpy as np

from rimlib.io.entries import Reader
from rimlib.refmatte.format import Target, kinds_of, target_of
from rimlib.refmatte.released import Layout, iterate_rows, row_of

KEPT = 64  # images whose targets are kept, so that asking again costs nothing


class Labels:
    """The entries of a label file by image.

    Attributes:
        image_names: in the order of their first entries.
        counts: int64 (N,), entities of each image.

    Raises:
        RimError: as `released.read_rows`; later, where the file has changed.
    """

    def __init__(self, layout: Layout):
        self.layout, self._reader = layout, Reader(layout.labels)
        numbers: dict[str, int] = {}
        images, places = array("q"), array("q")
        for mask_id, row, start, end in iterate_rows(layout):
            kinds_of(mask_id, row, layout.labels)  # is refused now, not in the middle of a training
            images.append(numbers.setdefault(row["image_name"], len(numbers)))
            places.extend((start, end))
        self.image_names = list(numbers)
        of_image = np.array(images, np.int64)
        # An image's entries need not stand together.
        self._places = np.array(places, np.int64).reshape(-1, 2)[np.argsort(of_image, kind="stable")]  # (M, 2)
        self.counts = np.bincount(of_image, minlength=len(numbers))
        self._firsts = np.cumsum(self.counts) - self.counts
        self._kept: dict[str, list[Target]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_numbers"} | {"_kept": {}}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.image_names)}

    def __contains__(self, image_name: str) -> bool:
        return image_name in self._numbers

    def count(self, image_name: str) -> int:
        """How many entities an image has."""
        return int(self.counts[self._numbers[image_name]])

    def targets_of(self, image_name: str) -> list[Target]:
        """The targets of one image."""
        if image_name not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[image_name] = list(self._read(self._numbers[image_name]))
        return self._kept[image_name]

    def _read(self, number: int) -> Iterator[Target]:
        first = self._firsts[number]
        for start, end in self._places[first : first + self.counts[number]].tolist():
            mask_id, row = row_of(self.layout, *self._reader.read(start, end))
            yield target_of(mask_id, row, self.layout.labels)


class Targets(Sequence[Target]):
    """The targets of some images, one after the other."""

    def __init__(self, labels: Labels, image_names: Sequence[str]):
        self.labels, self.image_names = labels, image_names

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum([self.labels.count(name) for name in self.image_names])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self.image_names) else 0

    def __iter__(self) -> Iterator[Target]:
        return chain.from_iterable(map(self.labels.targets_of, self.image_names))

    @overload
    def __getitem__(self, place: int) -> Target: ...
    @overload
    def __getitem__(self, place: slice) -> list[Target]: ...
    def __getitem__(self, place: int | slice) -> Target | list[Target]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]  # from the end where it is negative
        image = int(np.searchsorted(self._ends, place, side="right"))
        group = self.labels.targets_of(self.image_names[image])
        return group[place - int(self._ends[image])]
