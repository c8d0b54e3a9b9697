"""The paper's Tables 1 and 5: RefMatte counted, as planned here from the paper's own numbers.

Paper: Sec. 3.3; S2.3. One row, `plan`, of the profile `paper-b16`: a plan needs no pixels. What the paper does not
print (the names of things, how often an attribute is chosen) is as in `refmatte.paper_pool`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.experiments.frame import Row
from rimlib.refmatte import format, paper_pool, plan, statistics
from rimlib.training.record import Record

OPTIONS: tuple[str, ...] = ()
PROFILE = "paper-b16"


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The one row. Raises RimError for another profile: the table is of the paper's sizes."""
    name = options.profile or PROFILE
    if name != PROFILE:
        raise RimError(f"--profile {name}: must be {PROFILE}, the paper's sizes", setting="profile")
    pool, data = paper_pool.pool(), paper_pool.settings()
    about = {"engine": plan.version(data), "pool": pool.fingerprint(), "settings": asdict(data)}

    def measure(stages: Any) -> dict[str, Any]:
        sets: dict[str, dict[str, Any]] = {}
        for split in ("train", "test"):
            with stages(split):
                scenes = plan.scenes(pool, data, split)
                counted = statistics.tally(
                    format.targets_of(scene, [pool[entity] for entity in scene.entities]) for scene in scenes
                )
            sets |= {f"{setting}, {split}": counted.row(setting) for setting in ("keyword", "expression")}
        return {"sets": sets}

    yield Row("plan", replace(profiles.load(name), data=data), about, measure)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """The table: a line for each setting and split."""
    return {
        "table_5": [
            {"setting": setting, "split": split, **record["metrics"]["sets"][f"{setting}, {split}"]}
            for record in found
            for setting in ("keyword", "expression")
            for split in ("train", "test")
        ]
    }
