"""Files found by their names, in whichever of several ways a system wrote them."""

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def find_by_stem(folder: Path, stem: str, endings: Iterable[str]) -> Path:
    """The file `folder/stem` with the first of some endings that is there; with the first of all where none is.

    A name that another system wrote in its own way, its accents as letters apart or its ending in capitals, is found.
    """
    paths = [folder / (stem + ending) for ending in endings]
    found = next((path for path in paths if path.is_file()), None)
    if found is None and folder.is_dir():
        names = _names(folder, folder.stat().st_mtime_ns)
        found = next((folder / names[key] for path in paths if (key := same_name(path.name)) in names), None)
    return found or paths[0]


def same_name(name: str) -> str:
    """One form for all the ways in which systems write a file's name: accents composed, the ending in small letters.

    >>> same_name("cafe\u0301.JPG") == same_name("café.jpg")
    True
    """
    stem, dot, ending = unicodedata.normalize("NFC", name).rpartition(".")
    return stem + dot + ending.lower()


@lru_cache(maxsize=8)
def _names(folder: Path, changed: int) -> dict[str, str]:
    return {same_name(name): name for name in sorted(os.listdir(folder))}
