"""Referring image matting: one image and one sentence go in, one matte comes out.

>>> import rimlib
>>> alpha = rimlib.matte("street.jpg", "the brown dog")   # doctest: +SKIP

`import rimlib` loads nothing heavy: each name below is fetched from its module when it is first used.
"""

import os
from importlib import import_module
from typing import Any

from rimlib.errors import RimError

__version__ = "0.1.0"


def _let_waiting_threads_sleep() -> None:
    """Set how torch's OpenMP threads wait, which they read when torch is imported; a user's own setting stays.

    By default they spin: beside one other busy process on two cores a training step took four times as long as with
    threads that sleep. GNU's sleep at once, which makes a step on a quiet machine some per cent slower, unless
    they spin a thousand turns before. Here, because all that starts torch imports rimlib first, and what it starts
    inherits it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if os.environ["OMP_WAIT_POLICY"].lower() == "passive":
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


_let_waiting_threads_sleep()

_HOMES = {  # name of the package: (module, name there)
    "matte": ("rimlib.prediction.functions", "matte"),
    "predict": ("rimlib.prediction.functions", "predict"),
    "cut_out": ("rimlib.prediction.functions", "cut_out"),
    "MattingPredictor": ("rimlib.prediction.predictor", "MattingPredictor"),
    "CLIPMat": ("rimlib.clipmat.model", "CLIPMat"),
    "RefMatte": ("rimlib.refmatte.dataset", "RefMatte"),
    "load_profile": ("rimlib.profile", "load"),
    "read_image": ("rimlib.io.images", "read_image"),
    "read_cutout": ("rimlib.io.images", "read_cutout"),
    "read_matte": ("rimlib.io.images", "read_matte"),
    "write_image": ("rimlib.io.images", "write_image"),
    "write_matte": ("rimlib.io.images", "write_matte"),
    "write_cutout": ("rimlib.io.images", "write_cutout"),
}

__all__ = ["RimError", "__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rimlib' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
