"""Sec. 5: the methods that CLIPMat is compared with, and CLIPMat itself, all behind one interface (`rival.Method`).

`clipseg` and `mdetr` are the paper's two, `grounded` is the pipeline that people use today (detector, segmenter,
trimap, matting), `clipseg+vitmatte` is CLIPSeg's mask sharpened by ViTMatte, and `clipmat` is ours.
"""

from importlib import import_module

from rimlib.errors import RimError

_HOMES = {  # name of a method: (module, class)
    "clipmat": ("rimlib.baselines.clipmat", "Ours"),
    "clipseg": ("rimlib.baselines.clipseg", "CLIPSeg"),
    "mdetr": ("rimlib.baselines.mdetr", "MDETR"),
    "grounded": ("rimlib.baselines.grounded", "Grounded"),
    "clipseg+vitmatte": ("rimlib.baselines.refined", "Refined"),
}
METHODS = tuple(_HOMES)
NAMES = METHODS[1:]  # of the rivals
TRAINABLE = ("clipseg", "mdetr")


def get(name: str, size: str = "paper", weights: str | None = None, **settings):
    """The method of this name, in evaluation mode on the CPU (`.to(device)` moves it); the rest as its `from_settings` takes it
    (`image_size` of those that are trained). Raises RimError.

    >>> get("clipsag")
    Traceback (most recent call last):
    rimlib.errors.RimError: unknown method 'clipsag': must be one of clipmat, clipseg, mdetr, grounded, clipseg+vitmatte
    """
    if name not in _HOMES:
        raise RimError(f"unknown method {name!r}: must be one of {', '.join(METHODS)}", setting="method")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute).from_settings(size, weights, **settings)
