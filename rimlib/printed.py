"""Every number that the paper's tables print, read from `results/claims.yaml`.

Paper: Tables 1 to 3; supplement, Tables 1 and 5 to 11. A table is data: rows of labels and numbers, where it is
printed, and which experiment's records have the same rows and columns here. What follows from those records is in
`rimlib.claims`. What a table may have is checked where it is read, which makes this file long.

>>> tables()["table3"].number("tsp", "SAD").value
18.28
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rimlib.errors import RimError, nearest
from rimlib.repository import repository
from rimlib.settings_file import read_yaml

COLUMN = {"key": str, "digits": int, "unit": str}
TABLE = {  # what a table may have, and as what
    **{"title": str, "where": str, "columns": list, "labels": list, "rows": dict, "parts": dict, "exact": bool},
    **{"experiment": (str, type(None)), "profile": str, "row": str, "set": str, "against": dict, "setting": str},
    **{"not_attempted": dict, "notes": str, "name": str, "refined": dict},
}
PART = {"rows": dict, "set": str}
KINDS = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list [a, b]",
    dict: "lines `name: value`",
}


@dataclass(frozen=True)
class Column:
    """A column of numbers: its name, the metric of a record that is the same, digits behind the point, and the unit."""

    name: str
    key: str
    digits: int
    unit: str

    def text(self, value: float) -> str:
        """A value as the paper prints it."""
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True)
class Number:
    """One printed number.

    Attributes:
        table: its name in the file, such as "table3".
        part: of the table; "" where it has no parts.
        row: its name.
        column: with the unit and the digits.
        value: as printed.
        where: it is printed.
    """

    table: str
    part: str
    row: str
    column: Column
    value: float
    where: str

    @property
    def name(self) -> str:
        """Table, part, row and column: "table3/tsp/SAD"."""
        return "/".join(filter(None, (self.table, self.part, self.row, self.column.name)))


@dataclass(frozen=True)
class Table:
    """A table as the file has it, see the lines at its top.

    Attributes:
        name: in the file.
        numbers: by part, row and column; what is not printed is not there.
        labels: of the rows, by part and row.
        sets: the set of a record's metrics, by part.
        about: all else that the file has of it.
    """

    name: str
    numbers: dict[tuple[str, str, str], Number]
    labels: dict[tuple[str, str], dict[str, Any]]
    sets: dict[str, str]
    profile: str
    about: dict[str, Any] = field(repr=False)

    def number(self, row: str, column: str, part: str = "") -> Number:
        """One number. Raises KeyError where none is printed."""
        return self.numbers[part, row, column]

    def values(self, column: str, part: str = "") -> dict[str, float]:
        """The numbers of a column, by row.

        >>> tables()["table9"].values("SAD", "RW100")["free"]
        157.34
        """
        return {
            number.row: number.value
            for (where, _, name), number in self.numbers.items()
            if (where, name) == (part, column)
        }

    @property
    def parts(self) -> tuple[str, ...]:
        """Their names; ("",) where it has none."""
        return tuple(dict.fromkeys(part for part, _ in self.labels))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of numbers."""
        return tuple(self.about["columns"])

    @property
    def experiment(self) -> str | None:
        """Whose records speak to it."""
        return self.about.get("experiment")

    @property
    def exact(self) -> bool:
        """Whether a number here must be the printed one to its last digit."""
        return self.about.get("exact", False)

    def record_row(self, part: str, row: str) -> str:
        """The row of the experiment that a row of the table is."""
        return _filled(self.about.get("row", "{row}"), part, self.about.get("refined", {}).get(row, row))

    def record_set(self, part: str, row: str) -> str:
        """The set of the record's metrics that a row of the table is scored on."""
        return _filled(self.sets[part], part, row) + (", refined" if row in self.about.get("refined", {}) else "")

    def against(self, part: str, row: str) -> tuple[str, str] | None:
        """Part and row that a row is compared with; None: itself, the others are compared with it."""
        rules = self.about.get("against", {})
        rule = rules.get(row, rules.get("*"))
        if rule is None:
            return None
        other = _filled(rule, part, row)
        where = (part, other) if (part, other) in self.labels else tuple(other.split("/", 1))
        return None if where == (part, row) else where  # type: ignore[return-value]

    def why_not(self, row: str, column: str) -> str:
        """Why a number is not attempted; "" where it is."""
        reasons = self.about.get("not_attempted", {})
        return next((reasons[key] for key in (row, column, "*") if key in reasons), "")


def path() -> Path:
    """The file, in the repository."""
    return repository() / "results" / "claims.yaml"


