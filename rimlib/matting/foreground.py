"""The colours of a foreground where its image shows foreground and background mixed.

Paper: Sec. 3.1, "for each relationship, we generate the foregrounds by [17]": Levin, Lischinski and Weiss, A
closed-form solution to natural image matting, PAMI 2008, Sec. 7. With alpha a known, foreground F and background B of
the image I minimise

    Σ (a F + (1 - a) B - I)² + Σ |∇a| (|∇F|² + |∇B|²)

over pixels and channels: colours change slowly where alpha changes. The multi-level form (Germer et al., Fast
multi-level foreground estimation, ICPR 2020) solves nearly the same from coarse to fine, several times as fast. Both
are pymatting's.
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any

import numpy as np

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.matting.boxes import visible_box

METHODS = ("cf", "ml")
_LOCK = threading.Lock()
_process: int | None = None  # whose threads Numba uses
_compiled: tempfile.TemporaryDirectory | None = None  # removed at the end of the process
MARGIN = (
    16  # pixels around the mixed ones that take part, so that the background beside them is known; more change nothing
)


def estimate(image: np.ndarray, alpha: np.ndarray, method: str = "cf") -> np.ndarray:
    """The foreground's colours, of the image's dtype: uint8, or float in [0, 1].

    Where alpha is 1 the image's own colours are kept; far from what is visible they are those of the image too.

    Args:
        image: uint8 or float (H, W, 3), a foreground over its background.
        alpha: float (H, W) in [0, 1].
        method: `cf` the closed form, as the paper; `ml` multi-level, for many or for large images.

    Raises:
        RimError: an unknown method, another shape than the alpha's, or values out of range.
    """
    if method not in METHODS:
        raise RimError(f"foreground method {method!r}: must be {' or '.join(METHODS)}", setting="method")
    image, alpha = np.asarray(image), images.read_matte(alpha)
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[:2] != alpha.shape:
        shapes = f"the image has the shape {image.shape} and its alpha {alpha.shape}"
        raise RimError(f"{shapes}; (H, W, 3) and (H, W) are expected", setting="image")
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise RimError(f"the image is of {image.dtype}; uint8, or floats in [0, 1], are expected", setting="image")
    whole = image.astype(np.float64) / 255 if image.dtype == np.uint8 else image.astype(np.float64)
    if not np.isfinite(whole).all() or whole.min() < 0 or whole.max() > 1:
        raise RimError("the image's floats must lie in [0, 1]", setting="image")
    result = whole.copy()
    mixed = (alpha > 0) & (alpha < 1)
    window = visible_box(mixed, margin=MARGIN)
    if window is not None:
        solved = _solve(whole[window], alpha[window].astype(np.float64), method)
        result[window] = np.where(mixed[window][..., None], solved, whole[window])
    return np.rint(result * 255).astype(np.uint8) if image.dtype == np.uint8 else result.astype(image.dtype)


def _imported() -> Any:
    """The package pymatting, also where no folder for Numba's compiled functions can be written to."""
    global _compiled
    try:
        import pymatting
    except RuntimeError:
        import numba

        _compiled = tempfile.TemporaryDirectory(prefix="rimlib-numba-")
        numba.config.CACHE_DIR = _compiled.name  # type: ignore[attr-defined]  # numba sets its own by name
        import pymatting
    return pymatting


def _solve(image: np.ndarray, alpha: np.ndarray, method: str) -> np.ndarray:
    global _process
    pymatting = _imported()
    _process = _process or os.getpid()
    if _process != os.getpid():  # Numba would end the process
        raise RimError("a process that was forked after the first cut-out cannot make another; start it with 'spawn'")

    solver = pymatting.estimate_foreground_cf if method == "cf" else pymatting.estimate_foreground_ml
    with _LOCK:  # Numba's threads, where it has neither OpenMP nor TBB, end the process when two calls share them
        return np.clip(solver(np.ascontiguousarray(image), np.ascontiguousarray(alpha)), 0, 1)
