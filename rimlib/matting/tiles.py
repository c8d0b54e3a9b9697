"""Large images in tiles: which tiles have work in them, and how their results are joined without a seam.

A network with a large receptive field is worse near a tile's border, where it lacks context. So tiles overlap, a tile's
outermost pixels do not count, and over the rest of the overlap one tile's result fades into the next one's. Tiles begin
at multiples of 32 pixels: a network that halves five times then halves each tile as it would have halved the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.errors import RimError

TILE, OVERLAP = 512, 128  # pixels
GRID = 32  # where tiles may begin
CELL = 8  # `near` looks at squares of so many pixels
PLAIN = 0.01  # alpha is plainly 0 or 1 when it is no farther from it than this


def run(
    work: Callable[[slice, slice], np.ndarray],
    size: tuple[int, int],
    wanted: np.ndarray | None = None,
    tile: int = TILE,
    overlap: int = OVERLAP,
    progress: str | None = None,
) -> np.ndarray:
    """One map from the tiles' maps, float32 (H, W); 0 where no tile was.

    Holds two maps of the whole size besides what `work` holds.

    Args:
        work: called with the rows and columns of a tile, gives its map, float32 of that shape.
        size: (H, W).
        wanted: (H, W); tiles without a pixel above 0 in it are left out.
        tile: side in pixels, a multiple of 32.
        overlap: pixels, a multiple of 32, at most half a tile.
        progress: the title of a bar, None for none.

    Raises:
        RimError: sizes that do not fit each other.
    """
    places = [(rows, columns) for rows in cuts(size[0], tile, overlap) for columns in cuts(size[1], tile, overlap)]
    if wanted is not None:
        places = [place for place in places if wanted[place].any()]
    total = np.zeros(size, np.float32)
    if not places:
        return total
    weights = np.zeros(size, np.float32)
    for rows, columns in _bar(places, progress):
        weight = np.outer(window(rows, size[0], overlap), window(columns, size[1], overlap))
        total[rows, columns] += weight * work(rows, columns)
        weights[rows, columns] += weight
    np.maximum(weights, 1e-6, out=weights)  # where a lone tile does not count there is nothing to divide
    return np.divide(total, weights, out=total)


def cuts(length: int, tile: int = TILE, overlap: int = OVERLAP) -> list[slice]:
    """Slices of `tile` pixels that cover a side, evenly spread; neighbours share at least `overlap` pixels.

    A side no longer than a tile is one slice; the last slice ends where the side does, and may be up to 31 pixels
    shorter.

    >>> cuts(1000, 512, 128)
    [slice(0, 512, None), slice(256, 768, None), slice(512, 1000, None)]
    """
    if tile % GRID or overlap % GRID or not 0 < 2 * overlap <= tile:
        raise RimError(
            f"tiles of {tile} pixels with an overlap of {overlap}: both must be multiples of {GRID}, the overlap at "
            "most half a tile",
            setting="tile",
        )
    if length <= tile:
        return [slice(0, length)]
    last = -(-(length - tile) // GRID) * GRID
    count = -(-last // (tile - overlap))
    starts = [number * last // count // GRID * GRID for number in range(count + 1)]
    return [slice(start, min(start + tile, length)) for start in starts]


def window(cut: slice, length: int, overlap: int = OVERLAP) -> np.ndarray:
    """How much each pixel of a slice counts, float32.

    0 over the first quarter of the overlap, then half a cosine up to 1. At the ends of the side itself, where there is
    no neighbour, it stays 1.
    """
    count = cut.stop - cut.start
    quiet = overlap // 4
    place = np.arange(count) + 0.5
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((place - quiet) / (overlap - 2 * quiet), 0, 1))
    weight = np.ones(count)
    if cut.start > 0:
        weight *= rise
    if cut.stop < length:
        weight *= rise[::-1]
    return weight.astype(np.float32)


def near(alpha: np.ndarray, reach: int = 24) -> np.ndarray:
    """Where a matte is not plainly 0 or 1, and what lies around, in squares of 8 pixels, smoothly enlarged.

    Args:
        alpha: float32 (H, W) in [0, 1]; the edge of a hard mask counts too.
        reach: the weight is 255 up to so many pixels from there, and 0 from twice as many on.

    Returns:
        uint8 (H, W).
    """
    rows, columns = (np.arange(0, length, CELL) for length in alpha.shape)
    most = np.maximum.reduceat(np.maximum.reduceat(alpha, rows, axis=0), columns, axis=1)  # (H/8, W/8)
    least = np.minimum.reduceat(np.minimum.reduceat(alpha, rows, axis=0), columns, axis=1)
    around = np.ones((3, 3), np.uint8)  # an edge may lie between two squares
    uncertain = (cv2.dilate(most, around) > PLAIN) & (cv2.erode(least, around) < 1 - PLAIN)
    if not uncertain.any():
        return np.zeros(alpha.shape, np.uint8)
    distance = cv2.distanceTransform((~uncertain).astype(np.uint8), cv2.DIST_L2, 5) * CELL
    weight = np.rint(255 * np.clip(2 - distance / reach, 0, 1)).astype(np.uint8)
    whole = cv2.resize(weight, (len(columns) * CELL, len(rows) * CELL), interpolation=cv2.INTER_LINEAR)
    return whole[: alpha.shape[0], : alpha.shape[1]]


def _bar(places: list[tuple[slice, slice]], progress: str | None) -> Iterable[tuple[slice, slice]]:
    if progress is None:
        return places
    return tqdm(places, desc=progress, unit="tile")
