"""Where entities come from: the public data sets of the paper, any folder of RGBA pictures, the installed art packages.

Paper: Sec. 3.1 and Table S1. `read("am2k", folder)` gives a `Source`: cut-outs and backgrounds as file names, and a report of what
was found beside what the paper used.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from rimlib.entities.sources.common import Backdrop, Cutting, Source, read_pixels
from rimlib.entities.sources.long_tail import long_tailed, move_long_tail
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError

__all__ = [
    "READERS",
    "Backdrop",
    "Count",
    "Cutting",
    "Report",
    "Source",
    "check",
    "long_tailed",
    "move_long_tail",
    "open_all",
    "read",
    "read_pixels",
    "shared_files",
]

READERS = ("am2k", "p3m10k", "aim500", "sim", "dim", "hatt", "bg20k", "folder", "art")


def read(mark: str, folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Read one source by its short name (one of `READERS`).

    Raises:
        RimError: an unknown name, a missing folder, or a missing part of one.
    """
    return _module(mark).read(folder, deep=deep, least=least)


def check(mark: str, folder: str | Path, deep: bool = False) -> Report:
    """What a folder holds and lacks. Without `deep` only names and headers are looked at."""
    return _module(mark).check(folder, deep=deep)


def open_all(specs: list[str], deep: bool = False, least: int | None = None) -> list[Source]:
    """Read the sources that a command line names: `am2k=DIR`, `folder=DIR`, `art` (packages installed) or `art=DIR`.

    Raises:
        RimError: as `read`, and for a spec without a folder.
    """
    sources = []
    for spec in specs:
        mark, _, folder = spec.partition("=")
        if mark in READERS and not folder and mark != "art":
            raise RimError(f"source {spec!r}: NAME=FOLDER is expected, such as {mark}=data/{mark}")
        sources.append(read(mark, folder or "/", deep, least))
    return sources


def shared_files(sources: list[Source]) -> list[str]:
    """Foregrounds that two sources hold under one file name (SIM has some of DIM's), with a word where one is for training and
    the other for testing. Names of digits only say nothing and are passed over.
    """
    by_stem = defaultdict(list)
    for source in sources:
        for cutting in source.cuttings:
            by_stem[Path(cutting.path).stem].append(cutting)
    lines = []
    for stem, cuttings in by_stem.items():
        if stem.isdigit() or len({cutting.source for cutting in cuttings}) < 2:
            continue
        both = " and ".join(f"{cutting.name} ({cutting.split})" for cutting in cuttings)
        crossed = len({cutting.split for cutting in cuttings}) > 1
        lines.append(f"{both} have one file name{'; training and test may overlap' if crossed else ''}")
    return lines


def _module(mark: str):
    if mark not in READERS:
        close = difflib.get_close_matches(mark, READERS, n=1, cutoff=0.4)
        raise RimError(
            f"source {mark!r}: must be one of {', '.join(READERS)}{f' (did you mean {close[0]}?)' if close else ''}"
        )
    return import_module(f"rimlib.entities.sources.{mark}")
