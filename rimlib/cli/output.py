"""What commands of the data engine share: the types of their parsers, and how counts are printed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

Commands = Any  # argparse has no public name for what `add_subparsers` returns
Add = Callable[..., argparse.ArgumentParser]


def print_values(values: dict[str, Any], as_json: bool) -> None:
    """One JSON value, or one line for each number, its path before it."""
    if as_json:
        print(json.dumps(values))
        return
    for name, value in _lines(values):
        text = (
            f"{value:,}"
            if isinstance(value, int)
            else f"{value:.4g}"
            if isinstance(value, float)
            else "-"
            if value is None
            else str(value)
        )
        print(f"{text:>12}  {name}")
    sys.stdout.flush()


def _lines(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        name = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            yield from _lines(value, name)
        else:
            yield name, value
