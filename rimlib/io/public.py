"""Public models of the Hugging Face hub: whether they are on this machine, whole, and how they are fetched.

Only safetensors and plain settings are fetched or read: a pickle runs code when it is opened. What is here is taken
without asking the hub for anything, so that everything works offline once it was fetched.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rimlib.errors import RimError

WANTED = ("*.json", "model*.safetensors", "vocab.txt", "merges.txt", "LICENSE*", "README.md")
PICKLES = frozenset((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"))
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True)
class Part:
    """One public model.

    Attributes:
        repository: OWNER/NAME on the hub.
        role: what it is for, a noun.
        kinds: what its config.json may have as `model_type`; the first is its own name.
        megabytes: of what is fetched, 10^6 bytes each, about.
        licence: of the weights, as the repository states it.
        note: what else is to be known before they are used.
        gated: its owners give access on request.
        revisions: where to look for safetensors, in this order.
    """

    repository: str
    role: str
    kinds: tuple[str, ...]
    megabytes: int
    licence: str
    note: str = ""
    gated: bool = False
    revisions: tuple[str, ...] = ("main",)

    @property
    def name(self) -> str:
        """The repository's, without its owner: also the folder that `fetch` makes."""
        return self.repository.partition("/")[2]


class NotHere(RimError):
    """The weights of a part are not on this machine."""


def find(part: Part, weights: str | Path | None = None) -> Path:
    """The folder of a part that is on this machine.

    Args:
        part: which.
        weights: the part's folder, or one that holds it under any name; None for the hub's cache.

    Raises:
        NotHere: there is none.
        RimError: there is one that is not whole, is of another model, or holds only a pickle; or no such folder.
    """
    if weights is None:
        for revision in part.revisions:
            folder = _cached(part, revision)
            if folder is not None and (_names_of_weights(folder) or revision == part.revisions[-1]):
                return check(folder, part)
        raise NotHere(f"{part.repository}: not on this machine", path=part.repository)
    root = Path(weights)
    if not root.is_dir():
        what = "a file, expected a folder" if root.exists() else "no such folder"
        raise RimError(f"{weights}: {what} of weights that `rim download` made", path=weights)
    inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    kinds = {folder: kind_of(folder) for folder in (root, *inside)}
    for folder, kind in kinds.items():
        if kind in part.kinds:
            return check(folder, part)
    there = sorted({kind for kind in kinds.values() if kind})
    found = f"weights of {', '.join(there)}" if there else "no config.json, in it or in a folder of it"
    raise NotHere(f"{weights}: found {found}; expected {part.kinds[0]} ({part.repository})", path=weights)


def kind_of(folder: Path) -> str:
    """The `model_type` of a folder's config.json; empty where it has none."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(settings.get("model_type", "")) if isinstance(settings, dict) else ""


def check(folder: Path, part: Part) -> Path:
    """The folder, if it holds the part, whole. Raises RimError."""
    from rimlib.io.weights import read_shapes  # torch, which a list of methods does not need

    kind = kind_of(folder)
    if kind not in part.kinds:
        found = f"weights of {kind}" if kind else "no config.json that can be read"
        raise RimError(f"{folder}: {found}; expected {part.kinds[0]} ({part.repository})", path=folder)
    names = _names_of_weights(folder)
    missing = [name for name in names or [WHOLE] if not (folder / name).is_file()]
    if missing and (pickles := sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)):
        message = f"{folder}: holds a pickle ({pickles[0]}), which is never opened here; expected {missing[0]}"
        raise RimError(message, path=folder)
    if missing:
        message = f"{folder}: only half downloaded, {missing[0]} is missing; run `rim download` again"
        raise RimError(message, path=folder)
    for name in names:
        read_shapes(folder / name)  # refuses what is no whole safetensors file
    return folder


def fetch(part: Part, to: str | Path | None, instead: str) -> Path:
    """Fetch a part from the hub: its folder. One that is here and whole stays as it is.

    Args:
        part: which.
        to: a folder, in which the part gets one of its own; None for the hub's cache.
        instead: what the error advises where there is no network.

    Raises:
        RimError: it cannot be had, is not whole, or there is no room. What was fetched so far is kept under another
            name, and the next call goes on from there; no folder of the part is ever half there.
    """
    target = None if to is None else Path(to) / part.name
    try:
        return check(target, part) if target is not None and target.exists() else find(part, to)
    except RimError as error:
        if target is not None and target.exists():
            raise RimError(f"{error}; remove {target} and run this again", path=target) from None
    _check_room(part, target or cache_folder())
    for revision in part.revisions:
        folder = _snapshot(part, revision, target, instead)
        if _names_of_weights(folder) or revision == part.revisions[-1]:
            break
    try:
        check(folder, part)
    except RimError:
        if not _names_of_weights(folder):
            raise
        # The hub takes a file that is there for whole, and one of them is not.
        check(_snapshot(part, revision, target, instead, force_download=True), part)
    if target is None:
        return folder
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub's notes on what it has fetched
    os.replace(folder, target)
    return target


def _names_of_weights(folder: Path) -> list[str]:
    """The files of its safetensors, by its index where it has one; empty where it has none."""
    try:
        names = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [WHOLE] if (folder / WHOLE).is_file() else []
    return sorted(name for name in map(str, names) if Path(name).name == name and name.endswith(".safetensors"))


def _cached(part: Part, revision: str) -> Path | None:
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(part.repository, revision=revision, local_files_only=True))
    except Exception:  # not there
        return None


def cache_folder() -> Path:
    """Where the hub's own cache is."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _snapshot(part: Part, revision: str, target: Path | None, instead: str, **options: Any) -> Path:
    import huggingface_hub
    from huggingface_hub import constants, errors

    from rimlib.io import hub

    options |= {"revision": revision, "allow_patterns": list(WANTED)}
    unfinished = None
    if target is not None:
        unfinished = target.with_name(f".{target.name}.part")
        options["local_dir"] = unfinished
    try:
        with hub.quiet("huggingface_hub"):
            return Path(huggingface_hub.snapshot_download(part.repository, **options))
    except Exception as error:  # the hub fails in many ways: no network, no access, a proxy's refusal
        if unfinished is not None:
            _remove_if_empty(unfinished)
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else hub.reason(error)
        if part.gated and isinstance(error, errors.RepositoryNotFoundError):  # what those without access are told
            page = f"https://huggingface.co/{part.repository}"
            why = f"its owners give access on request: accept its licence at {page}, then `hf auth login`"
        raise RimError(
            f"{part.repository}: it cannot be had from the hub ({why}); {instead}", path=part.repository
        ) from None


def _check_room(part: Part, place: Path) -> None:
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        what = "there is no permission" if place.is_dir() else "it is a file, not a folder"
        raise RimError(f"{place}: cannot be written: {what}", path=place)
    free = shutil.disk_usage(place).free // 10**6
    if free < part.megabytes:
        message = f"{place}: {part.name} needs {part.megabytes:,} MB, and {free:,} MB are free"
        raise RimError(message, path=place)


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing that was fetched, and the one above it that was made for it."""
    if any(path.is_file() and path.name.endswith((".safetensors", ".incomplete")) for path in folder.rglob("*")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        pass  # it holds something else