@cache
def tables(file: Path | None = None) -> dict[str, Table]:
    """All tables, by name, as `file` (None: `path()`) has them.

    Raises:
        RimError: a line that cannot be: it names the file, the table and the row, what was found, what is expected.
    """
    file = path() if file is None else file
    where = f"results/{file.name}" if file == path() else str(file)
    if not file.is_file():
        raise RimError(f"{where}: no such file", path=file)
    values = read_yaml(file, where)
    _only(values, {"profile": str, "columns": dict, "tables": dict}, where)
    columns = {}
    for name, about in values["columns"].items():
        _only(about, COLUMN, f"{where}: column {name}", COLUMN)
        columns[str(name)] = Column(str(name), **about)
    return {name: _table(name, about, columns, values["profile"], where) for name, about in values["tables"].items()}


def numbers(file: Path | None = None) -> Iterator[Number]:
    """All numbers, table by table."""
    for table in tables(file).values():
        yield from table.numbers.values()


def _table(name: str, about: Any, columns: dict[str, Column], profile: str, where: str) -> Table:
    where = f"{where}: {name}"
    _only(about, TABLE, where, ("title", "where", "columns"))
    for column in about["columns"]:
        if column not in columns:
            raise RimError(f"{where}: column {column!r}{nearest(str(column), columns)}: not among the columns above")
    if ("rows" in about) == ("parts" in about):
        raise RimError(f"{where}: rows or parts are expected, found {'both' if 'rows' in about else 'neither'}")
    parts = about.get("parts") or {"": {"rows": about["rows"]}}
    for part, below in parts.items():
        _only(below, PART, f"{where}, part {part}" if part else where, ("rows",))
    given = [columns[column] for column in about["columns"]]
    found, labels, sets = {}, {}, {}
    for part, below in parts.items():
        sets[part] = below.get("set", about.get("set", ""))
        for row, cells in below["rows"].items():
            here = f"{where}, {part}, row {row}" if part else f"{where}, row {row}"
            names = about.get("labels", [])
            labels[part, str(row)] = dict(zip(names, _cells(cells, names, given, here)))
            for column, value in zip(given, cells[len(names) :]):
                if value is not None:
                    number = Number(name, part, str(row), column, value, about["where"])
                    found[part, str(row), column.name] = number
    table = Table(name, found, labels, sets, about.get("profile", profile), about)
    _names(table, where)
    return table


def _cells(cells: Any, labels: list[str], columns: list[Column], where: str) -> list[Any]:
    """The cells of a row. Raises RimError for another number of them, or for one that is no such number."""
    wanted = len(labels) + len(columns)
    if not isinstance(cells, list) or len(cells) != wanted:
        count = f"{len(cells)} cells" if isinstance(cells, list) else repr(cells)
        names = ", ".join([*labels, *(column.name for column in columns)])
        raise RimError(f"{where}: found {count}, expected {wanted}: {names}")
    for name, value in zip(labels, cells):
        if not isinstance(value, str):
            raise RimError(
                f"{where}, {name}: found {value!r}, expected a text (in quotes, where YAML reads another thing)"
            )
    for column, value in zip(columns, cells[len(labels) :]):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RimError(f"{where}, {column.name}: found {value!r}, expected a number, or ~ for none")
        if value < 0 or round(value, column.digits) != value:
            what = f"{column.digits} digits behind the point" if column.digits else "a whole number"
            raise RimError(f"{where}, {column.name}: found {value}, expected 0 or more, {what}")
    return cells


def _names(table: Table, where: str) -> None:
    """Refuse names of rows and columns that the table does not have."""
    rows = {row for _, row in table.labels}
    known_names = {"against": {*rows, "*"}, "not_attempted": {*rows, *table.columns, "*"}, "refined": rows}
    for key, known in known_names.items():
        for name in table.about.get(key, {}):
            if name not in known:
                raise RimError(f"{where}, {key}: {name!r}{nearest(str(name), known)}: no row or column of the table")
    for part, row in table.labels:
        other = table.against(part, row)
        if other is not None and other not in table.labels:
            raise RimError(f"{where}, against: {'/'.join(other)}: no row of the table; row {row} is compared with it")


def _only(values: Any, kinds: dict[str, Any], where: str, needed: Any = None) -> None:
    """Refuse what is no mapping, has a name that is not of `kinds`, a value of another kind, or lacks one `needed`."""
    if not isinstance(values, dict):
        raise RimError(f"{where}: found {values!r}, expected lines of {', '.join(kinds)}")
    for name, value in values.items():
        if name not in kinds:
            raise RimError(f"{where}: {name!r}{nearest(str(name), kinds)}: expected some of {', '.join(kinds)}")
        if not isinstance(value, kinds[name]) or (kinds[name] is int and isinstance(value, bool)):
            kind = kinds[name][0] if isinstance(kinds[name], tuple) else kinds[name]
            raise RimError(f"{where}, {name}: found {value!r}, expected {KINDS[kind]}")
    for name in kinds if needed is None else needed:
        if name not in values:
            raise RimError(f"{where}: {name} is missing")


def _filled(text: str, part: str, row: str) -> str:
    return text.replace("{row}", row).replace("{part}", part)
