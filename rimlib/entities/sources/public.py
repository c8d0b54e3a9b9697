"""One way to read all data sets that are folders of pictures beside folders of mattes: a layout says which, `read` does the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from rimlib.entities.sources.common import Cutting, Part, Source, check_pixels, check_sizes, pair, root_of
from rimlib.entities.sources.names import unique
from rimlib.entities.sources.report import Count, Report

PERSON = re.compile(  # words of file names; the words that a plant, a toy or a dress may have too are not among them
    r"(?:^|[^a-z])(?:man|men|woman|women|girls?|boys?|lady|ladies|bride|groom|person|people|human|child|children|kids?|model|selfie|"
    r"portrait|headshots?|dance|dancers?|couple|faces?|beard|hairstyle)(?:$|[^a-z])"
)


@dataclass(frozen=True)
class Layout:
    """Where a public data set keeps what.

    Attributes:
        mark: short name, the beginning of all its entities' names. title: its own name.
        roots: names of its folder. kind: of all its entities.
        people: whether pictures of people are to be left out. Paper: Sec. 3.1, "identifiable faces in human instances".
        least: pixels of the shorter side below which a picture is left out (`low-resolution`); the paper gives no number.
    """

    mark: str
    title: str
    roots: tuple[str, ...]
    kind: str
    parts: tuple[Part, ...]
    licence: str
    credit: str
    people: bool = True
    least: int = 0


def read(layout: Layout, folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """Read a data set's file names and headers.

    Args:
        folder: the data set's folder, or the one above it.
        deep: decode all pixels too.
        least: in place of the layout's.

    Raises:
        RimError: a part of the layout is missing.
    """
    root = root_of(folder, layout.roots, [part.mattes for part in layout.parts])
    report = Report(layout.title, str(root))
    found = [
        (part, pair(layout.mark, layout.kind, root, part, report, layout.title, layout.licence, layout.credit))
        for part in layout.parts
    ]
    counts = [Count(part.mattes, len(cuttings), part.public) for part, cuttings in found]
    return finish(layout, root, report, [cutting for _, cuttings in found for cutting in cuttings], counts, deep, least)


def finish(
    layout: Layout,
    root: Path,
    report: Report,
    cuttings: list[Cutting],
    counts: list[Count],
    deep: bool = False,
    least: int | None = None,
    reasons: dict[str, str] | None = None,
) -> Source:
    """Name the cut-outs, check them, and leave out what a filter refuses.

    reasons: by path, cut-outs that are left out whatever their size and name are.
    """
    report.counts += counts
    sizes = check_sizes(cuttings, root, report)
    if deep:
        check_pixels(cuttings, root, report)
    names = unique({cutting.path: _raw_name(layout.mark, cutting) for cutting in cuttings})
    source = Source(layout.mark, report)
    least = layout.least if least is None else least
    for cutting in cuttings:
        named = replace(cutting, name=names[cutting.path])
        reason = (reasons or {}).get(cutting.path)
        size = sizes.get(cutting)
        if reason is None and size is not None and min(size) < least:
            reason = f"{size[0]} x {size[1]} pixels; the shorter side must have {least}"
        if reason is None and not layout.people and PERSON.search(cutting.name.lower()):
            reason = "a person, by its name"
        if reason is None:
            source.cuttings.append(named)
        else:
            source.left_out.append(named)
            report.left_out.append(f"{cutting.path} ({named.name}): {reason}")
    for split in ("train", "test"):
        if parts := [part for part in layout.parts if part.split == split]:
            paper = sum(part.paper or 0 for part in parts)
            report.counts.append(
                Count(f"usable for {split}", sum(item.split == split for item in source.cuttings), None, paper)
            )
    return source


def _raw_name(mark: str, cutting: Cutting) -> str:
    return " ".join(part for part in (mark, cutting.group if mark == "sim" else None, cutting.name) if part)
