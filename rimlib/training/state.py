"""EMA weights, and the state that an interrupted run resumes from.

A run is saved every minute or so, so that it ends where it would have ended. The file is torch's own, read with
`weights_only`: it can hold numbers and tensors, and no code.
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from timm.utils.model_ema import ModelEmaV3

from rimlib.errors import RimError
from rimlib.io.files import write_atomically


class EMA(ModelEmaV3):
    """timm's exponential moving average of weights and running statistics: `module` has them, `update` follows `model`.

    The decay begins lower, (1 + n) / (10 + n) after n updates: a short run is no average with its random beginning.
    """

    def get_decay(self, step: int | None = None) -> float:
        """The decay of the update that follows `step` others."""
        return min(self.decay, (1 + (step or 0)) / (10 + (step or 0)))

    @torch.no_grad()
    def repair(self, model: torch.nn.Module) -> None:
        """Set the model's running statistics back to their average where a non-finite forward pass has spoilt them."""
        for value, average in zip(model.buffers(), self.module.buffers()):
            if not torch.isfinite(value).all():
                value.copy_(average)


def settings_key(*values: Any) -> str:
    """A short hash of settings (plain values): two runs with the same key may continue each other."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def save(path: Path, parts: dict[str, Any], progress: dict[str, Any], device: torch.device) -> None:
    """Store all that a run needs to resume, whole or not at all. Raises RimError.

    `parts` have a state_dict each: the model, its average, the optimizer; `progress` are plain values: step, key, log …
    The random numbers are the CPU's and those of `device`.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"progress": progress, "random": {"cpu": torch.get_rng_state()}}
    if device.type != "cpu":
        state["random"][device.type] = torch.get_device_module(device).get_rng_state()
    write_atomically(path, lambda stream: torch.save(state, stream))


def load(path: Path, key: str) -> dict[str, Any] | None:
    """Read what `save` stored; None where there is no such file.

    Raises:
        RimError: the file is broken, or was made with other settings than `key` stands for.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        progress = state["progress"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, TypeError) as error:
        why = str(error).splitlines()[0][:120]
        raise RimError(f"{path}: not a state to resume from ({why}); delete it, or give --fresh", path=path) from None
    if progress.get("key") != key:
        raise RimError(
            f"{path}: left by a run with other settings or other data (profile {progress.get('profile')!r}); "
            "use the same ones, another --out folder, or --fresh to begin anew",
            path=path,
        )
    return state


def restore(state: dict[str, Any], parts: dict[str, Any]) -> None:
    """Put a loaded state back into the parts that `save` was given, and the random numbers where they were."""
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"]["cpu"])
    for name, value in state["random"].items():
        if name != "cpu" and torch.get_device_module(name).is_available():
            torch.get_device_module(name).set_rng_state(value)
