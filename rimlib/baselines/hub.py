"""Public weights by their name on the hub: from its cache where they are there, else from the network, as safetensors only."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path

from rimlib.errors import RimError


def fetch(kind, name: str, instead: str = "weights='random'", weights: bool = True):
    """`kind.from_pretrained(name)`, as float32 and in evaluation mode.

    `kind`: a class of transformers; `name`: a hub name or a folder; `instead`: what the error offers where nothing
    can be had; `weights`: False for a tokenizer or a processor. Pickled weights are never opened.
    Raises RimError that says which name, why not, and what to do.
    """
    options = {"use_safetensors": True} if weights else {}
    try:
        with _quiet():
            try:
                found = kind.from_pretrained(name, local_files_only=True, **options)
            except Exception:  # not in the cache: whether it is broken there is told by the second try
                if Path(name).is_dir():
                    raise
                found = kind.from_pretrained(name, **options)
    except Exception as error:  # the hub fails in many ways: no network, no such name, a proxy's refusal
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        what = "weights" if weights else "settings"
        raise RimError(f"{name}: its {what} cannot be had ({reason}); fetch them once where a network is there with "
                       f"`hf download {name}`, or name a folder that holds them, or ask for {instead}") from None
    return found.float().eval() if weights else found


def fetch_file(name: str, file: str, instead: str = "weights='random'") -> Path:
    """The path of one file of a repository on the hub, fetched if need be. Raises RimError as `fetch` does."""
    from huggingface_hub import hf_hub_download

    try:
        with _quiet():
            try:
                return Path(hf_hub_download(name, file, local_files_only=True))
            except Exception:
                return Path(hf_hub_download(name, file))
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise RimError(f"{name}: its {file} cannot be had ({reason}); fetch it once where a network is there with "
                       f"`hf download {name} {file}`, or ask for {instead}") from None


@contextmanager
def _quiet():
    """Without the hub's own warnings: what they say is said once, in the error."""
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "transformers")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
