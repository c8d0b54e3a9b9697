"""The table of corrections: what an annotator writes of an entity, in place of the automatic label.

Paper: Sec. 3.1, "manually check and correct". A CSV file with a row for each corrected entity. An empty cell keeps the
automatic label; `keep` 0 leaves the entity out, and 1 brings back one that a source's filter left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from rimlib.entities.entity import ATTRIBUTES, KINDS
from rimlib.errors import RimError, nearest
from rimlib.io import files

REMARKS = ("path", "weak_category", "note")  # for the reader of the table only
CHOICES = {"kind": KINDS, "split": ("train", "test"), "wispy": ("0", "1"), "keep": ("0", "1")}
COLUMNS = ("name", *ATTRIBUTES, *CHOICES, "person", *REMARKS)  # the attributes are checked where they are used


def read(path: str | Path) -> dict[str, dict[str, str]]:
    """Entity name → its filled cells.

    Raises:
        RimError: a file that can't be read, an unknown column, a name twice, or a cell of another form; the line is
            named.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {files.reason(error)}", path=path) from error
    except UnicodeDecodeError as error:
        message = f"{path}: byte {error.start} is not UTF-8 text; a CSV table is expected"
        raise RimError(message, path=path) from error

    def refuse(message: str, column: str | None = None) -> RimError:
        return RimError(f"{path}{message}", path=path, setting=column)

    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = [column.strip() for column in reader.fieldnames or []]
    for column in columns:
        if column not in COLUMNS:
            hint = f"{nearest(column, COLUMNS)}; known are {', '.join(COLUMNS)}"
            raise refuse(f": the column {column!r} has no meaning{hint}", column)
    if "name" not in columns:
        raise refuse(f": a table of corrections has a column `name`, found {', '.join(columns) or 'an empty file'}")
    rows: dict[str, dict[str, str]] = {}
    for row in reader:
        line = f", line {reader.line_num}"
        if None in row:
            raise refuse(f"{line}: has more cells than the {len(columns)} columns")
        cells = {column.strip(): (value or "").strip() for column, value in row.items()}
        name = cells.pop("name")
        if not name:
            raise refuse(f"{line}: the name is empty", "name")
        if name in rows:
            raise refuse(f"{line}: {name!r} was in the table before; a name has one row", "name")
        for column, choices in CHOICES.items():
            if cells.get(column) and cells[column] not in choices:
                wanted = f"{' or '.join(choices)}, or an empty cell, is expected"
                raise refuse(f"{line}: {column} of {name!r} is {cells[column]!r}; {wanted}", column)
        rows[name] = {column: value for column, value in cells.items() if value and column not in REMARKS}
    return rows


def write(path: str | Path, rows: Iterable[dict]) -> Path:
    """A table to fill in, with all columns, from rows that hold some of them."""
    buffer = io.StringIO(newline="")
    columns = ("name", "path", "weak_category", "kind", *ATTRIBUTES, "keep")
    writer = csv.DictWriter(buffer, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return files.write_atomically(path, buffer.getvalue())
