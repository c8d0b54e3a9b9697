"""Any folder of RGBA images: each is an entity, its category its sub-folder's name or the words of its own.

`fox/one.png` and `fox-2.png` are both foxes. A sub-folder `test/` holds test entities, `backgrounds/` photographs to
compose on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, Source, listing, take
from rimlib.entities.sources.names import safe, unique
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError

PEOPLE = {"human", "person", "people", "man", "woman", "girl", "boy", "child"}


def read(folder: str | Path, deep: bool = False, least: int | None = None, kind: str = "thing") -> Source:
    """Read a folder of cut-outs.

    Args:
        folder: RGBA images in it or in its sub-folders (one level, or two below `train/` and `test/`).
        deep: decode all pixels too.
        least: pixels of the shorter side below which an image is left out.
        kind: of all whose words don't name a person; a table of corrections (column `kind`) can overrule it.

    Raises:
        RimError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RimError(f"{root}: no such folder; RGBA images are expected in it", path=root)
    name = safe(root.resolve().name)
    source = Source(name, Report("folder", root))
    cutouts = []
    for place, split, category in _places(root):
        for stem, path in listing(place, source.report, folders=True).items():
            words = category or re.sub(r"[\W_\d]+", " ", stem).strip().lower() or None
            person = words is not None and bool(PEOPLE & set(words.split()))
            cutouts.append(
                CutoutFiles(
                    name=stem,
                    kind="person" if person else kind,
                    split=split,
                    source=name,
                    path=source.report.shown(path),
                    alpha=None,
                    foreground=path,
                    weak_category="human" if person else words,
                )
            )
    names = unique({cutout.path: f"{name} {cutout.path.rsplit('.', 1)[0]}" for cutout in cutouts})
    take(source, cutouts, names, least or 0, deep)
    if (root / "backgrounds").is_dir():
        found = listing("backgrounds", source.report)
        names = unique({stem: f"{name} bg {stem}" for stem in found})
        source.backgrounds = [
            BackgroundFile(names[stem], "train", name, source.report.shown(path), path) for stem, path in found.items()
        ]
    if not source.cutouts and not source.backgrounds:
        message = f"{root}: no image in it; RGBA images are expected, in it or in folders named by category"
        raise RimError(message, path=root)
    source.report.counts.append(Count("cut-outs", len(source.cutouts)))
    return source


def _places(root: Path) -> Iterator[tuple[str, str, str | None]]:
    """Each folder that may hold cut-outs, by its name inside the root, with its split and category."""
    yield ".", "train", None
    for child in _folders(root):
        if child in ("train", "test"):
            yield child, child, None
            yield from ((f"{child}/{inner}", child, _words(inner)) for inner in _folders(root / child))
        elif child != "backgrounds":
            yield child, "train", _words(child)


def _folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _words(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().lower() or name
