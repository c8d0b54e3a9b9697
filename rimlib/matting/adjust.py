"""A matte changed by hand: its edge moved or feathered, other mattes taken out of it, and the window to crop to.

Mattes are float32 (H, W) in [0, 1]; each function returns a new one.
"""

from __future__ import annotations

import re

import cv2
import numpy as np

from rimlib.errors import RimError
from rimlib.matting import ellipse
from rimlib.matting.boxes import visible_box

FARTHEST = 500  # pixels that an edge may be moved or feathered
LEAST = 0.5 / 255  # an alpha below it is stored as 0
REMAINS = 0.02  # less than this share of a matte is the ragged line that two mattes of one thing leave of each other


def grow(alpha: np.ndarray, pixels: int) -> np.ndarray:
    """A matte whose edge is moved out, or in by a number below 0; the softness of its edge stays.

    Dilation or erosion by a disc of this radius. Where the image cuts the object off, its edge is not moved in.

    >>> alpha = np.array([[0, 0, 0, 0.5, 1, 1, 1]], np.float32)
    >>> grow(alpha, 1).tolist(), grow(alpha, -1).tolist()
    ([[0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0]])
    """
    if pixels >= 0:
        return ellipse.largest(alpha, 2 * pixels + 1)
    return 1 - ellipse.largest(1 - alpha, 1 - 2 * pixels)


def feather(alpha: np.ndarray, pixels: float) -> np.ndarray:
    """A matte whose edge is soft over about so many pixels to each side: blurred by a Gaussian of half that deviation.

    Beyond the image its border goes on, so that what the image cuts off stays solid.
    """
    if pixels <= 0:
        return np.array(alpha, np.float32)
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(alpha, np.float32), (0, 0), pixels / 2, borderType=cv2.BORDER_REPLICATE
    )
    return np.clip(blurred, 0, 1)


def without(alpha: np.ndarray, taken: np.ndarray) -> np.ndarray | None:
    """A matte less another; None where no more than a ragged line remains (`REMAINS`).

    The difference is right where the other is a part of the matte, as a leash is of a dog's; where two objects touch,
    it takes a little of the edge that they share.

    >>> alpha = np.array([[1, 1, 1, 0.5, 0]], np.float32)
    >>> without(alpha, np.array([[0, 0, 0.25, 0.5, 1]], np.float32)), without(alpha, alpha)
    (array([[1.  , 1.  , 0.75, 0.  , 0.  ]], dtype=float32), None)
    """
    rest = np.maximum(alpha - taken, 0)
    return None if rest.max() < LEAST or rest.sum() < REMAINS * alpha.sum() else rest


def window(alpha: np.ndarray, margin: int | float | str = 0) -> tuple[slice, slice]:
    """The rows and columns of what is visible of a matte, with a margin, as far as the image reaches.

    All of them for an empty matte. margin: see `margin_of`.

    >>> alpha = np.zeros((60, 80), np.float32); alpha[20:40, 30:70] = 1
    >>> window(alpha), window(alpha, "25%")
    ((slice(20, 40, None), slice(30, 70, None)), (slice(10, 50, None), slice(20, 80, None)))
    """
    box = visible_box(alpha, LEAST)
    if box is None:
        return slice(0, alpha.shape[0]), slice(0, alpha.shape[1])
    amount, is_share = margin_of(margin)
    longer = max(side.stop - side.start for side in box)
    pixels = round(amount / 100 * longer if is_share else amount)
    rows, columns = (slice(max(0, s.start - pixels), min(n, s.stop + pixels)) for s, n in zip(box, alpha.shape))
    return rows, columns


def margin_of(given: int | float | str) -> tuple[float, bool]:
    """A margin as a number, and whether that is per cent of the object's longer side; pixels if not.

    Raises RimError for what is neither, and for one below 0.

    >>> margin_of(12), margin_of("12px"), margin_of("5%"), margin_of(" 2.5 % ")
    ((12.0, False), (12.0, False), (5.0, True), (2.5, True))
    """
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d+)?)\s*(%|px)?\s*", str(given))
    if found is None or isinstance(given, bool):
        expected = "pixels such as 20, or per cent of the object's longer side such as 5%"
        raise RimError(f"crop: {str(given)!r} is no margin; expected {expected}", setting="crop")
    return float(found[1]), found[2] == "%"


def check_pixels(name: str, value: float, least: float) -> None:
    """Raises RimError, naming the setting, for a number of pixels that an edge cannot be moved or feathered by."""
    if not least <= value <= FARTHEST:  # NaN is refused too
        raise RimError(f"{name}: is {value:g}; {least:g} to {FARTHEST} pixels are possible", setting=name)
