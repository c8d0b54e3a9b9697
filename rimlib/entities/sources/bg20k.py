"""BG-20k: 20,000 photographs without salient objects, the paper's backgrounds (Sec. 3.1)."""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources.common import BackgroundFile, Source, listing, root_of
from rimlib.entities.sources.names import unique
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io import images

PARTS = (("train", "train", 15000), ("test", "testval", 5000))
ROOTS = ("BG-20k", "BG20k", "BG-20K")
TERMS = {"licence": "BG-20k release agreement", "credit": "Li et al., Bridging composite and real, IJCV 2022"}


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """BG-20k/{train,testval}; the denoised copies (`train_denoise`) belong to another work and are not read.

    Args:
        folder: the data set's folder, or the one above it.
        deep: decode every image.
        least: pixels of the shorter side; smaller images are left out (default: none are).

    Raises:
        RimError: a part is missing.
    """
    root = root_of(folder, ROOTS, [part for _, part, _ in PARTS])
    source = Source("bg20k", Report("BG-20k", root))
    found: dict[str, tuple[str, Path]] = {}  # path inside the data set → split, file
    for split, part, number in PARTS:
        paths = listing(part, source.report).values()
        found.update((source.report.shown(path), (split, path)) for path in paths)
        source.report.counts.append(Count(part, len(paths), number))
    names = unique({shown: f"bg20k {path.stem}" for shown, (_, path) in found.items()})
    for shown, (split, path) in found.items():
        try:
            size = images.size_of(path)
            if deep:
                images.read_image(path)
        except RimError as error:
            source.report.odd.append(str(error))
        else:
            if min(size) < (least or 0):
                why = f"{size[0]} x {size[1]} pixels; the shorter side must have {least}"
                source.report.left_out.append(f"{shown}: {why}")
                continue
        source.backgrounds.append(BackgroundFile(names[shown], split, "bg20k", shown, path, **TERMS))
    return source
