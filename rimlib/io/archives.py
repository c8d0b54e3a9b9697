"""Weights that others publish: safetensors, PyTorch's files of tensors, and TorchScript archives such as OpenAI's CLIP.

Nothing in a file is ever run. A pickle of tensors goes through PyTorch's own restricted reader (`weights_only`), which
makes tensors and plain containers and nothing else. A TorchScript archive is a zip of code and of a pickle that names
its tensors: the code is not loaded (`torch.jit.load` would), and that pickle may name storages and modules alone.
"""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from rimlib.errors import RimError
from rimlib.io.files import reason
from rimlib.io.weights import read_tensors

ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".tar")
WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which trainings put the weights
CONSTANTS = "/constants.pkl"  # what a TorchScript archive has and a file of tensors has not
PREFIX = "module."  # of what was trained on several devices
DEPTH = 32  # of modules in modules
STORAGES = {
    **{"HalfStorage": torch.float16, "FloatStorage": torch.float32, "DoubleStorage": torch.float64},
    **{"BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32},
    **{"ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool},
}


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, on the CPU, in the types that it has.

    Raises:
        RimError: it cannot be read, is none of the known forms, or holds anything else than weights.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        # Both kinds of PyTorch's files are zips today; that of TorchScript has constants besides.
        members = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
        root = next((name.removesuffix(CONSTANTS) for name in members if name.endswith(CONSTANTS)), None)
        if root is not None:
            return _read_torchscript(path, root)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from None
    except RimError:
        raise
    except Exception as error:  # a damaged or a hostile file fails in many ways
        first = (str(error).splitlines() or [""])[0][:80]
        what = "not a whole file of weights, or one that holds more than weights"
        raise RimError(f"{path}: {what} ({type(error).__name__}: {first})", path=path) from None
    for key in WRAPPERS:
        found = found[key] if isinstance(found, dict) and isinstance(found.get(key), dict) else found
    if not isinstance(found, dict) or not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise RimError(f"{path}: expected tensors by name, or them under {', '.join(WRAPPERS)}", path=path)
    return {str(name).removeprefix(PREFIX): value for name, value in found.items()}


class _Module:
    """A module of an archive: the attributes that its pickle gives it."""


class _Reader(pickle.Unpickler):
    """Reads the pickle of a TorchScript archive; any name beside those of tensors and modules is refused."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, root: str):
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self.path, self.archive, self.root = path, archive, root
        self.kind = type("Module", (_Module,), {})  # of this file alone: whatever a pickle does to it ends with it

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return self.kind
        known: dict[tuple[str, str], Any] = {
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch.jit._pickle", "restore_type_tag"): lambda value, _: value,
            **{("torch", storage): dtype for storage, dtype in STORAGES.items()},
            **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "tensor", "double", "bool")},
        }
        if (module, name) not in known:
            raise RimError(f"{self.path}: it names {module}.{name}, which weights do not need", path=self.path)
        return known[module, name]

    def persistent_load(self, pid: Any) -> tuple[torch.dtype, str]:
        _, dtype, key, *_ = pid
        return dtype, str(key)

    def _tensor(self, storage: tuple[torch.dtype, str], start: int, size: Any, stride: Any, *_: Any) -> torch.Tensor:
        dtype, key = storage
        data = bytearray(self.archive.read(f"{self.root}/data/{key}"))
        return torch.frombuffer(data, dtype=dtype).as_strided(tuple(size), tuple(stride), start).clone()


def _read_torchscript(path: Path, root: str) -> dict[str, torch.Tensor]:
    with zipfile.ZipFile(path) as archive:
        top = _Reader(path, archive, root).load()
    found: dict[str, torch.Tensor] = {}

    def collect(module: Any, prefix: str, depth: int) -> None:
        if depth > DEPTH:
            raise RimError(f"{path}: its modules lie more than {DEPTH} deep in each other", path=path)
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                found[prefix + name] = value
            elif isinstance(value, _Module):
                collect(value, f"{prefix}{name}.", depth + 1)

    collect(top, "", 0)
    return found
