"""The pixels of a training sample, at the model's size: from the data set's files, or from the cache of shrunk arrays.

Paper: Sec. 5.1: images are resized to the model's square. `Files` decodes an image and its mattes when they are needed,
so that no set is too large; `Arrays` has them from `rimlib.training.cache`. Both have `image`, `matte` and
`trimap`; what is cut out of the full-size image has only `Files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from rimlib.errors import RimError
from rimlib.io.images import read_image, resize, size_of
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.refmatte.masks import read_levels

# A trimap's grey levels as the classes of the semantic decoder: background, unknown, foreground.
CLASSES = np.zeros(256, np.uint8)
CLASSES[[128, 255]] = 1, 2
GRID = 8  # pixels that a window's corner is a multiple of: a JPEG is decoded at 1/8 of its size at least


class Window(NamedTuple):
    """A part of an image, in its own pixels."""

    top: int
    left: int
    height: int
    width: int


class Files:
    """One image and its mattes on disk.

    Args:
        image: the file.
        mattes: the files of its entities.
        size: S, pixels.
        kernel: of the trimaps, pixels (Paper: Sec. 4.1) …
        at_image: … of the full-size matte, else of the matte at the model's size.
        denoised: folder of the images' denoised copies, which need not be there.

    All methods raise RimError, naming a file that cannot be read.
    """

    def __init__(
        self,
        image: Path,
        mattes: Sequence[Path],
        size: int,
        kernel: int,
        at_image: bool = False,
        denoised: Path | None = None,
    ):
        self.path, self.mattes, self.size = image, mattes, size
        self.kernel, self.at_image, self.denoised = kernel, at_image, denoised
        self._levels: dict[int, np.ndarray] = {}  # as on disk …
        self._boxes: dict[int, tuple[int, int, int, int] | None] = {}
        self._small: dict[tuple[int, Window | None], np.ndarray] = {}  # … and at the model's size

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return size_of(self.path)

    def image(self, window: Window | None = None, denoised: bool = False) -> np.ndarray:
        """The image, or a window of it, uint8 (S, S, 3); its denoised copy where that is wanted and there."""
        path = self.denoised / self.path.name if denoised and self.denoised else self.path
        path = path if path.is_file() else self.path
        if window is None:
            return resize(read_image(path, least=(self.size, self.size)), (self.size, self.size))
        height, width = self.shape
        least = -(-self.size * height // window.height), -(-self.size * width // window.width)
        pixels = read_image(path, least)
        scale = round(height / pixels.shape[0])
        return resize(_cut(pixels, Window(*(length // scale for length in window))), (self.size, self.size))

    def matte(self, which: int, window: Window | None = None) -> np.ndarray:
        """A matte, or a window of it, uint8 (S, S)."""
        if (which, window) not in self._small:
            self._small[which, window] = resize(_cut(self._full(which), window), (self.size, self.size))
        return self._small[which, window]

    def trimap(self, which: int, window: Window | None = None) -> np.ndarray:
        """The classes of a matte or of a window of it, uint8 (S, S): 0 background, 1 unknown, 2 foreground.

        Of the full-size matte the nearest pixel is taken, as classes have no mean.
        """
        if not self.at_image:
            return CLASSES[trimap_from_alpha(self.matte(which, window), self.kernel)]
        classes, box = np.zeros((self.size, self.size), np.uint8), self.box(which)
        if box is None:
            return classes
        shown, reach = window or Window(0, 0, *self.shape), self.kernel // 2 + 1
        # Farther than half a kernel from the entity all is background, and what is farther from the window is not seen.
        top, left = (max(0, box[1 - axis] - reach, shown[axis] - reach) for axis in (0, 1))
        bottom, right = (min(box[3 - axis], shown[axis] + shown[2 + axis]) + reach for axis in (0, 1))
        part = trimap_from_alpha(self._full(which)[top:bottom, left:right], self.kernel)
        y, rows = _nearest(shown.top - top, shown.height, self.size, part.shape[0])
        x, columns = _nearest(shown.left - left, shown.width, self.size, part.shape[1])
        classes[y, x] = CLASSES[part[rows][:, columns]]
        return classes

    def box(self, which: int) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of an entity, in the image's pixels; None where nothing of it is visible."""
        if which not in self._boxes:
            left, top, width, height = cv2.boundingRect(self._full(which))
            self._boxes[which] = (left, top, left + width, top + height) if width else None
        return self._boxes[which]

    def _full(self, which: int) -> np.ndarray:
        if which not in self._levels:
            levels, path = read_levels(self.mattes[which]), self.mattes[which]
            if levels.shape != self.shape:
                found, wanted = (f"{height} x {width}" for height, width in (levels.shape, self.shape))
                raise RimError(f"{path}: {found} pixels, its image {self.path.name} has {wanted}", path=path)
            self._levels[which] = levels
        return self._levels[which]


class Arrays:
    """The same from the arrays of a cache: image `number`, whose mattes begin at `first`."""

    def __init__(self, arrays: dict[str, np.ndarray], number: int, first: int, kernel: int):
        self.arrays, self.number, self.first, self.kernel = arrays, number, first, kernel

    def image(self, window: None = None, denoised: bool = False) -> np.ndarray:
        """The image, uint8 (S, S, 3)."""
        return self.arrays["images"][self.number]

    def matte(self, which: int, window: None = None) -> np.ndarray:
        """A matte, uint8 (S, S)."""
        return self.arrays["mattes"][self.first + which]

    def trimap(self, which: int, window: None = None) -> np.ndarray:
        """The classes of a matte, uint8 (S, S); made here where the cache has none of the full-size matte."""
        if "trimaps" in self.arrays:
            return self.arrays["trimaps"][self.first + which]
        return CLASSES[trimap_from_alpha(np.ascontiguousarray(self.matte(which)), self.kernel)]


def _nearest(first: int, length: int, size: int, end: int) -> tuple[slice, np.ndarray]:
    """Of `size` pixels that `length` others become, those that show one of 0 to `end`, and which of these each shows.

    `first` is the place of the first of the others.
    """
    places = first + ((np.arange(size) + 0.5) * length / size).astype(np.int64)
    seen = slice(*np.searchsorted(places, [0, end]).tolist())
    return seen, places[seen]


def _cut(pixels: np.ndarray, window: Window | None) -> np.ndarray:
    if window is None:
        return pixels
    top, left, height, width = window
    return pixels[top : top + height, left : left + width]
