"""The paper's Table 11: the layers of CLIPMat with ViT-B/16, as they are built here.

Paper: S3. One row, `layers`, of the profile `paper-b16`: the sizes that a forward pass has, the parameters, and of a
layer its kernel, width, stride, heads and how often it is repeated. The table row by row, with the reason of each
difference, is `python -m rimlib.evaluation.table11`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.evaluation import table11
from rimlib.experiments.frame import Row
from rimlib.training.record import Record

OPTIONS: tuple[str, ...] = ()
PROFILES = {"expression": "paper-b16", "keyword": "paper-b16-keyword"}
PROFILE = PROFILES["expression"]


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The one row. Raises RimError for another profile: the table is of the paper's sizes."""
    name = options.profile or PROFILE
    if name != PROFILE:
        raise RimError(f"--profile {name}: must be {PROFILE}, the paper's sizes", setting="profile")
    profile = profiles.load(name)

    def measure(stages: Any) -> dict[str, Any]:
        with stages("layers"):
            model = table11.empty_model(profile.name)
            table = table11.rows(model=model)
            return {"sets": layers(model, table), "parameters": table11.summary(table)["parameters"]}

    yield Row("layers", profile, {}, measure, device="cpu")


def layers(model: CLIPMat, table: list[table11.Row]) -> dict[str, dict[str, Any]]:
    """By "part, block" what Table 11 prints of it: sizes, the length of a keyword's text, and the layer's numbers.

    MDE's four levels, which the table has once, are one where they agree.

    Args:
        model: of the expression setting.
        table: its rows.
    """
    keyword = profiles.load(PROFILES["keyword"]).model
    found: dict[str, dict[str, Any]] = {}
    for row, numbers in zip(table, table11.layer_numbers(model)):
        sizes = {f"size_{place}": size for place, size in enumerate(row.measured, start=1)}
        if row.measured[0] == model.text_length + len(model.context.vectors):
            sizes["of_keywords"] = keyword.text_length + keyword.context
        here = {**sizes, **numbers, "parameters": row.parameters}
        name = f"{row.part.partition(',')[0]}, {row.block}"
        before = found.get(name, here)
        found[name] = {key: value for key, value in here.items() if before.get(key) == value}
    return found


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each row of the table."""
    return {
        "table_11": [
            {"part": name.rpartition(", ")[0], "block": name.rpartition(", ")[2], **numbers}
            for record in found
            for name, numbers in record["metrics"]["sets"].items()
        ]
    }
