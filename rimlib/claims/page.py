"""The page `book/claims.md`: each printed number with its state, and what it was compared with.

A test, and `rim claims --check`, compare the page with the records; `rim claims --page book/claims.md` writes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rimlib import printed
from rimlib.claims.states import DIFFERS, NOT, REPRODUCED, SAME, STATES, Result, counts
from rimlib.printed import Table

MARKS = {REPRODUCED: " =", SAME: " ~", DIFFERS: " ≠", NOT: ""}  # behind a number

INTRO = """# The paper's numbers, one by one

Every number that the paper's tables print, and what became of it here. The numbers are `results/claims.yaml`; their
states are computed from the records of `rim experiment` and never typed. `rim claims --page book/claims.md` writes this
page, and a test compares it with the records.

A number has a mark behind it:

| mark | state | what it means |
|:--|:--|:--|
| = | reproduced | the same to the last digit; only counts and sizes can be |
| ~ | same trend | our interval is on the paper's side of the row that it is compared with; or neither has an order |
| ≠ | differs | it is not; also where the paper has an order that our seeds do not decide |
| | not attempted | there is no record; the reason stands below the table |

Our models are small and so are their images: their errors are never compared with the paper's own, only rows of a
table with each other, as ratios. A ratio of ours has a 95 % interval: over seeds, seed by seed, by Student's
distribution; or, where one model is scored in several ways, over images. The paper has an order where its ratio is
farther from 1 than the relative deviation of its own seeds (Table 7: {noise}).

"""


def markdown(found: list[Result], noise: dict[str, float]) -> str:
    """The whole page.

    Args:
        found: a result for each number.
        noise: of the paper's seeds, by setting, relative.
    """
    shares = ", ".join(f"{setting} {100 * value:.1f} %" for setting, value in noise.items())
    parts = [INTRO.replace("{noise}", shares), _table(*_summary(found))]
    for table in printed.tables().values():
        parts += _section(table, [result for result in found if result.number.table == table.name])
    return "".join(parts)


def _summary(found: list[Result]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for table in printed.tables().values():
        here = counts([result for result in found if result.number.table == table.name])
        rows.append([_title(table), *map(str, here.values())])
    return ["table", "numbers", *STATES], [*rows, ["all", *map(str, counts(found).values())]]


def _title(table: Table) -> str:
    return f"{table.about['where'].partition(',')[0]}: {table.about['title']}"


def _section(table: Table, found: list[Result]) -> Iterator[str]:
    yield f"\n## {_title(table)}\n\nPrinted in {table.about['where']}."
    if table.experiment:
        yield f" Here: `rim experiment {table.experiment}`, profile `{table.profile}`."
    yield f" {table.about['notes']}\n\n" if "notes" in table.about else "\n\n"
    by_cell = {(result.number.part, result.number.row, result.number.column.name): result for result in found}
    names = table.about.get("labels", [])
    head = [*(["part"] if table.parts != ("",) else []), "row", *names, *table.columns]
    rows = []
    for (part, row), labels in table.labels.items():
        cells = [_cell(by_cell.get((part, row, column))) for column in table.columns]
        rows.append([*([part] if part else []), row, *(str(labels[name]) for name in names), *cells])
    yield _table(head, rows, len(names) + (2 if table.parts != ("",) else 1))
    compared = [result for result in found if result.ours]
    if compared:
        yield "\n"
        head = ["row", "column", "compared with", "the paper's ratio", "ours", "state"]
        yield _table(head, [_comparison(result) for result in compared], 3)
    yield from _reasons(result for result in found if result.why and not result.ours)


def _cell(result: Result | None) -> str:
    return "" if result is None else result.number.column.text(result.number.value) + MARKS[result.state]


def _comparison(result: Result) -> list[str]:
    number = result.number
    state = f"{result.state}: {result.why}" if result.why else result.state
    name = "/".join(filter(None, (number.part, number.row)))
    return [name, number.column.name, result.against, f"{result.theirs:.2f}", str(result.ours), state]


def _reasons(found: Iterable[Result]) -> Iterator[str]:
    """A line for each reason, with how many numbers have it and in which rows."""
    by_reason: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in found:
        by_reason[result.state, result.why].append(result)
    yield "\n" * bool(by_reason)
    for (state, why), those in by_reason.items():
        rows = dict.fromkeys("/".join(filter(None, (one.number.part, one.number.row))) for one in those)
        columns = dict.fromkeys(one.number.column.name for one in those)
        where = "".join(
            f"{', '.join(some)}: " for some in (rows if len(rows) <= 3 else {}, columns) if 0 < len(some) <= 3
        )
        yield f"* {where}{state}, {why} ({len(those)} number{'s' * (len(those) > 1)})\n"


def _table(head: list[str], rows: list[list[str]], texts: int = 1) -> str:
    """A table in Markdown; its first `texts` columns are aligned left."""
    marks = [":--" if place < texts else "--:" for place in range(len(head))]
    lines = [[cell.replace("|", "/") for cell in cells] for cells in (head, marks, *rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
