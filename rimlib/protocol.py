"""The paper's experiment, setting by setting: what it prints and where, what the profiles `paper-*` have, and why.

Paper: Sec. 5.1, S4.1, S4.2. The table is `protocol.yaml`. The profiles have these values, which a test compares; the
book shows the table.

    python -m rimlib.protocol train
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rimlib.errors import RimError, nearest
from rimlib.settings_file import read_yaml

FILE = Path(__file__).parent / "protocol.yaml"
PROFILES = ("paper-b16", "paper-l14", "paper-b16-keyword", "paper-l14-keyword")
CHOICES = ({"b16", "l14"}, {"expression", "keyword"})  # what a value may depend on
NOT_THERE = ("name", "clip")  # a profile's name; our own small CLIP, where the paper takes OpenAI's
FACTS = "facts"


class Row(NamedTuple):
    """One setting, or a fact that is none."""

    name: str  # as in a profile: "train.lr"; of a fact, its own
    paper: str  # "same" as ours, "none" where the paper prints nothing, or what it prints
    where: str  # it is printed, or would be: section, table, or the earlier work that the paper follows
    ours: Any  # the value; a dict where it depends on the encoder or the setting
    why: str  # where ours is not what is printed
    code: str = ""  # of a fact: what does it

    def value(self, profile: str) -> Any:
        """Our value in one of `PROFILES`."""
        return _choose(self.ours, profile)


@cache
def rows(section: str = "") -> tuple[Row, ...]:
    """The rows of a section of the profiles, or of "facts"; "": all, in the order of the profiles.

    >>> [row.value("paper-l14-keyword") for row in rows("train") if row.name in ("train.images", "train.setting")]
    [4, 'keyword']
    """
    table = read_yaml(FILE, FILE.name)
    if section and section not in table:
        raise RimError(f"section {section!r}: unknown{nearest(section, table)}", setting="section")
    return tuple(row for name in ([section] if section else table) for row in _rows(table[name], name))


def table(section: str = "") -> list[dict[str, str]]:
    """The rows as a reader sees them: setting, the paper's value and its place, ours, why."""
    return [
        {
            "setting": row.name.removeprefix(f"{section}."),
            "the paper": {"same": _text(row.ours), "none": "–"}.get(row.paper, row.paper) + f" ({row.where})",
            "ours": "the same" if row.paper == "same" else _text(row.ours),
            "why": row.why,
        }
        for row in rows(section)
    ]


def markdown(section: str = "") -> str:
    """The table in Markdown.

    >>> print(markdown("evaluate").splitlines()[2])
    | template | a photo of a {keyword} (S4.3.2) | the same |  |
    """
    found = table(section)
    names = list(found[0])
    lines = [names, *([row[name].replace("|", "/") for name in names] for row in found)]
    head, *body = [f"| {' | '.join(cells)} |\n" for cells in lines]
    return "".join([head, f"|{':--|' * len(names)}\n", *body])


def _rows(branch: dict[str, Any], name: str) -> Iterator[Row]:
    if "where" in branch:
        yield Row(name, branch["paper"], branch["where"], branch["ours"], branch.get("why", ""), branch.get("code", ""))
    else:
        for part, below in branch.items():
            yield from _rows(below, f"{name}.{part}")


def _choose(ours: Any, profile: str) -> Any:
    """The value for a profile, of a tree of choices between encoders and between settings."""
    has = {"l14" if "l14" in profile else "b16", "keyword" if profile.endswith("keyword") else "expression"}
    while isinstance(ours, dict):
        (key,) = has & ours.keys()
        ours = ours[key]
    return ours


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "(" + ", ".join(map(_text, value)) + ")"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "null"}[value]
    if isinstance(value, float) and 0 < value < 1e-3:
        mantissa, exponent = f"{value:e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    print(markdown(*sys.argv[1:2]), end="")
