"""Which words of a sentence are needed: what of its claim singles out one entity of the scene, counted over a plan.

A claim is cut back and its referents are found again: the noun alone, the noun and the attributes, the whole. What is
the first to fit one entity alone *decides* the sentence. A plan has no pixels, so that this is known of any number of
scenes; it is about sentences, whatever a model makes of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rimlib.entities.pool import Pool
from rimlib.profile import Data
from rimlib.refmatte import plan
from rimlib.refmatte.claims import Claim, Scene
from rimlib.refmatte.plan import ScenePlan
from rimlib.refmatte.referents import referents

LEVELS = {  # what decides a sentence, from the fewest words to the most
    "noun": "the noun alone",
    "attributes": "noun and attributes",
    "place": "only with the place in the image",
    "order": "only with the order or the size among its like",
    "relation": "only with the relation to another entity",
    "several": "not even then: it fits several",
}


def decided_by(claim: Claim, scene: Scene) -> str:
    """What decides a claim, one of `LEVELS`.

    Args:
        claim: fits at least one entity of the scene.
        scene: entities and their places.
    """
    if _is_single(Claim(claim.noun, ()), scene):
        return "noun"
    if _is_single(Claim(claim.noun, claim.attributes), scene):
        return "attributes"
    if not claim.relation or not _is_single(claim, scene):
        return "several"
    if claim.other is not None:
        return "relation"
    return "order" if claim.rank else "place"


def _is_single(claim: Claim, scene: Scene) -> bool:
    return len(referents(claim, scene)) == 1


def levels_of(planned: ScenePlan, pool: Pool, settings: Data) -> list[list[str]]:
    """For each entity of a planned scene what decides each of its sentences."""
    scene = planned.scene(pool, bool(settings.wider_words))
    return [[decided_by(sentence.claim, scene) for sentence in some] for some in planned.sentences]


class Tally:
    """Counts of sentences by kind and by what decides them. Feed it with `add`, read it with `to_dict`."""

    def __init__(self) -> None:
        self.scenes = 0
        self.counts: Counter[tuple[str, str]] = Counter()  # by (kind of sentence, level)

    def add(self, planned: ScenePlan, pool: Pool, settings: Data) -> None:
        """Count the sentences of one scene."""
        self.scenes += 1
        for some, levels in zip(planned.sentences, levels_of(planned, pool, settings)):
            self.counts.update((sentence.kind, level) for sentence, level in zip(some, levels))

    def to_dict(self) -> dict[str, Any]:
        """Scenes, and for all sentences and each kind their number and the share that each level decides."""
        kinds = sorted({kind for kind, _ in self.counts})
        return {
            "scenes": self.scenes,
            "all": self._shares(kinds),
            "by_kind": {kind: self._shares([kind]) for kind in kinds},
        }

    def _shares(self, kinds: Iterable[str]) -> dict[str, Any]:
        counted = {level: sum(self.counts[kind, level] for kind in kinds) for level in LEVELS}
        total = sum(counted.values())
        return {"sentences": total, **{level: round(counted[level] / max(1, total), 6) for level in LEVELS}}


def audit(pool: Pool, settings: Data, split: str, scenes: int | None = None) -> dict[str, Any]:
    """`Tally` of a split of a plan, scene by scene, so that its memory is that of one scene.

    Args:
        pool: entities, with or without pixels.
        settings: `profile.data`.
        split: of `plan.SPLITS`.
        scenes: about so many, in whole groups; all if None.
    """
    counted = Tally()
    settings = settings if scenes is None else shortened(settings, scenes)
    for planned in plan.scenes(pool, settings, split):
        counted.add(planned, pool, settings)
    return counted.to_dict()


def shortened(settings: Data, scenes: int) -> Data:
    """Settings of a plan of about so many scenes in each split, with the same shares of groups and random scenes.

    >>> short = shortened(Data(groups_train=200, images_per_group_train=20, extra_train=2000), 60)
    >>> short.groups_train, short.extra_train
    (2, 20)
    """
    changes: dict[str, Any] = {}
    for part in ("train", "test"):
        groups, per_group, extra = (
            getattr(settings, f"{name}_{part}") for name in ("groups", "images_per_group", "extra")
        )
        share = min(1.0, scenes / max(1, groups * per_group + extra))
        changes |= {f"groups_{part}": math.ceil(groups * share), f"extra_{part}": math.ceil(extra * share)}
    return replace(settings, **changes)
