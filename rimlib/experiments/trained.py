"""Rows that are trainings: a profile with some settings changed, trained on the same steps as the others, and scored.

A training that was stopped goes on where it was; its folder is named after the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat
from rimlib.experiments.frame import Row
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import clipmat as training

Score = Callable[[CLIPMat], dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """What a row changes.

    Attributes:
        name: of the row.
        settings: as `rim train --set` takes them, "model.coordinates=false"; (): nothing.
        what: it is, in words.
    """

    name: str
    settings: tuple[str, ...]
    what: str


def row(change: Change, base: Profile, folder: Path, score: Score, scored_on: Path) -> Row:
    """The row of a change.

    Args:
        change: of the base's settings.
        base: the profile that all rows have in common.
        folder: of the trainings; each has one of its own in it.
        score: measures the trained model.
        scored_on: the data set that `score` looks at.

    Raises:
        RimError: a setting that does not exist, or a value out of its range.
    """
    profile = profiles.with_settings(base, change.settings)
    about = {
        "changes": list(change.settings),
        "what": change.what,
        "steps": profile.train.steps,
        "images": profile.train.images,
        "data": asdict(profile.data),
        "scored_on": RefMatte(scored_on, "train").fingerprint,
    }

    def measure(stages: Any) -> dict[str, Any]:
        with stages("data"):
            data = build(profile.data, folder_of(profile), workers=1)
        with stages("training"):
            run = training.train(profile, data, folder / f"{base.name}-{change.name}")
        with stages("scoring"):
            found = score(CLIPMat.load(folder / f"{base.name}-{change.name}"))
        return {"training": run["metrics"], **found}

    return Row(change.name, profile, about, measure, device="cpu")
