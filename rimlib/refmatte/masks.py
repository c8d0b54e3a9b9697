"""The true mattes of a data set: read, and refused where they are plainly stored in another way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images

Item = TypeVar("Item")


def read(path: Path) -> np.ndarray:
    """A true matte, float32 (H, W) in [0, 1].

    Raises:
        RimError: as `images.read_matte`; its values are 0 and 1 in a file whose white is 255, or 0 to 255 in one whose
            white is 65535: all of it would be as good as transparent, and every prediction wrong.
    """
    alpha = images.read_matte(path)
    _check(path, float(alpha.max()))
    return alpha


def read_levels(path: Path) -> np.ndarray:
    """As `read`, in the 256 levels of a file, uint8 (H, W)."""
    levels = images.read_levels(path)
    _check(path, float(levels.max()) / 255)
    return levels


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """So many of some items, at even distances; all where they are fewer.

    >>> evenly("abcdef", 3), evenly("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    count = min(count, len(items))
    return [items[position * len(items) // count] for position in range(count)]


def _check(path: Path, largest: float) -> None:
    if 0 < largest <= 1 / 254:
        found = f"its largest value is {largest:.4f} of white, as of a mask that is stored in 0 and 1"
        raise RimError(f"{path}: {found}; a matte goes from 0 to 255 in 8 bits and to 65535 in 16", path=path)
