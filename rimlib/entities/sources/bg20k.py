"""BG-20k: 20,000 photographs without salient things, the paper's backgrounds (Sec. 3.1)."""

from __future__ import annotations

from pathlib import Path

from rimlib.entities.sources.common import Backdrop, Source, listing, need, root_of
from rimlib.entities.sources.names import unique
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io.images import size_of

PARTS = (("train", "train", 15000), ("test", "testval", 5000))
ROOTS = ("BG-20k", "BG20k", "BG-20K")


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """BG-20k/{train,testval}; the denoised copies (`train_denoise`) belong to another work's augmentation and are not read.

    Args:
        deep: decode every picture. least: pixels of the shorter side; smaller pictures are left out (default: none are).

    Raises:
        RimError: a part is missing.
    """
    root = root_of(folder, ROOTS, [part for _, part, _ in PARTS])
    report = Report("BG-20k", str(root))
    source = Source("bg20k", report)
    found = [
        (split, part, path)
        for split, part, _ in PARTS
        for path in listing(need(root, part, "BG-20k"), root, report).values()
    ]
    names = unique({path.relative_to(root).as_posix(): f"bg20k {path.stem}" for _, _, path in found})
    report.counts += [Count(part, sum(item[1] == part for item in found), public) for _, part, public in PARTS]
    for split, part, path in found:
        shown = path.relative_to(root).as_posix()
        try:
            size = size_of(path)
            if deep:
                from rimlib.io import images

                images.read_image(path)
        except RimError as error:
            report.odd.append(str(error).replace(f"{root}/", "", 1))
            size = (least or 0,)
        if min(size) < (least or 0):
            report.left_out.append(f"{shown}: {size[0]} x {size[1]} pixels; the shorter side must have {least}")
            continue
        source.backdrops.append(
            Backdrop(
                names[shown],
                split,
                "bg20k",
                shown,
                path,
                licence="BG-20k release agreement",
                credit="Li et al., Bridging composite and real, IJCV 2022",
            )
        )
    return source


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report
