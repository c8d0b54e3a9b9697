"""Public data sets that are folders of images beside folders of mattes: a layout for each, one function for all.

Paper: Sec. 3.1 and Table S1, which parts it used of each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rimlib.entities.sources.common import CutoutFiles, Part, Source, pair, root_of, take
from rimlib.entities.sources.names import unique
from rimlib.entities.sources.report import Count, Report

PERSON = re.compile(  # words of file names; the words that a plant, a toy or a dress may have too are not among them
    r"(?:^|[^a-z])(?:man|men|woman|women|girls?|boys?|lady|ladies|bride|groom|person|people|human|child|children|kids?|model|selfie|"
    r"portrait|headshots?|dance|dancers?|couple|faces?|beard|hairstyle)(?:$|[^a-z])"
)


@dataclass(frozen=True)
class Layout:
    """Where a public data set keeps what."""

    name: str  # short, the beginning of all its entities' names
    title: str
    roots: tuple[str, ...]  # names of its folder
    kind: str  # of all its entities
    parts: tuple[Part, ...]
    licence: str
    credit: str
    # whether people are kept. Paper: Sec. 3.1 leaves them out of three sets for "identifiable faces in human
    # instances"; file names betray many of them, a table of corrections (`keep=0`) the rest
    people: bool = True
    # pixels of the shorter side below which an image is left out (`low-resolution`); the paper gives no number. 512 is
    # the input of its model
    least: int = 0

    @property
    def facts(self) -> dict[str, str]:
        """What all its cut-outs have in common."""
        return {"source": self.name, "kind": self.kind, "licence": self.licence, "credit": self.credit}


_ADOBE = ("Training_set/Adobe-licensed images", "Training_set/Other", "Test_set/Adobe-licensed images")
_LAYOUTS = (
    Layout(
        "am2k",
        "AM-2k",
        ("AM-2k", "AM2k", "AM-2K"),
        "animal",
        (
            Part("train", "train/mask", "train/original", "train/fg", optional=True, public=1800, paper=1800),
            Part("test", "validation/mask", "validation/original", public=200, paper=200),
        ),
        "AM-2k release agreement",
        "Li et al., Bridging composite and real: towards end-to-end deep image matting, IJCV 2022",
    ),
    # Which 235, 15 and 8 images the paper dropped it doesn't state (it has "all"); here all are used. The second test
    # set (P3M-500-NP) shows people of public images with their faces.
    Layout(
        "p3m10k",
        "P3M-10k",
        ("P3M-10k", "P3M-10K", "P3M10k"),
        "person",
        (
            Part("train", "train/mask", "train/blurred_image", public=9421, paper=9186),
            Part("test", "validation/P3M-500-P/mask", "validation/P3M-500-P/blurred_image", public=500, paper=485),
            Part("test", "validation/P3M-500-NP/mask", "validation/P3M-500-NP/original_image", public=500, paper=492),
        ),
        "P3M-10k release agreement",
        "Li et al., Privacy-preserving portrait matting, ACM MM 2021",
    ),
    Layout(
        "aim500",
        "AIM-500",
        ("AIM-500", "AIM500"),
        "thing",
        (Part("test", "mask", "original", public=500, paper=200),),
        "AIM-500 release agreement",
        "Li et al., Deep automatic natural image matting, IJCAI 2021",
    ),
    Layout(
        "sim",
        "SIM",
        ("SIMD", "SIM"),
        "thing",
        (Part("train", "", paper=271), Part("test", "", paper=41)),  # its folders are classes, see sim.py
        "SIMD terms; a part of it on request from Adobe",
        "Sun et al., Semantic image matting, CVPR 2021",
        people=False,
        least=512,
    ),
    Layout(
        "dim",
        "DIM",
        ("Combined_Dataset", "Adobe_Deep_Matting_Dataset/Combined_Dataset", "DIM"),
        "thing",
        (
            Part("train", f"{_ADOBE[0]}/alpha", foregrounds=f"{_ADOBE[0]}/fg"),  # 431 with the next
            Part("train", f"{_ADOBE[1]}/alpha", foregrounds=f"{_ADOBE[1]}/fg", paper=224),
            Part("test", f"{_ADOBE[2]}/alpha", foregrounds=f"{_ADOBE[2]}/fg", public=50, paper=38),
        ),
        "Adobe Deep Image Matting dataset licence, on request",
        "Xu et al., Deep image matting, CVPR 2017",
        people=False,
        least=512,
    ),
    Layout(
        "hatt",
        "HATT (Distinctions-646)",
        ("Distinctions-646", "Distinctions646", "HATT"),
        "thing",
        (
            Part("train", "Train/GT", foregrounds="Train/FG", public=596, paper=210),
            Part("test", "Test/GT", foregrounds="Test/FG", public=50, paper=40),
        ),
        "Distinctions-646 terms, on request",
        "Qiao et al., Attention-guided hierarchical structure aggregation for image matting, CVPR 2020",
        people=False,
        least=512,
    ),
)
LAYOUTS = {layout.name: layout for layout in _LAYOUTS}


def read(layout: Layout, folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Read a data set's file names and headers.

    `folder` is the data set's or the one above it; `deep` decodes all pixels too; `least` replaces the layout's own.
    Raises RimError where a part of the layout is missing.
    """
    root = root_of(folder, layout.roots, [part.mattes for part in layout.parts])
    source = Source(layout.name, Report(layout.title, root))
    cutouts = []
    for part in layout.parts:
        found = pair(part, source.report, **layout.facts)
        source.report.counts.append(Count(part.mattes, len(found), part.public))
        cutouts += found
    finish(layout, source, cutouts, deep, least)
    return source


def finish(
    layout: Layout,
    source: Source,
    cutouts: list[CutoutFiles],
    deep: bool = False,
    least: int | None = None,
    reasons: dict[str, str] | None = None,
) -> None:
    """Name and check the cut-outs, leave out what a filter refuses, and count what is left beside the paper's numbers.

    `reasons`: by path, cut-outs that are left out whatever their size and name are.
    """

    def refuse(cutout: CutoutFiles) -> str | None:
        if reason := (reasons or {}).get(cutout.path):
            return reason
        return "a person, by its name" if not layout.people and PERSON.search(cutout.name.lower()) else None

    def raw_name(cutout: CutoutFiles) -> str:  # only SIM has the same stems in several groups
        group = cutout.group if layout.name == "sim" else None
        return " ".join(filter(None, (layout.name, group, cutout.name)))

    names = unique({cutout.path: raw_name(cutout) for cutout in cutouts})
    take(source, cutouts, names, layout.least if least is None else least, deep, refuse)
    for split in ("train", "test"):
        if parts := [part for part in layout.parts if part.split == split]:
            usable = sum(cutout.split == split for cutout in source.cutouts)
            paper = sum(part.paper or 0 for part in parts)
            source.report.counts.append(Count(f"usable for {split}", usable, None, paper))
