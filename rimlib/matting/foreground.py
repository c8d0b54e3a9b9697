"""The colours of a foreground where its picture shows foreground and background mixed.

Paper: Sec. 3.1, "for each relationship, we generate the foregrounds by [17]": Levin, Lischinski and Weiss, A closed-form solution to
natural image matting, PAMI 2008, Sec. 7. With alpha a known, foreground F and background B of the picture I minimise

    Σ (a F + (1 - a) B - I)² + Σ |∇a| (|∇F|² + |∇B|²)

over pixels and channels: colours change slowly where alpha changes. The multi-level form (Germer et al., Fast multi-level foreground
estimation, ICPR 2020) solves nearly the same from coarse to fine, several times as fast. Both are pymatting's.
"""

from __future__ import annotations

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images

METHODS = ("cf", "ml")
MARGIN = 16  # pixels around what is visible that take part, so that the background beside it is known


def estimate(picture: np.ndarray, alpha: np.ndarray, method: str = "cf") -> np.ndarray:
    """The foreground's colours, of the picture's dtype: uint8, or float in [0, 1].

    Args:
        picture: uint8 or float (H, W, 3), a foreground over its background.
        alpha: float (H, W) in [0, 1].
        method: `cf` the closed form, as the paper; `ml` multi-level, for many or for large pictures.

    Where alpha is 1 the picture's own colours are kept; far from what is visible they are those of the picture too.

    Raises:
        RimError: an unknown method, another shape than the alpha's, or values out of range.
    """
    if method not in METHODS:
        raise RimError(f"foreground method {method!r}: must be {' or '.join(METHODS)}")
    picture, alpha = np.asarray(picture), images.read_matte(alpha)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.shape[:2] != alpha.shape:
        raise RimError(
            f"the picture has the shape {picture.shape} and its alpha {alpha.shape}; (H, W, 3) and (H, W) are expected"
        )
    if picture.dtype != np.uint8 and picture.dtype.kind != "f":
        raise RimError(f"the picture is of {picture.dtype}; uint8, or floats in [0, 1], are expected")
    whole = picture.astype(np.float64) / 255 if picture.dtype == np.uint8 else picture.astype(np.float64)
    if not np.isfinite(whole).all() or whole.min() < 0 or whole.max() > 1:
        raise RimError("the picture's floats must lie in [0, 1]")
    result = whole.copy()
    mixed = (alpha > 0) & (alpha < 1)
    if mixed.any():
        window = _around(mixed)
        result[window] = np.where(
            mixed[window][..., None], _solve(whole[window], alpha[window].astype(np.float64), method), whole[window]
        )
    return np.rint(result * 255).astype(np.uint8) if picture.dtype == np.uint8 else result.astype(picture.dtype)


def _solve(picture: np.ndarray, alpha: np.ndarray, method: str) -> np.ndarray:
    import pymatting

    solver = pymatting.estimate_foreground_cf if method == "cf" else pymatting.estimate_foreground_ml
    return np.clip(solver(np.ascontiguousarray(picture), np.ascontiguousarray(alpha)), 0, 1)


def _around(mixed: np.ndarray) -> tuple[slice, slice]:
    """The window that holds all mixed pixels and a margin: the rest can't change them, and costs time."""
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero(mixed.any(axis=axis))
        spans.append(slice(max(0, found[0] - MARGIN), min(mixed.shape[1 - axis], found[-1] + 1 + MARGIN)))
    return tuple(spans)
