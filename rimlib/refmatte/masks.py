"""The true mattes of a data set: read, and refused where they are plainly stored in another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images


def read(path: Path) -> np.ndarray:
    """A true matte, float32 (H, W) in [0, 1].

    Raises:
        RimError: as `images.read_matte`; its values are 0 and 1 in a file whose white is 255, or 0 to 255 in one whose
            white is 65535: all of it would be as good as transparent, and every prediction wrong.
    """
    alpha = images.read_matte(path)
    if 0 < (largest := float(alpha.max())) <= 1 / 254:
        found = f"its largest value is {largest:.4f} of white, as of a mask that is stored in 0 and 1"
        raise RimError(f"{path}: {found}; a matte goes from 0 to 255 in 8 bits and to 65535 in 16", path=path)
    return alpha


def evenly(paths: list[Path], count: int) -> list[Path]:
    """So many of some paths, from all over the list.

    >>> [path.name for path in evenly([Path(name) for name in "abcdef"], 3)]
    ['a', 'c', 'e']
    """
    return paths[:: max(1, -(-len(paths) // count))]
