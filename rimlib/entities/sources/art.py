"""The large pool: the pictures of the shipped pool at their own resolution, read from the installed art packages.

The tables `selection.csv` and `backgrounds.csv` of the shipped pool say which, and what a person saw in each; faces are blurred,
specks dropped and hard edges softened as there, and nothing is made smaller.
"""

from __future__ import annotations

from pathlib import Path

from rimlib.entities import starter
from rimlib.entities.sources.common import Backdrop, Cutting, Source, check_pixels, check_sizes
from rimlib.entities.sources.report import Count, Report

COLUMNS = {
    "category": "category",
    "color": "color",
    "gender": "gender",
    "age": "age_group",
    "clothes": "clothes",
    "salient": "salient",
    "transparent": "transparent",
    "wispy": "wispy",
    "person": "person",
}


def read(root: str | Path = "/", deep: bool = False, least: int | None = None) -> Source:
    """All pictures of the tables.

    Args:
        root: where the Debian packages are installed (`/`), or a folder that holds each of them unpacked (see `starter.rebuild`).
        least: pixels of the shorter side below which a cut-out is left out.

    Raises:
        RimError: a picture is missing; the message names the package to install.
    """
    root = Path(root)
    rows, background_rows = starter._read_selection("selection.csv"), starter._read_selection("backgrounds.csv")
    test = starter._test_split(rows)
    source = Source("art", Report("art packages", str(root)))
    cuttings = []
    for row in rows:
        path = starter.locate(row, root)
        faces = (
            tuple(tuple(round(float(number)) for number in box.split()) for box in row["faces"].split(";"))
            if row["faces"]
            else ()
        )
        cuttings.append(
            Cutting(
                name=row["name"],
                kind=row["kind"],
                split="test" if row["name"] in test else "train",
                source=row["source"],
                path=row["path"],
                alpha=None,
                foreground=path,
                licence=row["licence"],
                credit=row["credit"],
                weak_category=row["category"],
                known={
                    "split": "test" if row["name"] in test else "train",
                    **{new: row[old] for old, new in COLUMNS.items() if row[old]},
                },
                faces=faces,
                clean=True,
            )
        )
    sizes = check_sizes(cuttings, root, source.report)
    if deep:
        check_pixels(cuttings, root, source.report)
    for cutting in cuttings:
        if cutting in sizes and min(sizes[cutting]) < (least or 0):
            source.left_out.append(cutting)
            source.report.left_out.append(
                f"{cutting.path} ({cutting.name}): the shorter side has {min(sizes[cutting])} pixels; "
                f"{least} are asked for"
            )
        else:
            source.cuttings.append(cutting)
    source.backdrops = [
        Backdrop(
            row["name"],
            "test" if position % starter.BACKGROUND_TEST_STEP == 0 else "train",
            row["source"],
            row["path"],
            starter.locate(row, root),
            row["category"],
            row["licence"],
            row["credit"],
        )
        for position, row in enumerate(background_rows)
    ]
    source.report.counts += [
        Count("cut-outs", len(source.cuttings), len(rows)),
        Count("backgrounds", len(source.backdrops), len(background_rows)),
    ]
    return source


def check(root: str | Path = "/", deep: bool = False) -> Report:
    return read(root, deep).report
