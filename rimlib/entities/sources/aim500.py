"""AIM-500: 500 photographs of seven kinds. Paper: Table S1, 200 of them.

All are test images before long-tailed categories move. The paper has "all" (Sec. 3.1) and uses 200: just as many as are
neither portraits (100) nor animals (200), which AM-2k and P3M-10k have enough of. `aim_category_type.json` names the
kinds: {"<image>": {"type": "SO", "category": "plant"}}.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Source, pair, root_of
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io import files

PUBLIC = {"portrait": 100, "animal": 200, "transparent": 34, "plant": 75, "furniture": 45, "toy": 36, "fruit": 10}
LEFT_OUT = ("portrait", "animal")
INDEX = "aim_category_type.json"


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """AIM-500/{original,mask}, aim_category_type.json beside them. See `public.read`.

    Raises:
        RimError: a folder or the JSON file is missing, or the JSON is broken.
    """
    layout = public.LAYOUTS["aim500"]
    (part,) = layout.parts
    root = root_of(folder, layout.roots, ["mask", "original"])
    report = Report(layout.title, root)
    source = Source(layout.name, report)
    found = pair(part, report, **layout.facts)
    categories = _categories(root)
    stems = {cutout.name for cutout in found}
    report.missing += [f"{INDEX}: has {stem!r}, and there is no such matte" for stem in categories if stem not in stems]
    reasons, cutouts = {}, []
    for cutout in found:
        category = categories.get(cutout.name)
        if category is None:
            report.odd.append(f"{cutout.path}: has no category in {INDEX}")
        elif category in LEFT_OUT:
            reasons[cutout.path] = f"its category is {category}"
        word = None if category == "transparent" else category
        cutouts.append(replace(cutout, group=category, weak_category=word))
    report.counts.append(Count(part.mattes, len(cutouts), part.public))
    for category, number in PUBLIC.items():
        report.counts.append(Count(category, sum(cutout.group == category for cutout in cutouts), number))
    public.finish(layout, source, cutouts, deep, least, reasons)
    return source


def _categories(root: Path) -> dict[str, str]:
    path = next((folder / INDEX for folder in (root, root.parent) if (folder / INDEX).is_file()), None)
    if path is None:
        raise RimError(
            f"{root}: a part of AIM-500 is missing: the file {INDEX} was expected in it; it names the portraits",
            path=root / INDEX,
        )
    rows = files.read_json(path)
    if not isinstance(rows, dict):
        message = f"{path}: expected an object with one entry for each image, found {type(rows).__name__}"
        raise RimError(message, path=path)
    categories = {}
    for name, row in rows.items():
        category = row.get("category") if isinstance(row, dict) else row
        if not isinstance(category, str):
            raise RimError(f"{path}: the entry {name!r} has no category, found {row!r}", path=path)
        known = name.lower().endswith((".jpg", ".png", ".jpeg"))
        categories[name.rsplit(".", 1)[0] if known else name] = category.lower()
    return categories
