"""What a training run is made of between its steps: averaged weights, and a state to go on from.

A run is saved every minute or so as one safetensors file, so that an interrupted one goes on with the time that it had
left, and ends where it would have ended. Nothing is ever unpickled.
"""

import hashlib
import json
from pathlib import Path

import torch

from rimlib.errors import RimError
from rimlib.io.files import write_atomically


class Average:
    """An exponential moving average of a module's weights and running statistics.

    module: the module that trains; decay: of the average. It begins lower, (1 + n) / (10 + n) after n updates, so that
    a short run is not an average with its random beginning.
    """

    def __init__(self, module: torch.nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self._live = module.state_dict()  # views of the module's tensors: they follow its training
        self.tensors = {name: value.clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        floats = [name for name, value in self.tensors.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.tensors[name] for name in floats], [self._live[name] for name in floats], 1 - decay)
        for name in self.tensors.keys() - set(floats):
            self.tensors[name].copy_(self._live[name])

    @torch.no_grad()
    def copy_to(self, module: torch.nn.Module) -> None:
        """Give a module of the same shape the averaged weights."""
        module.load_state_dict(self.tensors)

    @torch.no_grad()
    def repair(self) -> None:
        """Set the module's running statistics back to their average: a non-finite forward pass has spoilt them."""
        for name, value in self._live.items():
            if name.rsplit(".", 1)[-1] in ("running_mean", "running_var") and not torch.isfinite(value).all():
                value.copy_(self.tensors[name])


def settings_key(*values) -> str:
    """A short hash of settings (plain values): two runs with the same key may continue each other."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def save(path, module, average: Average, optimizer, progress: dict) -> None:
    """Store all that a run needs to go on, in one safetensors file, whole or not at all.

    progress: plain values (step, seconds, key, log …), kept as JSON in the file's header. Raises RimError.
    """
    from safetensors.torch import save as to_bytes

    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.tensors.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    tensors["random"] = torch.get_rng_state()  # dropout goes on where it was
    header = {"progress": json.dumps({**progress, "updates": average.updates})}
    write_atomically(path, to_bytes(tensors, metadata=header))


def load(path, key: str) -> tuple[dict, dict] | None:
    """Read what `save` stored: (tensors, progress); None where there is no such file.

    Raises RimError where the file is broken, or was made with other settings than `key` stands for.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            progress = json.loads((file.metadata() or {})["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise RimError(
            f"{path}: not a state that a run can go on from ({error}); delete it, or start afresh with --fresh"
        ) from None
    if progress.get("key") != key:
        raise RimError(
            f"{path}: left by a run with other settings or other data (profile {progress.get('profile')!r}); "
            "use the same ones, another --out folder, or --fresh to begin anew"
        )
    return tensors, progress


def restore(tensors: dict, progress: dict, module, average: Average, optimizer) -> None:
    """Put a loaded state back into a module, its average and its optimizer."""
    part = lambda prefix: {
        name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)
    }
    torch.set_rng_state(tensors["random"])
    module.load_state_dict(part("model."))
    for name, value in part("average.").items():
        average.tensors[name].copy_(value)
    average.updates = progress["updates"]
    whole = optimizer.state_dict()
    whole["state"] = {}
    for name, value in part("optimizer.").items():
        index, slot = name.split(".", 1)
        whole["state"].setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict(whole)
    for parameter, state in optimizer.state.items():
        for slot, value in state.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                # The fused step runs through memory without asking for strides, and files keep no channels-last.
                state[slot] = torch.empty_like(parameter).copy_(value)
