"""The device that torch computes on."""

import functools
import os

import torch

from rimlib.errors import RimError


@functools.cache
def use_one_thread_after_fork() -> None:
    """A forked process has none of the threads that torch's OpenMP would wait for: there torch uses one alone."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The named device, or the best one here: CUDA, Apple's MPS, the CPU. Raises RimError for one that is not here."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise RimError(
            f"device {str(name)!r} cannot be used here ({why}); leave it out for the best one", setting="device"
        ) from None
    return device
