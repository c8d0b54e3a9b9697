"""The device that torch computes on."""

import torch

from rimlib.errors import RimError


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
