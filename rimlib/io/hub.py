"""Public weights from the Hugging Face hub: out of its cache, or through the network; pickles are never loaded."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import errors

from rimlib.errors import RimError


def fetch(name: str, files: Sequence[str], instead: str, cached: bool = False, **options: Any) -> Path:
    """The folder with some files of a repository on the hub.

    Args:
        name: of the repository, OWNER/NAME.
        files: names of the files; which of them the repository holds is for the caller to see.
        instead: what the error advises.
        cached: take a cache that has all of them, without looking for newer ones in the network.
        options: of `huggingface_hub.snapshot_download`.

    Raises:
        RimError: the repository cannot be had, neither from the network nor from the cache.
    """
    options["allow_patterns"] = list(files)
    with quiet("huggingface_hub"):
        if cached:
            try:
                folder = Path(huggingface_hub.snapshot_download(name, **options | {"local_files_only": True}))
                if all((folder / file).is_file() for file in files):
                    return folder
            except Exception:  # not there, or not whole: the second try finds out what is wrong
                pass
        try:
            return Path(huggingface_hub.snapshot_download(name, **options))
        except Exception as error:  # the hub fails in many ways: no network, no such name, a proxy's refusal
            raise RimError(f"{name}: it cannot be had from the hub ({reason(error)}); {instead}", path=name) from None


def load_pretrained(
    kind: Any, name: str, instead: str = "weights='random'", weights: bool = True, **options: Any
) -> Any:
    """`kind.from_pretrained(name)`, as float32 and in evaluation mode.

    Args:
        kind: a class of transformers.
        name: of a repository on the hub, or of a folder.
        instead: what the error offers where nothing can be had.
        weights: False for a tokenizer or a processor.
        options: of `from_pretrained`.

    Raises:
        RimError: the name cannot be had, or holds something else.
    """
    options |= {"use_safetensors": True} if weights else {}
    try:
        with quiet("huggingface_hub", "transformers"):
            try:
                found = kind.from_pretrained(name, local_files_only=True, **options)
            except Exception:  # not in the cache; whether it is broken there is found by the second try
                if Path(name).is_dir():
                    raise
                # Transformers tries for long where no network is; this fails at once.
                huggingface_hub.snapshot_download(name, allow_patterns=["config.json"])
                found = kind.from_pretrained(name, **options)
    except Exception as error:
        raise RimError(
            f"{name}: its {'weights' if weights else 'settings'} cannot be had ({reason(error)}); run "
            f"`hf download {name}` once where a network is, or name a folder that holds them, or use {instead}",
            path=name,
        ) from None
    return found.float().eval() if weights else found


def reason(error: Exception) -> str:
    """Why the hub, or a library that reads from it, failed: a few words for an error message."""
    known = {
        errors.HFValidationError: "not a name that it could have",
        errors.RepositoryNotFoundError: "it has none of this name, or keeps it closed: see `hf auth login`",
        errors.RevisionNotFoundError: "it has no such revision",
    }
    other = (str(error).splitlines() or [type(error).__name__])[0][:160]
    return next((words for kind, words in known.items() if isinstance(error, kind)), other)


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Without the warnings of these libraries: the error has what matters of them."""
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
