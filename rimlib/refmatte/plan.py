"""The plan: every scene and sentence of a data set, drawn from a pool and a seed, without a pixel.

Paper: Sec. 3.3. Entities are balanced to five people, one animal and one thing by duplication, cut into groups, and each
group gives a number of scenes; relations come 7:2:1; two or three entities each, always two for front and behind; some more
scenes draw from all entities at random. `build` renders what a plan says.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from rimlib.entities.entity import Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.profile import Data
from rimlib.refmatte import layout, relations
from rimlib.refmatte.expressions import Scene, Sentence, speak
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.referents import keyword_is_clear, referents, speak_uniquely

GROUP = {"person": 5, "animal": 1, "thing": 1}   # Paper: Sec. 3.3
SPLITS = {   # split of the data set → (split of entities, split of backgrounds)
    "train": ("train", "train"),
    "seen": ("train", "train"),      # new scenes of entities that training knows; not in the paper
    "test": ("test", "test"),
}


@dataclass(frozen=True)
class ScenePlan:
    """One scene: what to blend where, and its sentences, four for each entity."""

    name: str
    background: str
    entities: tuple[str, ...]
    placements: tuple[Placement, ...]
    mirrored: tuple[bool, ...]
    relation: str
    sentences: tuple[tuple[Sentence, ...], ...]
    fits: tuple[tuple[tuple[int, ...], ...], ...]      # for each sentence the entities that it fits
    evaluated: tuple[int, ...]                         # which of the four is scored, one for each entity
    keyword_clear: bool


def plan(pool: Pool, settings: Data, split: str, sizes: dict[str, tuple[int, int]] | None = None) -> list[ScenePlan]:
    """All scenes of one split.

    Args:
        pool: entities and backgrounds; those of the split are used.
        settings: `profile.data`.
        split: `train`, `seen` or `test`.
        sizes: (height, width) of each entity's cut-out; read from the pool when not given.

    Each scene is drawn from its own seed, so that any part of a plan can be rendered alone; the groups depend on their number.

    Raises:
        RimError: an unknown split, or a pool that lacks a kind of entity or backgrounds for it.
    """
    if split not in SPLITS:
        raise RimError(f"split {split!r}: there is none of this name; there are: {', '.join(SPLITS)}")
    entity_split, background_split = SPLITS[split]
    groups, per_group, extra = ((settings.groups_train, settings.images_per_group_train, settings.extra_train) if split == "train"
                                else (settings.groups_test, settings.images_per_group_test, settings.extra_test))
    entities = pool.of(split=entity_split)
    backgrounds = [item.name for item in pool.backgrounds_of(background_split)]
    for kind in GROUP:
        if not any(entity.kind == kind for entity in entities) and groups:
            raise RimError(f"pool: no {kind} in the {entity_split} split; a group needs {GROUP[kind]}")
    if not backgrounds or len(entities) < 3:
        raise RimError(f"pool: the {entity_split} split has {len(entities)} entities and {len(backgrounds)} backgrounds; at least 3 and 1 are needed")
    if sizes is None:
        sizes = {entity.name: pool.cutout(entity.name)[1].shape for entity in entities}
    scenes = []
    for number, members in enumerate(balanced_groups(entities, groups, _rng(settings.seed, split, "groups"))):
        for image in range(per_group):
            scenes.append(_scene(members, backgrounds, sizes, settings, split, number * per_group + image))
    for image in range(extra):
        scenes.append(_scene(entities, backgrounds, sizes, settings, split, groups * per_group + image))
    return scenes


def balanced_groups(entities: list[Entity], count: int, rng: np.random.Generator) -> list[list[Entity]]:
    """`count` groups of five people, one animal and one thing; entities are repeated as evenly as can be.

    Paper: Sec. 3.3 duplicates entities until the kinds stand 5:1:1. Here each kind is gone through in a new random
    order again and again, so that no entity is used more than once more often than another.
    """
    streams = {}
    for kind, number in GROUP.items():
        members = [entity for entity in entities if entity.kind == kind]
        order: list[Entity] = []
        while len(order) < number * count:
            order += [members[index] for index in rng.permutation(len(members))]
        streams[kind] = order
    return [[entity for kind, number in GROUP.items() for entity in streams[kind][group * number:(group + 1) * number]]
            for group in range(count)]


def _scene(candidates: list[Entity], backgrounds: list[str], sizes: dict, settings: Data, split: str, number: int) -> ScenePlan:
    rng = _rng(settings.seed, split, number)
    canvas = (settings.height, settings.width)
    shares = np.array(settings.relation_shares, float)
    arrangement = relations.ARRANGEMENTS[rng.choice(3, p=shares / shares.sum())]
    count = 2 if arrangement == ("front", "behind") else int(rng.integers(2, 4))
    chosen = _choose(candidates, count, rng, settings.unique)
    mirrored = tuple(bool(value) for value in rng.integers(0, 2, count))
    placements = tuple(layout.place([sizes[entity.name] for entity in chosen], arrangement, canvas, rng))
    scene = Scene(tuple(chosen), tuple(place.box for place in placements), tuple(place.depth for place in placements))
    background = backgrounds[rng.integers(len(backgrounds))]
    draw = speak_uniquely if settings.unique else speak
    sentences = tuple(tuple(draw(scene, index, rng)) for index in range(count))
    fits = tuple(tuple(tuple(sorted(referents(sentence.claim, scene))) for sentence in four) for four in sentences)
    return ScenePlan(
        name=f"rim_{split}_{hashlib.sha256(f'{settings.seed}/{split}/{number}'.encode()).hexdigest()[:8]}",
        background=background, entities=tuple(entity.name for entity in chosen), placements=placements, mirrored=mirrored,
        relation="/".join(arrangement), sentences=sentences, fits=fits,
        evaluated=tuple(int(value) for value in rng.integers(0, 4, count)), keyword_clear=keyword_is_clear(scene))


def _choose(candidates: list[Entity], count: int, rng: np.random.Generator, unique: bool) -> list[Entity]:
    """Different entities; with `unique` none that looks just like another, since no words could tell them apart."""
    for _ in range(100):
        chosen = [candidates[index] for index in rng.choice(len(candidates), count, replace=False)]
        if len({entity.name for entity in chosen}) < count:
            continue                    # duplication may have put one entity into a group twice
        if not unique or len({entity.looks() for entity in chosen}) == count:
            return chosen
    raise RimError(f"pool: no {count} entities that differ in what can be said of them among {len(candidates)} candidates")


def _rng(seed: int, *words) -> np.random.Generator:
    digest = hashlib.sha256("/".join(str(word) for word in (seed, *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
