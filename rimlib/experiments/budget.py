"""Budget against quality: how CLIPMat and CLIPSeg get better with the steps of their training.

Not in the paper. A row has a quarter, a half, all or twice the steps of the profile, and its whole schedule in them:
the rates fall to zero at its own end, so a row is no early look at the next. The profile's own steps are the trainings
of Table 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib import profile as profiles
from rimlib.experiments import seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import OPTIONS, Change, rows_on_sets, steps_of
from rimlib.profile import Profile
from rimlib.training.record import Record

__all__ = ["OPTIONS", "VARIES", "rows", "tables"]

VARIES = ("steps",)  # what the rows of the table differ in by intent
SHARES = {  # by row: the share of the profile's steps, and what that is
    "quarter": (0.25, "a quarter of the steps"),
    "half": (0.5, "half the steps"),
    "all": (1.0, "the profile as it is"),
    "twice": (2.0, "twice the steps"),
}
METHODS = ("clipmat", "clipseg")


def changes_of(profile: Profile) -> tuple[Change, ...]:
    """The rows of a profile. Raises RimError where it counts epochs or minutes."""
    steps = steps_of(profile)
    return tuple(
        Change(
            f"{method}-{name}",
            () if share == 1 else (f"train.steps={max(1, round(share * steps))}",),
            what,
            method=method,
        )
        for method in METHODS
        for name, (share, what) in SHARES.items()
    )


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows, as `trained.rows_on_sets` has them."""
    return rows_on_sets(changes_of(profiles.load(options.profile or "tiny")), options)


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each row and set, over its seeds."""
    changes = changes_of(profiles.load("tiny"))  # any profile: the names and their order are the same
    return {"budget": seeds.table_of(found, changes, ("localised", "sad", "sad_ratio"))}
