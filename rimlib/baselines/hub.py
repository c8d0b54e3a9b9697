"""Public weights by their name on the hub: from its cache where they are there, else from the network, as safetensors only."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import huggingface_hub

from rimlib.clipmat.hub import quiet, why
from rimlib.errors import RimError


def fetch(kind, name: str, instead: str = "weights='random'", weights: bool = True):
    """`kind.from_pretrained(name)`, as float32 and in evaluation mode.

    `kind`: a class of transformers; `name`: a hub name or a folder; `instead`: what the error offers where nothing
    can be had; `weights`: False for a tokenizer or a processor. Pickled weights are never opened.
    Raises RimError that says which name, why not, and what to do.
    """
    options = {"use_safetensors": True} if weights else {}
    with _told(
        name,
        "weights" if weights else "settings",
        f"`hf download {name}`, or name a folder that holds them, or ask for {instead}",
    ):
        try:
            found = kind.from_pretrained(name, local_files_only=True, **options)
        except Exception:  # not in the cache: whether it is broken there is told by the second try
            if Path(name).is_dir():
                raise
            huggingface_hub.snapshot_download(
                name, allow_patterns=["config.json"]
            )  # where no network is, it says so at once
            found = kind.from_pretrained(name, **options)
    return found.float().eval() if weights else found


def fetch_file(name: str, file: str, instead: str = "weights='random'") -> Path:
    """The path of one file of a repository on the hub, fetched if need be. Raises RimError as `fetch` does."""
    with _told(name, file, f"`hf download {name} {file}`, or ask for {instead}"):
        try:
            return Path(huggingface_hub.hf_hub_download(name, file, local_files_only=True))
        except Exception:
            return Path(huggingface_hub.snapshot_download(name, allow_patterns=[file])) / file


@contextmanager
def _told(name: str, what: str, how: str):
    """What the hub and transformers say in many ways, no network, no such name, a proxy's refusal, in one line."""
    try:
        with quiet("huggingface_hub", "transformers"):
            yield
    except Exception as error:
        raise RimError(
            f"{name}: its {what} cannot be had ({why(error)}); fetch them once where a network is there with {how}"
        ) from None
