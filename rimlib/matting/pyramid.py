"""A coarse matte, refined at the image's own size: in steps of twice the size, and by tiles where an edge is.

Not in the paper, whose refiner sees images of its own size only. A matte of 128 pixels is refined at two to four times
its size first, then at twice that, until the image's; each step is given the matte of the one before.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rimlib.errors import RimError
from rimlib.io.images import resize
from rimlib.matting import tiles

SHARP = 0.02  # a matte is as sharp as its size when halving it changes its edges by more than this, on average
ROWS = 256  # of a map that are blended at once: each line of that makes copies in float32

RefineTile = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (h, w, 3) and float32 (h, w) to float32 (h, w)


def refine(
    refine_tile: RefineTile, image: np.ndarray, alpha: np.ndarray, tile: int = tiles.TILE, progress: bool = False
) -> np.ndarray:
    """A matte at the image's size, float32 (H, W) in [0, 1]; far from every edge it stays as it was.

    Args:
        refine_tile: gives the refined matte of a tile.
        image: uint8 (H, W, 3).
        alpha: float (h, w) in [0, 1], of any size: a model's output, or that upsampled.
        tile: side of a tile in pixels, a multiple of 32.
        progress: show a bar for each step.

    Raises:
        RimError: an argument is something else.
    """
    check(image, alpha)
    alpha = np.clip(alpha, 0, 1).astype(np.float32)  # a copy: the caller's array must not change
    for size in steps(image.shape[:2], own_size(alpha)):
        small = image if size == image.shape[:2] else resize(image, size)
        alpha = resize(alpha, size) if alpha.shape != size else alpha
        refine_step(refine_tile, small, alpha, tile, f"refine at {size[1]} x {size[0]}" if progress else None)
    return alpha


def refine_step(
    refine_tile: RefineTile, image: np.ndarray, alpha: np.ndarray, tile: int, progress: str | None = None
) -> None:
    """One step: `alpha`, of the image's size, is modified in place, near pixels that are neither plainly 0 nor 1."""
    weight = tiles.near(alpha)
    refined = tiles.run(
        lambda *place: refine_tile(image[place], alpha[place]), alpha.shape, weight, tile, progress=progress
    )
    for row in range(0, len(alpha), ROWS):
        part = slice(row, row + ROWS)
        alpha[part] += np.float32(1 / 255) * weight[part] * (refined[part] - alpha[part])


def steps(size: tuple[int, int], coarse: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes of the steps: the first has two to four times the longer side of the coarse matte, then they double.

    >>> steps((960, 1280), (128, 128))
    [(240, 320), (480, 640), (960, 1280)]
    """
    sizes = [size]
    while max(sizes[0]) >= 4 * max(coarse) and min(sizes[0]) >= 64:
        sizes.insert(0, _half(sizes[0]))
    return sizes


def own_size(alpha: np.ndarray) -> tuple[int, int]:
    """The size that a matte was made at, as far as can be seen: halved as long as its edges do not change by that.

    A matte of 128 pixels that was upsampled to a thousand has no more details than it had, and is refined from there.
    """
    while min(alpha.shape) >= 64:
        half = resize(alpha, _half(alpha.shape))
        change = np.abs(resize(half, alpha.shape) - alpha)
        edges = (alpha > tiles.PLAIN) & (alpha < 1 - tiles.PLAIN) | (change > tiles.PLAIN)
        if edges.any() and change[edges].mean() > SHARP:
            break
        alpha = half
    return alpha.shape[0], alpha.shape[1]


def check(image: np.ndarray, alpha: np.ndarray) -> None:
    """Refuse what is not an image, uint8 (H, W, 3), and a matte, float (h, w)."""
    for name, array, kind, fits in (
        ("image", image, "uint8 (H, W, 3)", lambda x: x.dtype == np.uint8 and x.ndim == 3 and x.shape[2] == 3),
        ("alpha", alpha, "float (h, w) in [0, 1]", lambda x: x.dtype.kind == "f" and x.ndim == 2),
    ):
        if not isinstance(array, np.ndarray) or not array.size or not fits(array):
            found = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
            raise RimError(f"{name}: expected {kind}, found {found}", setting=name)
    if not np.isfinite(alpha).all():
        raise RimError("alpha: expected float (h, w) in [0, 1], found NaN or infinity", setting="alpha")


def _half(size: tuple[int, ...]) -> tuple[int, int]:
    return -(-size[0] // 2), -(-size[1] // 2)
