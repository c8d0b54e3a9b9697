"""Weights as safetensors: the one place that reads, writes and checks them.

What the tensors are (a format, settings, a model card) is a JSON object in the file's own header, so that one file is
whole by itself; where people should read it, the same JSON stands beside the file too. No pickle is opened
here; what others publish in one is read by `archives`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rimlib.errors import RimError
from rimlib.io.files import kind_of_text, reason, write_atomically, write_json

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"  # the weights that come with the package
KEY = "rimlib"  # a safetensors header maps texts to texts: the JSON is the value of this one


def write(
    path: str | os.PathLike[str],
    tensors: Mapping[str, torch.Tensor],
    header: Mapping[str, Any] | None = None,
    half: bool = False,
    beside: bool = False,
) -> Path:
    """Write a safetensors file, whole or not at all.

    Args:
        path: where to; missing folders are made.
        tensors: by name, on any device; they are stored contiguous.
        header: plain values that JSON can hold.
        half: store float16, half the size; scalars, such as a temperature, keep their type.
        beside: write the header as PATH.json too, for people to read.

    Returns:
        The path.

    Raises:
        RimError: the file cannot be written, the header is no JSON, or a value is too large for float16.

    >>> import tempfile
    >>> path = write(Path(tempfile.mkdtemp()) / "w.safetensors", {"w": torch.ones(3)}, {"format": "note-1"})
    >>> read_header(path), read_shapes(path)
    ({'format': 'note-1'}, {'w': (3,)})
    """
    path = Path(path)
    try:
        metadata = None if header is None else {KEY: json.dumps(header)}
    except (TypeError, ValueError, RecursionError) as error:
        raise RimError(f"{path}: the model card cannot be stored as JSON ({error})", path=path) from None
    stored = {}
    for name, tensor in tensors.items():
        # A copy: safetensors takes neither other strides nor two tensors in one memory.
        tensor = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        stored[name] = tensor.half() if half and tensor.is_floating_point() and tensor.ndim else tensor
        if stored[name].dtype == torch.float16 and stored[name].isinf().any():
            raise RimError(
                f"{path}: {name} holds {tensor.abs().max():.4g}, more than float16 can; store it in full precision",
                path=path,
            )
    write_atomically(path, save(stored, metadata=metadata))
    if beside:
        write_json(path.with_suffix(".json"), header)
    return path


def read_header(path: str | os.PathLike[str], expected: str | None = None) -> dict[str, Any]:
    """The JSON object in the header of a safetensors file, {} where there is none.

    Args:
        path: of the file.
        expected: the header's "format"; a file of another format is refused.

    Raises:
        RimError: the file cannot be read, or is of another format.
    """
    with _opened(path) as file:
        text = (file.metadata() or {}).get(KEY, "{}")
    try:
        header = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        header = {}
    header = header if isinstance(header, dict) else {}
    if expected is not None and header.get("format") != expected:
        found = f"the format {header['format']!r}" if "format" in header else "no format"
        raise RimError(f"{path}: its header has {found}, expected {expected!r}", path=path)
    return header


def read_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor in a safetensors file. Raises RimError."""
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}


def read_tensors(
    path: str | os.PathLike[str], expected: Mapping[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, on the CPU.

    Args:
        path: of the file.
        expected: tensors, which may be on the meta device. The file must have exactly their names and shapes, and
            finite values; what comes back has their types. Without it everything is returned as it is stored.

    Raises:
        RimError: the file cannot be read, or holds something else; names the first tensor that does not fit.
    """
    if expected is None:
        with _opened(path) as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}
    _compare(path, read_shapes(path), expected)
    with _opened(path) as file:
        return {name: _as(tensor, file.get_tensor(name), path, name) for name, tensor in expected.items()}


def fit(
    path: str | os.PathLike[str], found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Tensors that were read from a file, in the types of the `expected` ones; else the errors of `read_tensors`."""
    _compare(path, {name: tuple(tensor.shape) for name, tensor in found.items()}, expected)
    return {name: _as(tensor, found[name], path, name) for name, tensor in expected.items()}


def _compare(
    path: str | os.PathLike[str], shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, torch.Tensor]
) -> None:
    if missing := sorted(set(expected) - set(shapes)):
        raise RimError(f"{path}: {len(missing)} tensors are missing, the first is {missing[0]}", path=path)
    if extra := sorted(set(shapes) - set(expected)):
        raise RimError(f"{path}: {len(extra)} tensors do not belong to this model, the first is {extra[0]}", path=path)
    for name, tensor in expected.items():
        if shapes[name] != tuple(tensor.shape):
            raise RimError(f"{path}: {name} has shape {shapes[name]}, the model has {tuple(tensor.shape)}", path=path)


def _as(expected: torch.Tensor, found: torch.Tensor, path: str | os.PathLike[str], name: str) -> torch.Tensor:
    """A tensor of a file in the expected type, in memory of its own: the file may be replaced while it is used."""
    if found.is_floating_point() != expected.is_floating_point():
        raise RimError(f"{path}: {name} is {found.dtype}, the model has {expected.dtype}", path=path)
    found = found.to(expected.dtype, copy=True)
    if found.is_floating_point() and not found.sum().isfinite():  # a sum is finite only where all values are
        raise RimError(f"{path}: {name} holds values that are not finite numbers", path=path)
    return found


def _opened(path: str | os.PathLike[str]) -> Any:
    """An open safetensors file, a context manager."""
    try:
        with open(path, "rb") as file:
            start = file.read(64)
        # A safetensors file starts with the length of its header, which may look like anything, and then a brace.
        if start[8:9] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):
            raise RimError(f"{path}: a pickle, not safetensors; pickles are never opened here", path=path)
        if what := kind_of_text(start):
            raise RimError(f"{path}: {what}, not safetensors", path=path)
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        what = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RimError(f"{path}: not a whole safetensors file ({what})", path=path) from None
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from None
