"""Where entities come from: the public data sets of the paper, any folder of RGBA images, the installed art packages.

Paper: Sec. 3.1 and Table S1. `read("am2k", folder)` gives a `Source`: cut-outs and backgrounds as file names, and a
report of what was found beside what the paper used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rimlib.entities.sources import aim500, art, bg20k, folder, public, sim
from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, Source, read_pixels
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError, nearest

__all__ = [
    "READERS",
    "BackgroundFile",
    "Count",
    "CutoutFiles",
    "Report",
    "Source",
    "open_all",
    "read",
    "read_pixels",
    "shared_files",
]

READERS: dict[str, Callable[..., Source]] = {
    **{name: partial(public.read, layout) for name, layout in public.LAYOUTS.items()},
    "aim500": aim500.read,
    "sim": sim.read,
    "bg20k": bg20k.read,
    "folder": folder.read,
    "art": art.read,
}


def read(name: str, folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Read one source by its short name (one of `READERS`).

    `deep` decodes all pixels, not names and headers only; `least` pixels of the shorter side replace the source's own
    limit. Raises RimError for an unknown name, a missing folder, or a missing part of one.
    """
    if name not in READERS:
        known = f"{', '.join(READERS)}{nearest(name, READERS)}"
        raise RimError(f"source {name!r}: must be one of {known}", setting="source")
    return READERS[name](folder, deep=deep, least=least)


def open_all(specs: list[str], deep: bool = False, least: int | None = None) -> list[Source]:
    """Read the sources of a command line: `am2k=DIR`, `folder=DIR`, `art` (packages installed) or `art=DIR`.

    Raises:
        RimError: as `read`, and for a spec without a folder.
    """
    sources = []
    for spec in specs:
        name, _, place = spec.partition("=")
        if name in READERS and not place and name != "art":
            message = f"source {spec!r}: NAME=FOLDER is expected, such as {name}=data/{name}"
            raise RimError(message, setting="source")
        sources.append(read(name, place or "/", deep, least))
    return sources


def shared_files(sources: list[Source]) -> list[str]:
    """Foregrounds that two sources hold under one file name (SIM has some of DIM's), and whether their splits differ.

    Names of digits only mean nothing and are passed over.
    """
    by_stem = defaultdict(list)
    for source in sources:
        for cutout in source.cutouts:
            by_stem[Path(cutout.path).stem].append(cutout)
    lines = []
    for stem, cutouts in by_stem.items():
        if stem.isdigit() or len({cutout.source for cutout in cutouts}) < 2:
            continue
        both = " and ".join(f"{cutout.name} ({cutout.split})" for cutout in cutouts)
        crossed = "; training and test may overlap" if len({cutout.split for cutout in cutouts}) > 1 else ""
        lines.append(f"{both} have one file name{crossed}")
    return lines
