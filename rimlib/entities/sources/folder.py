"""Any folder of RGBA pictures: each is an entity, its category its sub-folder's name or the words of its own.

`fox/one.png` and `fox-2.png` are both foxes. A sub-folder `test/` holds test entities, `backgrounds/` photographs to compose on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from rimlib.entities.sources.common import Backdrop, Cutting, Source, check_pixels, check_sizes, listing
from rimlib.entities.sources.names import safe, unique
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError

PEOPLE = ("human", "person", "people", "man", "woman", "girl", "boy", "child")


def read(folder: str | Path, deep: bool = False, least: int | None = None, kind: str = "thing") -> Source:
    """Read a folder of cut-outs.

    Args:
        folder: RGBA pictures in it or in its sub-folders (one level, or two below `train/` and `test/`).
        kind: of all that no word tells to be a person; a table of corrections (column `kind`) can say more.
        least: pixels of the shorter side below which a picture is left out.

    Raises:
        RimError: no such folder, or no picture in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RimError(f"{root}: no such folder; RGBA pictures are expected in it")
    report = Report("folder", str(root))
    mark = safe(root.resolve().name)
    source = Source(mark, report)
    cuttings = []
    for place, split, category in _places(root):
        for stem, path in listing(place, root, report, folders=True).items():
            words = category or re.sub(r"[\W_\d]+", " ", stem).strip().lower() or None
            person = bool(words) and bool(set(words.split()) & set(PEOPLE))
            cuttings.append(
                Cutting(
                    name=stem,
                    kind="person" if person else kind,
                    split=split,
                    source=mark,
                    alpha=None,
                    path=path.relative_to(root).as_posix(),
                    foreground=path,
                    weak_category="human" if person else words,
                )
            )
    sizes = check_sizes(cuttings, root, report)
    if deep:
        check_pixels(cuttings, root, report)
    names = unique({cutting.path: f"{mark} {cutting.path.rsplit('.', 1)[0]}" for cutting in cuttings})
    for cutting in cuttings:
        named = replace(cutting, name=names[cutting.path])
        small = cutting in sizes and min(sizes[cutting]) < (least or 0)
        (source.left_out if small else source.cuttings).append(named)
        if small:
            report.left_out.append(
                f"{cutting.path} ({named.name}): the shorter side has {min(sizes[cutting])} pixels; {least} are asked for"
            )
    if (root / "backgrounds").is_dir():
        found = listing(root / "backgrounds", root, report)
        bases = unique({stem: f"{mark} bg {stem}" for stem in found})
        source.backdrops = [
            Backdrop(bases[stem], "train", mark, path.relative_to(root).as_posix(), path)
            for stem, path in found.items()
        ]
    if not source.cuttings and not source.backdrops:
        raise RimError(f"{root}: no picture in it; RGBA pictures are expected, in it or in folders named by category")
    report.counts.append(Count("cut-outs", len(source.cuttings)))
    return source


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report


def _places(root: Path):
    """Each folder that may hold pictures, with its split and category."""
    yield root, "train", None
    for child in sorted(
        path
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and path.name != "backgrounds"
    ):
        if child.name not in ("train", "test"):
            yield child, "train", _words(child.name)
            continue
        yield child, child.name, None
        for inner in sorted(path for path in child.iterdir() if path.is_dir() and not path.name.startswith(".")):
            yield inner, child.name, _words(inner.name)


def _words(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().lower() or name
