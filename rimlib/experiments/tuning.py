"""How the baselines were tuned: each has as many trials as CLIPMat's recipe has parts, every one a change of one thing.

Not in the paper, whose baselines start from weights of PhraseCut. Ours start from the small CLIP alone, and what their
authors chose for large models need not suit them. Trials take half the steps of the tables, and are scored on scenes of
their own: those of the tables are seen once, with what was chosen here. The settings of the tables are those of the
profile (`baselines`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rimlib import profile as profiles
from rimlib.evaluation.evaluate import scores_on
from rimlib.experiments import seeds
from rimlib.experiments.frame import Row
from rimlib.experiments.trained import OPTIONS, Change, Plan, steps_of
from rimlib.profile import Profile
from rimlib.refmatte.build import build, folder_of
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.record import Record

__all__ = ["OPTIONS", "rows", "tables"]

RATES = {"clipseg": 1e-3, "mdetr": 4e-4}
# Where each begins, whatever has been chosen for the profile since.
START: dict[str, tuple[str, ...]] = {
    method: (f"baselines.{method}.lr={rate}", f"baselines.{method}.alpha=0") for method, rate in RATES.items()
}
START["mdetr"] += ("baselines.mdetr.clip_norm=0.1",)
WEAK, STRONG = {"clipseg": 1, "mdetr": 10}, {"clipseg": 4, "mdetr": 40}  # MDETR's own losses are ten times as large


def _trials(method: str) -> tuple[Change, ...]:
    own = f"baselines.{method}"
    lr = RATES[method]
    quicker, strong = f"{own}.lr={3 * lr:.1e}", f"{own}.alpha={STRONG[method]}"
    trials = {
        "start": ((), "as its authors train it"),
        "rates-up": ((quicker,), "three times the rate"),
        "rates-down": ((f"{own}.lr={lr / 3:.1e}",), "a third of the rate"),
        "alpha": ((f"{own}.alpha={WEAK[method]}",), "the matte's mean absolute error beside its loss"),
        "strong-alpha": ((strong,), "the same, four times as strong"),
        "strong-alpha-rates-up": ((strong, quicker), "both"),
        "192-pixels": (("model.image_size=192",), "144 image tokens for 64"),
        "sentences": (("train.sentences=4",), "four sentences of each image in a step"),
        "last-weights": (("train.ema=0",), "no average over the last steps"),
        "fixed-rates": (("train.schedule=fixed",), "no cosine"),
        "clipping": ((f"{own}.clip_norm=10",), "gradients are hardly ever clipped"),
        "all-fit": (("train.no_target=0",), "every sentence fits something"),
    }
    return tuple(
        Change(f"{method}-{name}", START[method] + settings, what, method=method)
        for name, (settings, what) in trials.items()
    )


CHANGES = (*_trials("clipseg"), *_trials("mdetr"))
OTHER_SCENES = 1000  # added to the seed of the data


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """The rows; a wrong setting or name is refused before the first training."""
    base = base_of(profiles.load(options.profile or "tiny"))

    def score(model: Any, profile: Profile) -> dict[str, Any]:
        return {"sets": scores_on(sets_of(base), model, profile, limit=options.images)}

    return Plan(base, score, options, splits=("train",), recipe="tuning").rows(CHANGES)


def base_of(profile: Profile) -> Profile:
    """The profile with half its steps. Raises RimError where it counts epochs or minutes."""
    return profiles.with_settings(profile, (f"train.steps={max(1, steps_of(profile) // 2)}",))


def sets_of(base: Profile) -> dict[str, RefMatte]:
    """New scenes of the entities that are trained on, none of which a table is scored on, in both settings."""
    scenes = profiles.with_settings(base, (f"data.seed={base.data.seed + OTHER_SCENES}",))
    data = build(scenes.data, folder_of(scenes), splits=("seen",), workers=1)
    return {f"{setting}, seen": RefMatte(data, "seen", setting) for setting in ("keyword", "expression")}


def tables(found: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """A line for each trial and setting."""
    return {"tuning": seeds.table_of(found, CHANGES, ("localised", "sad_ratio"))}
