"""What the small CLIP should compare: regions, whole images, or both.

Not in the paper, which starts from OpenAI's CLIP. Each row trains from the same random weights, on the same scenes and
captions for the same number of steps, with other weights of the two contrasts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.experiments.frame import Row
from rimlib.experiments.seeds import over_seeds
from rimlib.experiments.trained import OPTIONS, Change, chosen_of, seeds_of
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository
from rimlib.training.clip import pretrain_clip
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

CHANGES = (
    Change("both", (), "regions, and whole images with a quarter of the weight"),
    Change("regions", ("clip.images=0",), "the regions' contrast alone"),
    Change("whole-images", ("clip.regions=0", "clip.images=1"), "the whole images' alone, as in CLIP"),
)
NAMES = tuple(change.name for change in CHANGES)
STEPS = 2 / 5  # of the profile's own, 600 of `tiny`'s 1,500
MEASURED = {"pairs": "pairs", "regions": "regions", "regions_chance": "regions, a guess", "images": "images"}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows; a wrong setting or name is refused before the first training."""
    base = base_of(profiles.load(options.profile or "tiny"))
    if options.images is not None:
        message = f"--images {options.images}: this experiment measures on all held-out images; leave it out"
        raise RimError(message, setting="images")
    return _rows(base, chosen_of(CHANGES, options.rows), seeds_of(options.seeds), options)


def base_of(profile: Profile) -> Profile:
    """The profile with fewer steps of its CLIP. Raises RimError where it counts epochs or minutes."""
    if profile.clip.steps is None:
        message = f"profile {profile.name}: clip.steps is null; this experiment needs a number of steps, such as 1500"
        raise RimError(message, setting="clip.steps")
    return profiles.with_settings(profile, (f"clip.steps={max(1, round(STEPS * profile.clip.steps))}",))


def _rows(base: Profile, chosen: list[Change], seeds: list[int], options: argparse.Namespace) -> Iterator[Row]:
    data = build(base.data, folder_of(base), splits=("train", "seen"), workers=1)
    folder = Path(options.runs or repository() / "runs/experiments")
    scored_on = RefMatte(data, "seen").fingerprint
    for seed in seeds:
        for change in chosen:
            changes = [*change.settings, f"clip.seed={seed}"]
            trained = replace(profiles.with_settings(base, changes), seed=seed)
            about = {
                "change": change.name,
                "changes": changes,
                "method": "clip",
                "what": change.what,
                "steps": trained.clip.steps,
                "batch": trained.clip.batch,
                "scored_on": scored_on,
            }
            out = folder / f"{base.name}-clip-{change.name}-seed{seed}"
            yield Row(f"{change.name}-seed{seed}", trained, about, _measure(trained, data, out, options), device="cpu")


def _measure(trained: Profile, data: Path, out: Path, options: argparse.Namespace) -> Any:
    def measure(stages: Any) -> dict[str, Any]:
        with stages("training"):
            run = pretrain_clip(trained, data, out, resume=not options.fresh)
        return {"training": {key: run["metrics"][key] for key in ("steps", "minutes")}, "log": run["log"]} | {
            when: run["metrics"][when] for when in ("before", "after")
        }

    return measure


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each row, over its seeds: how well regions and captions find each other, on new scenes."""
    order = sorted(found, key=lambda record: (record["profile"], NAMES.index(record["about"]["change"])))
    lines = [
        {
            "profile": record["profile"],
            "change": record["about"]["change"],
            "what": record["about"]["what"],
            "steps": record["about"]["steps"],
            **{title: record["metrics"]["after"][name] for name, title in MEASURED.items()},
            "minutes": record["metrics"]["training"]["minutes"],
        }
        for record in order
    ]
    return {"pretraining": over_seeds(lines, ("profile", "change", "what", "steps"))}
