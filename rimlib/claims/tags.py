"""Sentences and tables of our pages that are tagged as claims, and the numbers in them.

A tag is an HTML comment on a line of its own, above a paragraph or a table:

    <!-- claim: table3 experiment-table3-tiny-tsp-seed1#metrics.sets -->

It names what holds the numbers below it, one thing or several: a table of `results/claims.yaml`, or a record in
`results/runs/`, where `#` and a path may name a part of it. Each number below must be one that is held there, rounded
to the digits that are shown, a share also in percent. Numbers in code, in links and in names ("Table 3", "ViT-B/16",
"95 %" of an interval) are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rimlib import printed
from rimlib.errors import RimError, nearest
from rimlib.io.files import read_json

TAG = re.compile(r"<!--\s*claim\b:?(.*?)-->")
NUMBER = re.compile(r"(?<![\w./^-])-?(\d[\d,]*(?:\.\d+)?)(?:\s?(%))?(?![\w/])")
NO_NUMBERS = re.compile(  # what may have digits and claims nothing
    r"`[^`]*`|\]\([^)]*\)|\{[\w:]+\}`[^`]*`|https?://\S+|95 %"
    r"|\b(?:Tables?|Secs?\.|Eqs?\.|Figures?|rows?|levels?|seeds?)\s[A-Z]?\d[\d.]*(?:(?:,| and| to)\s[A-Z]?\d[\d.]*)*"
)


def pages(root: Path) -> list[Path]:
    """The pages of a repository that may have tags: the README, the book, and the chapters as text."""
    return [root / "README.md", *sorted((root / "book").glob("*.md")), *sorted((root / "notebooks").glob("*.py"))]


def check(root: Path, files: list[Path] | None = None) -> list[str]:
    """A line for each tag that names nothing, and for each number that nothing holds; [] where all is well."""
    return [line for path in (pages(root) if files is None else files) for line in _page(path, root)]


def _page(path: Path, root: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RimError(f"{path}: cannot be read as text: {error}", path=path) from None
    if path.suffix == ".py":  # a cell of text: each of its lines is a comment
        lines = [line.removeprefix("#").removeprefix(" ") if line.startswith("#") else "" for line in lines]
    name = path.relative_to(root) if path.is_relative_to(root) else path
    for number, line in enumerate(lines):
        if not (tag := TAG.search(line)):
            continue
        where = f"{name}, line {number + 1}"
        held: list[float] = []
        sources = tag[1].replace(",", " ").split()
        if not sources:
            yield f"{where}: a claim without a record; a tag is <!-- claim: NAME -->, of a table or a record"
        for source in sources:
            try:
                held += _held(source, root)
            except RimError as error:
                yield f"{where}: {error}"
                break
        else:
            block = _block(lines, number + 1)
            if sources and not block:
                yield f"{where}: nothing is below this tag; it stands above a paragraph or a table"
            for text in _numbers(block) if sources else ():
                if not _is_held(text, held):
                    yield f"{where}: {text} is not in {', '.join(sources)}"


def _block(lines: list[str], start: int) -> str:
    """The lines from `start` to the next empty one."""
    found = []
    for line in lines[start:]:
        if not line.strip():
            break
        found.append(line)
    return "\n".join(found)


def _numbers(text: str) -> list[str]:
    """The numbers of a paragraph or a table, as they are written.

    >>> _numbers("ViT-B/16 has 0.56 of its error (Table 2), 45,000 images and 83.1 % of `3` in Sec. 5.1.")
    ['0.56', '45,000', '83.1 %']
    """
    return [found[0].strip() for found in NUMBER.finditer(NO_NUMBERS.sub(" ", text))]


def _is_held(text: str, held: list[float]) -> bool:
    """Is a number as it is written one of some values?

    >>> _is_held("83.1 %", [0.8312]), _is_held("0.56", [0.5583]), _is_held("0.56", [0.57])
    (True, True, False)
    """
    plain, percent = text.rstrip("% \u00a0").replace(",", ""), text.endswith("%")
    digits = len(plain.partition(".")[2])
    values = [*held, *(100 * value for value in held)] if percent else held
    return any(abs(abs(value) - abs(float(plain))) <= 0.5 * 10**-digits * (1 + 1e-9) for value in values)


def _held(source: str, root: Path) -> list[float]:
    """The numbers that a table of the paper has, or a record. Raises RimError where there is no such thing."""
    name, _, part = source.partition("#")
    if name in printed.tables():
        return [number.value for number in printed.tables()[name].numbers.values()]
    folder = root / "results" / "runs"
    path = folder / f"{name}.json"
    if not path.is_file():
        known = [*printed.tables(), *(path.stem for path in folder.glob("*.json"))]
        raise RimError(f"claim {name!r}{nearest(name, known)}: no table of the paper, and no record in results/runs/")
    found: Any = read_json(path)
    for step in filter(None, part.split(".")):
        if not isinstance(found, dict) or step not in found:
            raise RimError(f"claim {source!r}: the record has no {part}")
        found = found[step]
    return list(_leaves(found))


def _leaves(tree: Any) -> Iterator[float]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for below in tree:
            yield from _leaves(below)
    elif isinstance(tree, (int, float)) and not isinstance(tree, bool):
        yield float(tree)
