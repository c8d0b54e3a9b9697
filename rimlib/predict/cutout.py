"""Lifting a thing out of its picture and laying it on another, at any size in bounded memory.

A picture is a F + (1 - a) B: where alpha a is between 0 and 1, its colours are those of the foreground F and of what was behind it,
B. `colors` finds F. `entities.foreground` solves that for pictures of a megapixel; a larger one is solved small, and its own pixels
then say the rest: of all pairs (F, B) that give the picture exactly, the one nearest to the small solution is

    F = F₀ + a r / (a² + (1 - a)²)     with r = I - a F₀ - (1 - a) B₀, what the small solution leaves over.

Each pixel stands for itself in this step, so it is done in strips and can leave no seam. Tried with known foregrounds at 3 megapixels,
it was as near to them as the solution at full size.
"""

from __future__ import annotations

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.matting import composition, foreground

PIXELS = 1_000_000  # of the picture in which F₀ and B₀ are solved
STRIP = 64  # rows at a time; each float32 array of them is small
LEAST = 0.5 / 255  # an alpha below it is stored as 0


def colors(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The foreground's own colours, uint8 (H, W, 3); black where nothing is seen, so that a cut-out holds nothing else of its picture.

    picture: uint8 (H, W, 3); alpha: float32 (H, W) in [0, 1].
    """
    import cv2

    result = np.where((alpha >= LEAST)[..., None], picture, np.uint8(0))
    left, top, width, height = cv2.boundingRect(((alpha >= LEAST) & (alpha < 1)).view(np.uint8))
    if not width:
        return result  # nothing is mixed
    margin = max(foreground.MARGIN, max(width, height) // 20)  # what is beside it must be known
    rows = slice(max(0, top - margin), min(alpha.shape[0], top + height + margin))
    columns = slice(max(0, left - margin), min(alpha.shape[1], left + width + margin))
    solved = _solve(picture[rows, columns], alpha[rows, columns])  # two, uint8 (h, w, 3)
    for start in range(rows.start, rows.stop, STRIP):
        strip = slice(start, min(start + STRIP, rows.stop))
        a = alpha[strip, columns][..., None]  # (s, w, 1)
        near, behind = (part[start - rows.start : strip.stop - rows.start].astype(np.float32) for part in solved)
        left_over = picture[strip, columns] - a * near - (1 - a) * behind
        found = np.rint(np.clip(near + a * left_over / (a * a + (1 - a) ** 2), 0, 255)).astype(np.uint8)
        np.copyto(result[strip, columns], found, where=(a >= LEAST) & (a < 1))
    return result


def background(source, size: tuple[int, int]) -> np.ndarray:
    """A background of `size` (height, width), uint8 (H, W, 3), read only.

    source: a colour, by name (`"white"`, `"#2a6f97"`) or as three numbers of 0 to 255, or a picture (see `rimlib.io.images`), of which the
    largest centred part of this shape is taken. Raises RimError.
    """
    if (color := color_of(source)) is not None:
        return np.broadcast_to(np.array(color, np.uint8), (*size, 3))
    return composition.fit_background(images.read_image(source), size)


def color_of(source) -> tuple[int, int, int] | None:
    """The colour that `source` names, or None where it is no colour. Raises RimError for numbers that are none.

    >>> color_of("white"), color_of([42, 111, 151]), color_of("beach.jpg")
    ((255, 255, 255), (42, 111, 151), None)
    """
    if isinstance(source, str):
        from PIL import ImageColor

        try:
            return ImageColor.getrgb(source.strip())[:3]
        except ValueError:
            return None
    if not isinstance(source, (tuple, list)):
        return None
    if len(source) != 3 or not all(isinstance(value, (int, np.integer)) and 0 <= value <= 255 for value in source):
        raise RimError(f"background {tuple(source)}: a colour is three whole numbers of 0 to 255")
    return tuple(int(value) for value in source)


def _solve(picture: np.ndarray, alpha: np.ndarray) -> list[np.ndarray]:
    """F₀ and B₀, uint8 (h, w, 3), solved with at most `PIXELS` pixels. The background is the foreground of the matte turned round."""
    size = alpha.shape
    scale = min(1.0, (PIXELS / alpha.size) ** 0.5)
    small = tuple(max(2, round(length * scale)) for length in size)  # the solver halves a picture; one pixel it cannot
    picture = images.resize(np.ascontiguousarray(picture), small)
    # Nowhere wholly 0 or 1: colours then go on beyond the edge, from where the enlarged picture takes them.
    alpha = np.clip(images.resize(np.ascontiguousarray(alpha), small), 1e-3, 1 - 1e-3)
    return [images.resize(foreground.estimate(picture, part, "ml"), size) for part in (alpha, 1 - alpha)]
