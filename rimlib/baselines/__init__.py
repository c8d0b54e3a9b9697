"""Sec. 5: the methods that CLIPMat is compared with, and CLIPMat itself, behind one interface (`baseline.Method`).

`clipseg` and `mdetr` are the paper's two, `grounded` is the pipeline in common use today (detector, segmenter, trimap,
matting), `sam3` the same with detector and segmenter in one, `clipseg+vitmatte` is CLIPSeg's mask refined by ViTMatte,
and `clipmat` is the paper's own.
"""

from importlib import import_module
from typing import Any

from rimlib.errors import RimError, nearest

_HOMES = {  # name of a method: (module, class)
    "clipmat": ("rimlib.baselines.clipmat", "CLIPMatMethod"),
    "clipseg": ("rimlib.baselines.clipseg", "CLIPSeg"),
    "mdetr": ("rimlib.baselines.mdetr", "MDETR"),
    "grounded": ("rimlib.baselines.grounded", "Grounded"),
    "sam3": ("rimlib.baselines.sam3", "Sam3Matting"),
    "clipseg+vitmatte": ("rimlib.baselines.refined", "Refined"),
}
METHODS = tuple(_HOMES)
NAMES = METHODS[1:]  # of the baselines
TRAINABLE = ("clipseg", "mdetr")


def get(name: str, size: str = "paper", weights: str | None = None, **settings: Any) -> Any:
    """A method by its name, in evaluation mode on the CPU (`.to(device)` moves it).

    Args:
        name: of `METHODS`.
        size: "tiny" or "paper".
        weights: as the class's `from_settings` takes them.
        settings: the others of `from_settings` (`image_size` of those that are trained).

    Raises:
        RimError: no such method, size or weights.

    >>> get("clipsag")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    rimlib.errors.RimError: method 'clipsag' (did you mean clipseg?): must be one of ...
    """
    if name not in _HOMES:
        hint = nearest(name, METHODS)
        raise RimError(f"method {name!r}{hint}: must be one of {', '.join(METHODS)}", setting="method")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute).from_settings(size, weights, **settings)
