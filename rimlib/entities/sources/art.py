"""The large pool: the images of the shipped pool at their own resolution, read from the installed art packages.

`rimlib.entities.selection` lists them, with what a person saw in each; faces are blurred, specks dropped and hard edges
softened as in the shipped pool, and nothing is made smaller.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rimlib.entities import selection
from rimlib.entities.entity import ATTRIBUTES
from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, Source, take
from rimlib.entities.sources.report import Count, Report

KNOWN = {column: column for column in (*ATTRIBUTES, "wispy", "person", "split")} | {
    "age_group": "age"
}  # our column: the table's


def read(
    root: str | Path = "/", deep: bool = False, least: int | None = None, tables: str | Path = selection.FOLDER
) -> Source:
    """All images of the tables.

    Args:
        root: where the packages are, see `selection.locate`.
        deep: decode all pixels too.
        least: pixels of the shorter side below which a cut-out is left out.
        tables: the folder of `selection.csv` and `backgrounds.csv`.

    Raises:
        RimError: an image is missing; the message names the package to install.
    """
    root = Path(root)
    rows, places = selection.cutouts(tables), selection.backgrounds(tables)
    source = Source("art", Report("art packages", root))
    keys = ("name", "kind", "split", "source", "path", "licence", "credit")
    cutouts = [
        CutoutFiles(
            **_pick(row, keys),
            alpha=None,
            foreground=selection.locate(row, root),
            weak_category=row["category"],
            known={column: row[name] for column, name in KNOWN.items() if row[name]},
            faces=tuple(selection.face_boxes(row["faces"])),
            clean=True,
        )
        for row in rows
    ]
    take(source, cutouts, least=least or 0, deep=deep)
    keys = ("name", "split", "source", "path", "category", "licence", "credit")
    source.backgrounds = [BackgroundFile(**_pick(row, keys), file=selection.locate(row, root)) for row in places]
    source.report.counts += [
        Count("cut-outs", len(source.cutouts), len(rows)),
        Count("backgrounds", len(source.backgrounds), len(places)),
    ]
    return source


def _pick(row: dict[str, str], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: row[key] for key in keys}
