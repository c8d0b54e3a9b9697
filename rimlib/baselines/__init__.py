"""Sec. 5: the methods that CLIPMat is compared with, all behind one interface (`rival.Rival`).

`clipseg` and `mdetr` are the paper's two, `grounded` is the pipeline that people use today (detector, segmenter,
trimap, matting), `clipseg+vitmatte` is CLIPSeg's mask sharpened by ViTMatte.
"""

from importlib import import_module

from rimlib.errors import RimError

_HOMES = {  # name of a rival: (module, class)
    "clipseg": ("rimlib.baselines.clipseg", "CLIPSeg"),
    "mdetr": ("rimlib.baselines.mdetr", "MDETR"),
    "grounded": ("rimlib.baselines.grounded", "Grounded"),
    "clipseg+vitmatte": ("rimlib.baselines.refined", "Refined"),
}
NAMES = tuple(_HOMES)
TRAINABLE = ("clipseg", "mdetr")


def get(name: str, size: str = "paper", weights: str | None = None, **settings):
    """The rival of this name; the rest as its `from_settings` takes it (`image_size` of those that are trained). Raises RimError.

    >>> get("clipsag")
    Traceback (most recent call last):
    rimlib.errors.RimError: rival 'clipsag': no such method; there are clipseg, mdetr, grounded, clipseg+vitmatte
    """
    if name not in _HOMES:
        raise RimError(f"rival {name!r}: no such method; there are {', '.join(NAMES)}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute).from_settings(size, weights, **settings)
