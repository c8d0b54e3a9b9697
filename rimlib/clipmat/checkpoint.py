"""Trained weights as safetensors, with a JSON beside them for people to read.

The profile and the model card are in the safetensors file's own header too, so that one file is whole by itself and an
interruption between the two cannot leave weights with another run's settings. Nothing is ever unpickled. A folder or a
name on the hub is the business of `hub`, which keeps this same file there.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from rimlib.errors import RimError
from rimlib.io.files import write_atomically, write_json

FORMAT = "rimlib-clipmat-1"


def save(model, path: str | Path, half: bool = False, **card) -> Path:
    """Write a CLIPMat to `path`: a folder (then `clipmat.safetensors` in it) or a name that ends in .safetensors.

    `half`: store float16, half the size; reading gives float32 again, off by the rounding.
    `card`: what the model card should say (data, seconds, metrics, licence, …), anything that JSON can hold.
    Raises RimError when the file cannot be written, or a weight is too large for float16. Returns the path of the weights.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        path = path / "clipmat.safetensors"
    write_json(path.with_suffix(".json"), write(model, path, half, card))
    return path


def write(model, path: Path, half: bool, card: dict) -> dict:
    """The weights file alone. Returns what its header says: format, profile, card."""
    if model.profile is None:
        raise RimError(
            f"{path}: the model has no profile, so nothing could build it again; make it by "
            "CLIPMat.from_profile, or set its `profile`"
        )
    about = {"format": FORMAT, "profile": model.profile.to_dict(), "card": card}
    try:
        text = json.dumps(about)
    except (TypeError, ValueError) as error:
        raise RimError(f"{path}: the model card cannot be written as JSON ({error})") from None
    tensors = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: _halved(tensor, f"{path}: {name}") for name, tensor in tensors.items()}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_atomically(path, to_bytes(tensors, metadata={"rimlib": text}))
    return about


def load(path: str | Path, profile=None):
    """The CLIPMat of a file that `save` wrote, in float32 and in evaluation mode on the CPU; its `card` is the file's.

    With `profile`, a checkpoint whose model settings are others is refused. Raises RimError, one line that names the
    file, for anything that is not a whole checkpoint of this model.
    """
    from rimlib.clipmat.backbone import create_clip
    from rimlib.clipmat.model import CLIPMat
    from rimlib.profile import Profile

    path = find(path)
    about = read_about(path)
    try:
        stored = Profile.from_dict(about["profile"], str(path))
    except RimError:
        # The weights need the model's settings only; how another version trained must not keep them from being read.
        stored = Profile.from_dict(
            {key: about["profile"][key] for key in ("name", "seed", "model") if key in about["profile"]}, str(path)
        )
    if profile is not None and profile.model != stored.model:
        ours, theirs = profile.to_dict()["model"], stored.to_dict()["model"]
        other = [f"{name} is {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name]]
        raise RimError(f"{path}: a checkpoint of another model (profile {stored.name}): {'; '.join(other)}")
    try:
        # Without memory or random numbers: what the file holds is compared with what its settings ask for before any is taken.
        with torch.device("meta"):
            model = CLIPMat(stored.model, *create_clip(stored.model, "random"))
    except (RimError, RuntimeError) as error:  # sizes that do not fit each other, or that no tensor can have
        raise RimError(f"{path}: its settings build no model ({str(error).splitlines()[0][:200]})") from None
    model.load_state_dict(read_tensors(path, model.state_dict()), assign=True)
    model.profile, model.card = stored, about.get("card") or {}
    return model.to(memory_format=torch.channels_last).eval()


def find(path: str | Path) -> Path:
    """The weights file of a checkpoint named by its folder or by itself."""
    path = Path(path)
    if path.is_dir():
        kept = [path / "clipmat.safetensors", path / "model.safetensors"]  # of `save`, of `save_pretrained`
        path = next((file for file in kept if file.exists()), kept[0])
    if not path.exists():
        raise RimError(f"{path}: no such checkpoint")
    return path


def read_about(path: Path) -> dict:
    """Format, profile and card of a CLIPMat checkpoint, from its header."""
    with open_safetensors(path) as file:
        text = (file.metadata() or {}).get("rimlib")
    try:
        about = json.loads(text) if text else {}
    except (json.JSONDecodeError, RecursionError):
        about = {}
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("profile"), dict):
        raise RimError(f"{path}: not a CLIPMat checkpoint (its header does not say {FORMAT})")
    return about


def read_tensors(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, which must have exactly the names and shapes of `expected`, and finite values.

    Half-precision files are accepted; the tensors come back in the types of `expected`, on the CPU. `expected` may be on
    the meta device: only its names, shapes and types are read.
    """
    shapes = read_shapes(path)
    if missing := sorted(set(expected) - set(shapes)):
        raise RimError(f"{path}: {len(missing)} tensors are missing, the first is {missing[0]}")
    if extra := sorted(set(shapes) - set(expected)):
        raise RimError(f"{path}: {len(extra)} tensors do not belong to this model, the first is {extra[0]}")
    for name, tensor in expected.items():
        if shapes[name] != tuple(tensor.shape):
            raise RimError(f"{path}: {name} has shape {shapes[name]}, the model has {tuple(tensor.shape)}")
    with open_safetensors(path) as file:
        return {name: _as(tensor, file.get_tensor(name), f"{path}: {name}") for name, tensor in expected.items()}


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor in a safetensors file."""
    with open_safetensors(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


def open_safetensors(path: Path):
    """An open safetensors file; RimError for one that is cut off, or is something else under that name."""
    try:
        with open(path, "rb") as file:
            start = file.read(9)
        # A safetensors file starts with the length of its header, which may look like anything, and then a brace.
        if start[8:9] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):
            raise RimError(f"{path}: a pickle, not safetensors; pickles are never opened here")
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise RimError(f"{path}: not a whole safetensors file ({str(error).splitlines()[0][:120]})") from None


def _as(expected: torch.Tensor, found: torch.Tensor, where: str) -> torch.Tensor:
    """A tensor of a file in the type of the model's, in memory of its own: the file may be replaced while it is used."""
    if found.is_floating_point() != expected.is_floating_point():
        raise RimError(f"{where} is {found.dtype}, the model has {expected.dtype}")
    found = found.to(expected.dtype, copy=True)
    # One sum tells: it is finite only where all values are.
    if found.is_floating_point() and not found.sum().isfinite():
        raise RimError(f"{where} holds values that are not finite numbers")
    return found


def _halved(tensor: torch.Tensor, where: str) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    small = tensor.half()
    if small.isinf().any():
        raise RimError(
            f"{where} holds {tensor.abs().max():.4g}, more than float16 can; store it without half precision"
        )
    return small
