"""The paper's tables as data, which stand beside those of an experiment.

Paper: Tables 3 and 6 to 10; Table 2 is a part of 6. Its numbers are of images of about 1.75 megapixels: beside ours
their order and their ratios can be read, not their size.
"""

from functools import cache
from pathlib import Path
from typing import Any

from rimlib.settings_file import read_yaml

FILE = Path(__file__).parent / "paper.yaml"


@cache
def table(name: int | str) -> tuple[dict[str, Any], ...]:
    """The rows of a table by its number, or by its name in `paper.yaml`.

    >>> table(8)[0]["template"], table(8)[0]["sad"]
    ('{keyword}', 9.95)
    """
    found = read_yaml(FILE, FILE.name)[f"table_{name}"]
    return tuple(dict(zip(found["columns"], row)) for row in found["rows"])
