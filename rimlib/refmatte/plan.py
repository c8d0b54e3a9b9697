"""The plan: every scene and sentence of a data set, drawn from a pool and a seed, without a pixel.

Paper: Sec. 3.3. Entities are balanced to five people, one animal and one thing by duplication, cut into groups, and
each group gives a number of scenes; relations come 7:2:1; two or three entities each, always two for front and behind;
some more scenes draw from all entities at random. `build` renders a plan.

Scenes, groups and sentences are drawn in an order that a seed fixes, so one file has it all, and is long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from rimlib.entities.entity import Entity
from rimlib.entities.pool import Pool
from rimlib.entities.synonyms import kind_words, metres, nouns, words
from rimlib.errors import RimError
from rimlib.matting import relations
from rimlib.profile import Data
from rimlib.refmatte import alike, layout
from rimlib.refmatte import light as lights
from rimlib.refmatte.claims import Scene, Sentence
from rimlib.refmatte.composite import hidden_share
from rimlib.refmatte.expressions import Wording, generate
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.light import Light
from rimlib.refmatte.referents import (
    bare_nouns,
    can_be_told_apart,
    generate_no_target,
    generate_unique,
    keyword_is_clear,
    plurals,
    referents,
)

GROUP = {"person": 5, "animal": 1, "thing": 1}  # Paper: Sec. 3.3
TRIES = 200
SPLITS = {  # split of the data set → (split of entities, split of backgrounds)
    "train": ("train", "train"),
    "seen": ("train", "train"),  # new scenes of entities of the training; not in the paper
    "test": ("test", "test"),
    "alike": ("train", "train"),  # look-alikes of entities of the training in new scenes
}


@dataclass(frozen=True)
class ScenePlan:
    """One scene: what to blend where, and its sentences, four for each entity."""

    name: str
    background: str
    entities: tuple[str, ...]
    placements: tuple[Placement, ...]
    mirrored: tuple[bool, ...]
    relation: str  # the arrangement, such as left/right
    sentences: tuple[tuple[Sentence, ...], ...]
    fits: tuple[tuple[tuple[int, ...], ...], ...]  # for each sentence the entities that it fits
    evaluated: tuple[int, ...]  # which of the four is scored, one for each entity
    keyword_clear: bool  # each category means one entity
    no_target: tuple[Sentence, ...] = ()  # sentences that fit nothing here; `kind` is what is wrong with them
    nouns: tuple[tuple[str, ...], ...] = ()  # of each entity, bare words that mean it alone; () where none are noted
    light: Light | None = None  # of a scene with shadows and matched brightness
    several: tuple[tuple[str, tuple[int, ...]], ...] = ()  # words for some of the entities at once, and which

    def scene(self, pool: Pool, wide: bool = False) -> Scene:
        """What the sentences were made from, and claims are tested on; `wide` where the plan has wider words."""
        boxes, depths = (tuple(getattr(place, name) for place in self.placements) for name in ("box", "depth"))
        arrangement = next(pair for pair in relations.ARRANGEMENTS if "/".join(pair) == self.relation)
        return Scene(tuple(pool[name] for name in self.entities), boxes, depths, arrangement, wide)


def plan(pool: Pool, settings: Data, split: str) -> list[ScenePlan]:
    """All scenes of one split, in a list; `scenes` makes them one by one."""
    return list(scenes(pool, settings, split))


def count(settings: Data, split: str) -> int:
    """How many scenes a split has."""
    groups, per_group, extra = sizes_of(settings, split)
    return groups * per_group + extra


def scenes(pool: Pool, settings: Data, split: str) -> Iterator[ScenePlan]:
    """The scenes of one split, one by one: those of a group stand together, the random extra ones come last.

    Each scene is drawn from its own seed, so that any part of a plan can be rendered alone, and a longer plan begins
    with the scenes of a shorter one.

    Args:
        pool: entities and backgrounds; those of the split are used.
        settings: `profile.data`.
        split: `train`, `seen` or `test`.

    Raises:
        RimError: an unknown split, or a pool that lacks a kind of entity or backgrounds for it.
    """
    groups, per_group, extra = sizes_of(settings, split)
    entity_split, background_split = SPLITS[split]
    entities = pool.of(split=entity_split)
    backgrounds = [item.name for item in pool.backgrounds_of(background_split)]
    for kind in GROUP:
        if not any(entity.kind == kind for entity in entities) and groups:
            raise RimError(f"pool: no {kind} in the {entity_split} split; a group needs {GROUP[kind]}", setting="pool")
    if not backgrounds or len(entities) < 3:
        raise RimError(
            f"pool: the {entity_split} split has {len(entities)} entities and {len(backgrounds)} backgrounds; at least "
            "3 and 1 are needed",
            setting="pool",
        )
    sampler = _SceneSampler(pool, settings, split, backgrounds, entities)
    for number, members in enumerate(balanced_groups(entities, groups, settings.seed, split)):
        for image in range(per_group):
            yield sampler.scene(members, number * per_group + image, settings.mixed_shares)
    for image in range(extra):
        yield sampler.scene(entities, groups * per_group + image, (0.0, 0.0))


def balanced_groups(entities: list[Entity], count: int, seed: int = 1, split: str = "train") -> Iterator[list[Entity]]:
    """`count` groups of five people, one animal and one thing; entities are repeated as evenly as can be.

    Paper: Sec. 3.3 duplicates entities until the kinds stand 5:1:1. Here each kind is gone through in a new random
    order again and again, so that no entity is used more than once more often than another.
    """
    of_kind = {kind: [entity for entity in entities if entity.kind == kind] for kind in GROUP}
    streams = {kind: _cycle_shuffled(of_kind[kind], _rng(seed, split, "groups", kind)) for kind in GROUP}
    for _ in range(count):
        yield [next(streams[kind]) for kind, number in GROUP.items() for _ in range(number)]


def _cycle_shuffled(members: list[Entity], rng: Random) -> Iterator[Entity]:
    while members:
        yield from rng.sample(members, len(members))


def version(settings: Data) -> int:
    """Of the engine: raised with every change by which the same pool and settings give another plan.

    The second is that of look-alikes in front and behind which really hide each other; all other plans stayed.
    """
    return 2 if settings.lookalikes else 1


def splits_of(settings: Data) -> tuple[str, ...]:
    """The splits that a data set of these settings has; `alike` only where its training has look-alikes."""
    return tuple(split for split in SPLITS if split != "alike" or settings.lookalikes)


def sizes_of(settings: Data, split: str) -> tuple[int, int, int]:
    """Groups of a split, scenes of a group, and extra scenes."""
    if split not in SPLITS:
        raise RimError(f"unknown split {split!r}; expected one of: {', '.join(SPLITS)}", setting="split")
    if split == "train":
        return settings.groups_train, settings.images_per_group_train, settings.extra_train
    return settings.groups_test, settings.images_per_group_test, settings.extra_test


class _SceneSampler:
    """What all scenes of a split share; `scene` draws one of them."""

    def __init__(self, pool: Pool, settings: Data, split: str, backgrounds: list[str], distractors: list[Entity]):
        self.pool, self.settings, self.split = pool, settings, split
        self.backgrounds, self.distractors = backgrounds, distractors
        self.companions = alike.Companions(distractors)
        self.wording = Wording(settings.attribute_rate, settings.short_forms, settings.wider_words)
        # A plan without words of ours, such as the paper's, draws and notes nothing more.
        self.ours = bool(settings.short_forms or settings.wider_words)
        self.lookalikes = {"train": settings.lookalikes, "alike": 1.0}.get(split, 0.0)
        self.first = _rng(settings.seed, split, "names").getrandbits(32)
        self.shown = {
            item.name: frozenset(word for category in item.shows for word in words(category))
            for item in pool.backgrounds
        }

    def scene(self, candidates: list[Entity], number: int, mixed_shares: tuple[float, ...]) -> ScenePlan:
        """Scene `number` of the split, of some of the candidates."""
        settings = self.settings
        rng = _rng(settings.seed, self.split, number)
        arrangement = rng.choices(relations.ARRANGEMENTS, settings.relation_shares)[0]
        size = 2 if arrangement == ("front", "behind") or rng.random() >= settings.three_share else 3
        mixed = rng.random() < mixed_shares[size - 2]
        lookalikes = bool(self.lookalikes) and rng.random() < self.lookalikes
        unique = settings.unique or lookalikes
        for _ in range(TRIES):
            chosen = (
                self.companions.choose(candidates, size, rng) if lookalikes else _choose(candidates, size, mixed, rng)
            )
            background = rng.choice(self.backgrounds)
            suits = not unique or self._suits(background, chosen)
            if not suits or (unique and not lookalikes and not can_be_told_apart(chosen)):
                continue
            mirrored = tuple(rng.random() < 0.5 for _ in range(size))
            sizes, lengths = [self.pool.size(entity.name) for entity in chosen], [metres(entity) for entity in chosen]
            canvas = (settings.height, settings.width)
            placements = tuple(layout.place(sizes, arrangement, canvas, rng, lengths, settings.enlarge))
            if lookalikes and arrangement != ("front", "behind"):
                placements = alike.resize_some(placements, rng)
            elif lookalikes and not self._shows_depth(chosen, placements, mirrored):
                continue
            boxes, depths = tuple(place.box for place in placements), tuple(place.depth for place in placements)
            scene = Scene(tuple(chosen), boxes, depths, arrangement, wide=bool(settings.wider_words))
            sentences = tuple(tuple(self._sentences(scene, index, rng, lookalikes)) for index in range(size))
            fits = tuple(
                tuple(tuple(sorted(referents(sentence.claim, scene))) for sentence in four) for four in sentences
            )
            if not unique or all(fitting == (index,) for index, four in enumerate(fits) for fitting in four):
                break
        else:
            raise RimError(
                f"pool: no {size} entities that words can distinguish among {len(candidates)} candidates",
                setting="pool",
            )
        evaluated = tuple(rng.randrange(4) for _ in range(size))
        no_target = [
            generate_no_target(scene, self.distractors, rng, self.shown[background], self.wording)
            for _ in range(settings.no_target)
        ]
        return ScenePlan(
            name=f"rim_{self.split}_{(self.first + number * 2654435761) % 2**32:08x}",  # odd factor: all names differ
            background=background,
            entities=tuple(entity.name for entity in chosen),
            placements=placements,
            mirrored=mirrored,
            relation="/".join(arrangement),
            sentences=sentences,
            fits=fits,
            evaluated=evaluated,
            keyword_clear=keyword_is_clear(scene),
            no_target=tuple(sentence for sentence in no_target if sentence is not None),
            nouns=tuple(bare_nouns(scene, index) for index in range(size)) if self.ours else (),
            several=tuple(plurals(scene).items()) if self.ours else (),
            light=lights.draw(rng) if settings.lit and rng.random() < settings.lit else None,
        )

    def _sentences(self, scene: Scene, index: int, rng: Random, lookalikes: bool) -> list[Sentence]:
        if lookalikes:
            return generate_unique(scene, index, rng, self.wording, draw=alike.generate)
        return (generate_unique if self.settings.unique else generate)(scene, index, rng, self.wording)

    def _shows_depth(self, chosen: list[Entity], placements: Sequence[Placement], mirrored: Sequence[bool]) -> bool:
        """Can one see which of two look-alikes is in front? Boxes and ellipses may overlap where no pixel does.

        Only look-alikes need it: elsewhere a noun or an attribute tells them apart, and no pixel is read for a plan.
        """
        alphas = [self.pool.cutout(entity.name)[1] for entity in chosen]
        least, most = alike.HIDDEN
        return least <= hidden_share(alphas, placements, mirrored) <= most

    def _suits(self, background: str, chosen: list[Entity]) -> bool:
        """Does a background show nothing that an entity's words could mean too, as a bed of flowers does?"""
        wide = self.wording.wider_words > 0
        words = (word for entity in chosen for word in (*nouns(entity), *(kind_words(entity) if wide else ())))
        return self.shown[background].isdisjoint(words)


def _choose(candidates: list[Entity], size: int, mixed: bool, rng: Random) -> list[Entity]:
    """Different entities; with `mixed` no two of one kind, where the candidates allow it."""
    mixed = mixed and len({entity.kind for entity in candidates}) >= size
    for _ in range(TRIES):
        chosen = rng.sample(candidates, size)
        names, kinds = {entity.name for entity in chosen}, {entity.kind for entity in chosen}
        # duplication may have put one entity into a group twice
        if len(names) == size and (not mixed or len(kinds) == size):
            return chosen
    raise RimError(f"pool: no {size} different entities among {len(candidates)} candidates", setting="pool")


def _rng(seed: int, *key: object) -> Random:
    digest = hashlib.sha256("/".join(str(part) for part in (seed, *key)).encode()).digest()
    return Random(digest)  # the same numbers on every machine: the standard library promises it
