"""A foreground taken out of its image and composited over another, at any size in bounded memory.

An image is a F + (1 - a) B: where alpha a is between 0 and 1, its colours mix those of the foreground F and of the
background B. `colors` finds F. `matting.foreground` solves that for images of a megapixel; a larger one is solved at
that size, and its own pixels determine the rest: of all pairs (F, B) that give the image exactly, the one nearest to
the solution F₀, B₀ of the smaller image is

    F = F₀ + a r / (a² + (1 - a)²)     with the residual r = I - a F₀ - (1 - a) B₀.

The step works on each pixel alone, so it is done in strips that leave no seam. Tried with known foregrounds at 3
megapixels, it was as near to them as the solution at full size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rimlib.io import images
from rimlib.matting import composition, ellipse
from rimlib.matting import foreground as estimation
from rimlib.matting.adjust import LEAST
from rimlib.matting.boxes import visible_box
from rimlib.prediction.colours import color_of

PIXELS = 1_000_000  # of the image in which F₀ and B₀ are solved
STRIP = 64  # rows at a time; each float32 array of them is small
BESIDE = 8  # pixels, or a two hundredth of a longer image


def colors(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The foreground's own colours, uint8 (H, W, 3).

    Beside the edge, where alpha is 0, they go on for some pixels (`BESIDE`): a program that scales a cut-out averages
    the colours of neighbours, whatever their alpha, and black ones would become a dark line. Farther away it is black,
    so that a cut-out holds nothing else.

    image: uint8 (H, W, 3); alpha: float32 (H, W) in [0, 1].
    """
    visible = alpha >= LEAST
    result = np.where(visible[..., None], image, np.uint8(0))
    beside = ellipse.dilate(visible, 2 * max(BESIDE, max(alpha.shape) // 200) + 1)
    beside &= alpha < 1  # and what is mixed
    box = visible_box(beside)
    if box is None:
        return result  # all is solid, or nothing is there
    margin = max(estimation.MARGIN, max(side.stop - side.start for side in box) // 20)  # what is behind must be known
    rows, columns = (slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(box, alpha.shape))
    solved = _solve(image[rows, columns], alpha[rows, columns])  # two, uint8 (h, w, 3)
    for start in range(rows.start, rows.stop, STRIP):
        strip = slice(start, min(start + STRIP, rows.stop))
        a = alpha[strip, columns][..., None]  # (s, w, 1)
        foreground, background = (
            part[start - rows.start : strip.stop - rows.start].astype(np.float32) for part in solved
        )
        residual = image[strip, columns] - a * foreground - (1 - a) * background
        exact = np.rint(np.clip(foreground + a * residual / (a * a + (1 - a) ** 2), 0, 255)).astype(np.uint8)
        np.copyto(result[strip, columns], exact, where=beside[strip, columns][..., None])
    return result


def background(source: Any, size: tuple[int, int]) -> np.ndarray:
    """A background of `size` (height, width), uint8 (H, W, 3), read only.

    source: a colour, by name (see `colours`) or as three numbers of 0 to 255, or an image (see `rimlib.io.images`), of
    which the largest centred part of this shape is taken. Raises RimError.
    """
    if (color := color_of(source)) is not None:
        return np.broadcast_to(np.array(color, np.uint8), (*size, 3))
    return composition.fit_background(images.read_image(source), size)


def _solve(image: np.ndarray, alpha: np.ndarray) -> list[np.ndarray]:
    """F₀ and B₀, uint8 (h, w, 3), solved with at most `PIXELS` pixels; B₀ is the foreground of the inverted matte."""
    size = alpha.shape
    scale = min(1.0, (PIXELS / alpha.size) ** 0.5)
    small = tuple(max(2, round(length * scale)) for length in size)  # the solver halves an image; one pixel it cannot
    image = images.resize(np.ascontiguousarray(image), small)
    # Nowhere exactly 0 or 1: colours then go on beyond the edge, from where the enlarged image takes them.
    alpha = np.clip(images.resize(np.ascontiguousarray(alpha), small), 1e-3, 1 - 1e-3)
    return [images.resize(estimation.estimate(image, part, "ml"), size) for part in (alpha, 1 - alpha)]
