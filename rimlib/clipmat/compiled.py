"""What makes a loop in Python quick on a CPU: machine code (Numba keeps it for the next time), and the threads that torch has.

The loops themselves are in `loops` and `winograd_loops`.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Thread

import numpy as np
import torch
from numba import njit


def compiled(function):
    """`function` as machine code that leaves Python's lock to other threads. Where there is no folder to keep the code in, each
    process makes it anew.

    Kept code is made anew when the file of `function` changes, not when that of a loop which it calls does: then, `make clean`.
    """
    options = {"nogil": True, "fastmath": {"contract"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that can be written to
        return njit(**options)(function)


def usable(x: torch.Tensor) -> bool:
    """Is `x` on a CPU, in float32, where no gradient and no other type is asked for?"""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def empty(*shape: int) -> torch.Tensor:
    """As `torch.empty`, float32: but NumPy asks the system for large pages, and large maps are had several times as quickly."""
    return torch.from_numpy(np.empty(shape, np.float32))


def share(work: Callable[[int, int], None], count: int) -> None:
    """`work(start, stop)` over 0..count, in as many threads as torch uses.

    These are torch's own threads where they can be had: they keep a core busy for a while after each of torch's operations, waiting
    for the next one, and threads of ours beside them would get half of it.
    """
    pieces = max(1, min(torch.get_num_threads(), count))
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    if pieces == 1:
        return work(0, count)
    numbers, errors = itertools.count(), []

    def one(_=None):
        try:
            number = next(numbers)
            if number < pieces:
                work(*bounds[number : number + 2])
        except BaseException as error:  # it would be lost on its way through the other library
            errors.append(error)

    if team := torch_team():
        team(_CALLED(one), None, pieces, 0)
        for _ in range(pieces):  # a team may come with fewer
            one()
    else:
        threads = [Thread(target=one) for _ in range(pieces - 1)]
        for thread in threads:
            thread.start()
        one()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


_CALLED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@lru_cache(maxsize=1)
def torch_team():
    """GNU OpenMP's call for "all threads of the team, do this", of the library that torch brings; None where it brings another."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            team = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        team.argtypes, team.restype = (_CALLED, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
        return team
    return None
