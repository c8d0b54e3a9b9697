"""The tables of the shipped pool: which images of which packages, and what a person saw in each.

`selection.csv` lists the cut-outs, `backgrounds.csv` the backgrounds. The shipped pool was built from them, smaller and
with coarser files; the source `art` reads the same images at their own resolution.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from rimlib.errors import RimError

FOLDER = Path(__file__).parent.parent / "starter"
TEST_PEOPLE = 5  # persons whose images are all kept for the test split
BACKGROUND_TEST_STEP = 6  # every sixth background is a test background


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """The rows of a CSV file of ours, by its first line."""
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def cutouts(folder: str | Path = FOLDER) -> list[dict[str, str]]:
    """The rows of `selection.csv`, each with its `split`.

    The test split gets the last of every category of three or more, and whole persons: those with two or three images,
    enough to test on, while training keeps those with many.
    """
    rows = read_rows(Path(folder) / "selection.csv")
    categories, persons = defaultdict(list), defaultdict(list)
    for row in rows:
        if row["kind"] == "person":
            persons[row["person"]].append(row["name"])
        else:
            categories[row["category"]].append(row["name"])
    test = {max(names) for names in categories.values() if len(names) >= 3}
    held = sorted(person for person in persons if 2 <= len(persons[person]) <= 3)[-TEST_PEOPLE:]
    test.update(name for person in held for name in persons[person])
    return [{**row, "split": "test" if row["name"] in test else "train"} for row in rows]


def backgrounds(folder: str | Path = FOLDER) -> list[dict[str, str]]:
    """The rows of `backgrounds.csv`, each with its `split`."""
    rows = read_rows(Path(folder) / "backgrounds.csv")
    return [{**row, "split": "train" if place % BACKGROUND_TEST_STEP else "test"} for place, row in enumerate(rows)]


def locate(row: dict[str, str], root: Path) -> Path:
    """The file of a row: of a Debian package, or of a Python wheel, which is looked for on Python's path.

    Args:
        row: as from `cutouts` or `backgrounds`.
        root: where the Debian packages are installed (`/`), or a folder that holds each of them unpacked,
            `root/usr/share/…` or `root/x_NAME/usr/share/…`.

    Raises:
        RimError: it is not there; the message names the package to install.
    """
    source, wheel = row["source"], row["source"].startswith("scikit-")
    if wheel:
        import sysconfig

        candidates = [Path(sysconfig.get_paths()["purelib"]) / row["path"], root / source / row["path"]]
    else:
        candidates = [root / row["path"], root / f"x_{source}" / row["path"]]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    how = f"{'pip' if wheel else 'apt-get'} install {source}"
    raise RimError(f"{candidates[0]}: not found; it belongs to the package {source} ({how})", path=candidates[0])


def face_boxes(text: str) -> list[tuple[int, int, int, int]]:
    """The column `faces`: left, top, right, bottom in pixels for each face.

    >>> face_boxes("1 2 9 8;3 3.6 5 5")
    [(1, 2, 9, 8), (3, 4, 5, 5)]
    """
    boxes = []
    for box in filter(None, text.split(";")):
        left, top, right, bottom = (round(float(number)) for number in box.split())
        boxes.append((left, top, right, bottom))
    return boxes
