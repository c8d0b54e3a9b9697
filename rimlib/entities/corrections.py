"""The table of corrections: what a person says of an entity, in place of the machine's word. Paper: Sec. 3.1, "manually check and correct".

A CSV file with a row for each corrected entity. An empty cell keeps the machine's word; `keep` 0 leaves the entity out, and 1 brings back
one that a source's filter left out.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable
from pathlib import Path

from rimlib.entities.entity import KINDS
from rimlib.errors import RimError
from rimlib.io import files

WORDS = ("category", "color", "gender", "age_group", "clothes", "salient", "transparent")  # what the annotation decides
OTHERS = ("kind", "split", "wispy", "person", "keep")
REMARKS = ("path", "weak_category", "note")  # for the reader of the table only
CHOICES = {
    "keep": ("0", "1"),
    "wispy": ("0", "1"),
    "split": ("train", "test"),
    "kind": KINDS,
}  # the words are checked where they are used


def read(path: str | Path) -> dict[str, dict[str, str]]:
    """Entity name → its filled cells.

    Raises:
        RimError: a file that can't be read, a column that has no meaning, a name twice, or a cell of another form; the line is named.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {files.reason(error)}") from error
    except UnicodeDecodeError as error:
        raise RimError(f"{path}: byte {error.start} is not UTF-8 text; a CSV table is expected") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = [column.strip() for column in reader.fieldnames or []]
    known = ("name", *WORDS, *OTHERS, *REMARKS)
    for column in columns:
        if column not in known:
            close = difflib.get_close_matches(column, known, n=1, cutoff=0.5)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise RimError(f"{path}: the column {column!r} has no meaning{hint}; known are {', '.join(known)}")
    if "name" not in columns:
        raise RimError(
            f"{path}: a table of corrections has a column `name`, found {', '.join(columns) or 'an empty file'}"
        )
    rows: dict[str, dict[str, str]] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row:
            raise RimError(f"{where}: has more cells than the {len(columns)} columns")
        cells = {column.strip(): (value or "").strip() for column, value in row.items()}
        name = cells.pop("name")
        if not name:
            raise RimError(f"{where}: the name is empty")
        if name in rows:
            raise RimError(f"{where}: {name!r} was in the table before; a name has one row")
        for column, choices in CHOICES.items():
            if cells.get(column) and cells[column] not in choices:
                raise RimError(
                    f"{where}: {column} of {name!r} is {cells[column]!r}; {' or '.join(choices)}, or an empty cell, is expected"
                )
        rows[name] = {column: value for column, value in cells.items() if value and column not in REMARKS}
    return rows


def write(path: str | Path, rows: Iterable[dict]) -> Path:
    """A table to fill in, with all columns, from rows that hold some of them."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(
        buffer, ("name", *REMARKS[:2], "kind", *WORDS, "keep"), restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return files.write_atomically(path, buffer.getvalue())
