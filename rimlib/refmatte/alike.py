"""Scenes of look-alikes: two or three entities that share their words, told apart by place, order, size or relation.

Not in the paper, whose groups hold five people, an animal and a thing, so that a noun and a colour almost always
suffice: nothing in them asks for the relation. Chapter 02d counts it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from rimlib.entities.entity import Entity
from rimlib.entities.synonyms import denotes, nouns
from rimlib.errors import RimError
from rimlib.matting import relations
from rimlib.refmatte.claims import Scene, Sentence
from rimlib.refmatte.expressions import Wording, absolute, basic, briefly, relative
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.phrases import realise

SAME = 0.5  # of look-alikes, those that are one cut-out several times
HIDDEN = (0.08, 0.5)  # share of the far one's matte that the nearer one hides, so that one sees which is which
RESIZED = 0.6  # of scenes in a row or a column, those in which some are made smaller
SHRINK = (0.5, 0.75)  # … to so much of their height and width
KINDS = {"order": 4, "absolute": 1, "relative": 3, "size": 3, "basic": 1}  # of sentences, how often each is tried


class Companions:
    """Which entities share their words: of one category, people by gender and age too."""

    def __init__(self, entities: Iterable[Entity]):
        self.of: dict[tuple, list[Entity]] = defaultdict(list)
        for entity in entities:
            self.of[self._words(entity)].append(entity)

    @staticmethod
    def _words(entity: Entity) -> tuple[str | None, ...]:
        return entity.category, entity.gender, entity.age_group  # the last two are a person's alone

    def choose(self, candidates: Sequence[Entity], size: int, rng: Random) -> list[Entity]:
        """Two or three look-alikes, or two and another thing, in random order; one cut-out may stand there twice.

        Raises RimError where another thing is wanted and all candidates share their words.
        """
        kind = rng.choice(sorted({entity.kind for entity in candidates}))  # people would be five of seven
        first = rng.choice([entity for entity in candidates if entity.kind == kind])
        others = [entity for entity in self.of[self._words(first)] if entity.name != first.name]
        alike = size if size == 2 or rng.random() < 0.5 else 2
        if rng.random() < SAME or len(others) < alike - 1:
            chosen = [first] * alike
        else:
            chosen = [first, *rng.sample(others, alike - 1)]
        strangers = [
            entity
            for entity in candidates
            if not any(denotes(noun, first) for noun in nouns(entity)) and not denotes(first.category, entity)
        ]
        if alike < size:
            if not strangers:
                raise RimError(
                    f"pool: nothing but {first.category} among {len(candidates)} candidates; two of them cannot stand "
                    "beside something else",
                    setting="pool",
                )
            chosen.append(rng.choice(strangers))
        return rng.sample(chosen, size)


def resize_some(placements: Sequence[Placement], rng: Random) -> tuple[Placement, ...]:
    """Some of the entities made smaller, each inside its own box, so that all other relations stay."""
    if rng.random() >= RESIZED:
        return tuple(placements)
    smaller = []
    for place in placements:
        scale = rng.uniform(*SHRINK) if rng.random() < 0.5 else 1.0
        width, height = max(2, round(scale * place.width)), max(2, round(scale * place.height))
        left, top = (
            place.left + rng.randint(0, place.width - width),
            place.top + rng.randint(0, place.height - height),
        )
        smaller.append(Placement(left, top, width, height, place.depth))
    return tuple(smaller)


def generate(scene: Scene, index: int, rng: Random, wording: Wording) -> list[Sentence]:
    """Four sentences of entity `index`, of `KINDS`; whether they single it out is for `generate_unique` to look at.

    Where an order or a size has no words, there is a place instead.
    """
    kinds = rng.choices(list(KINDS), list(KINDS.values()), k=4)
    return [_draw(kind, scene, index, rng, wording) for kind in kinds]


def _draw(kind: str, scene: Scene, index: int, rng: Random, wording: Wording) -> Sentence:
    if kind in ("order", "size"):
        sentence = _in_order(scene, index, rng, wording, relations.SIZES if kind == "size" else ())
        return sentence or absolute(scene, index, rng, wording)
    if kind == "relative":
        return relative(scene, index, rng, wording, long=rng.random() < 0.5)
    return (basic if kind == "basic" else absolute)(scene, index, rng, wording)


def _in_order(scene: Scene, index: int, rng: Random, wording: Wording, names: Sequence[str]) -> Sentence | None:
    """As "the left dog", "the second dog from the right" or "the bigger dog"; None where nothing of it is true."""
    entity, every = scene.entities[index], range(len(scene.entities))
    alike = [other for other in every if denotes(entity.category, scene.entities[other])]
    names = names or [name for name in relations.RELATIONS if name not in relations.SIZES]
    true = [
        (name, rank)
        for name in names
        for rank in range(1, len(alike) + 1)
        if relations.order_forms(name, rank, len(alike))
        and relations.comes(name, rank, index, alike, scene.boxes, scene.depths)
    ]
    if not true:
        return None
    name, rank = rng.choice(true)
    claim = briefly(entity, rng, replace(wording, wider_words=wording.wider_words / 2))
    form = rng.choice(relations.order_forms(name, rank, len(alike)))
    return realise(replace(claim, relation=name, rank=rank, phrase=form), "order", rng)
