"""The paper's tables as rows, which stand beside those of an experiment.

Paper: Tables 3 and 6 to 10; Table 2 is a part of 6. Its numbers are of images of about 1.75 megapixels: beside ours
their order and their ratios can be read, not their size. The numbers are `results/claims.yaml`, see `printed`.
"""

from functools import cache
from typing import Any

from rimlib import printed


@cache
def table(name: int | str) -> tuple[dict[str, Any], ...]:
    """The rows of a table by its number, or by its name in the file without "table".

    >>> table(8)[0]["template"], table(8)[0]["sad"]
    ('{keyword}', 9.95)
    """
    found = printed.tables()[f"table{name}"]
    return tuple(
        {
            **({"scored on": part} if part else {}),
            found.about.get("name", "row"): row,
            **labels,
            **{
                number.column.key: number.value
                for (where, which, _), number in found.numbers.items()
                if (where, which) == (part, row)
            },
        }
        for (part, row), labels in found.labels.items()
    )
