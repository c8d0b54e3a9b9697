"""AIM-500: 500 photographs of seven kinds. Paper: Table S1, 200 of them, all test pictures before long-tailed categories move.

The paper says "all" (Sec. 3.1) and uses 200: just as many as are neither portraits (100) nor animals (200), which AM-2k and
P3M-10k have enough of. `aim_category_type.json` says which: {"<picture>": {"type": "SO", "category": "plant"}}.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rimlib.entities.sources import public
from rimlib.entities.sources.common import Part, Source, pair, root_of
from rimlib.entities.sources.report import Count, Report
from rimlib.errors import RimError
from rimlib.io import files

PUBLIC = {"portrait": 100, "animal": 200, "transparent": 34, "plant": 75, "furniture": 45, "toy": 36, "fruit": 10}
LEFT_OUT = ("portrait", "animal")
LAYOUT = public.Layout(
    mark="aim500",
    title="AIM-500",
    roots=("AIM-500", "AIM500"),
    kind="thing",
    licence="AIM-500 release agreement",
    credit="Li et al., Deep automatic natural image matting, IJCAI 2021",
    parts=(Part("test", "mask", "original", public=500, paper=200),),
)


def read(folder: str | Path, deep: bool = False, least: int | None = None) -> Source:
    """AIM-500/{original,mask}, aim_category_type.json beside them. See `public.read`.

    Raises:
        RimError: a folder or the JSON file is missing, or the JSON is broken.
    """
    root = root_of(folder, LAYOUT.roots, ["mask", "original"])
    report = Report(LAYOUT.title, str(root))
    part = LAYOUT.parts[0]
    cuttings = pair(LAYOUT.mark, LAYOUT.kind, root, part, report, LAYOUT.title, LAYOUT.licence, LAYOUT.credit)
    categories = _categories(root)
    report.missing += [
        f"aim_category_type.json: speaks of {stem!r}, and there is no such matte"
        for stem in categories
        if stem not in {cutting.name for cutting in cuttings}
    ]
    counts = [Count(part.mattes, len(cuttings), part.public)]
    reasons, typed = {}, []
    for cutting in cuttings:
        category = categories.get(cutting.name)
        if category is None:
            report.odd.append(f"{cutting.path}: aim_category_type.json doesn't say what it is")
        elif category in LEFT_OUT:
            reasons[cutting.path] = f"its category is {category}"
        typed.append(replace(cutting, group=category, weak_category=None if category == "transparent" else category))
    counts += [
        Count(category, sum(cutting.group == category for cutting in typed), number)
        for category, number in PUBLIC.items()
    ]
    return public.finish(LAYOUT, root, report, typed, counts, deep, least, reasons)


def check(folder: str | Path, deep: bool = False) -> Report:
    return read(folder, deep).report


def _categories(root: Path) -> dict[str, str]:
    path = next(
        (
            folder / "aim_category_type.json"
            for folder in (root, root.parent)
            if (folder / "aim_category_type.json").is_file()
        ),
        None,
    )
    if path is None:
        raise RimError(
            f"{root}: a part of AIM-500 is missing: the file aim_category_type.json was expected in it; it says what is a portrait"
        )
    rows = files.read_json(path)
    if not isinstance(rows, dict):
        raise RimError(f"{path}: expected an object with one entry for each picture, found {type(rows).__name__}")
    categories = {}
    for name, row in rows.items():
        category = row.get("category") if isinstance(row, dict) else row
        if not isinstance(category, str):
            raise RimError(f"{path}: the entry {name!r} has no category, found {row!r}")
        known = name.lower().endswith((".jpg", ".png", ".jpeg"))
        categories[name.rsplit(".", 1)[0] if known else name] = category.lower()
    return categories
