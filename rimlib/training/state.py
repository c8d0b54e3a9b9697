"""EMA weights, and the state that an interrupted run resumes from.

A run is saved now and then, so that it ends where it would have ended. The file is torch's own, read with
`weights_only`: it can hold numbers and tensors, and no code. Random numbers follow from a step's number, so that none
are stored.
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
from rimlib.training.record import difference

FORMAT = "rimlib-run-2"


class EMA(ModelEmaV3):
    """timm's exponential moving average of weights and running statistics: `module` has them, `update` follows `model`.

    The decay begins lower, (1 + n) / (10 + n) after n updates: a short run is no average with its random beginning.
    """

    def get_decay(self, step: int | None = None) -> float:
        """The decay of the update that follows `step` others."""
        return min(self.decay, (1 + (step or 0)) / (10 + (step or 0)))


def settings_key(*values: Any) -> str:
    """A short hash of settings (plain values): two runs with the same key may continue each other."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def save(path: Path, parts: dict[str, Any], progress: dict[str, Any]) -> None:
    """Store all that a run needs to resume, whole or not at all. Raises RimError.

    `parts` have a state_dict each: the model, its average, the optimizer; `progress` are plain values: what the run is,
    how far it is, its log.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"progress": progress, "format": FORMAT}
    write_atomically(path, lambda stream: torch.save(state, stream))


def load(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read what `save` stored; None where there is no such file.

    Raises:
        RimError: the file is broken, or was left by a run of another `identity`; names the first difference.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found, version = state["progress"]["identity"], state["format"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, TypeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RimError(f"{path}: not a state to resume from ({why}); delete it, or give --fresh", path=path) from None
    if version != FORMAT:
        raise RimError(f"{path}: the state of another version ({version}); give --fresh to begin anew", path=path)
    changed = difference(found, json.loads(json.dumps(identity, default=str)))
    if changed is not None:
        name, there, here = changed
        raise RimError(
            f"{path}: left by a run of other settings or other data: {name} is {there!r} there and {here!r} here; "
            "use the same, another --out folder, or --fresh to begin anew",
            path=path,
            setting=name,
        )
    return state


def restore(state: dict[str, Any], parts: dict[str, Any]) -> None:
    """Put a loaded state back into the parts that `save` was given."""
    for name, part in parts.items():
        part.load_state_dict(state[name])
