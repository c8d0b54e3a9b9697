"""The paper's own numbers of entities as a pool without pixels, to plan RefMatte at its full size.

Paper: Sec. 3.3; S2.1, Table 1. The counts, splits and kinds are the paper's, and so are the twenty animals of AM-2k.
What the paper does not list is substituted: names of things come from our own table of categories, attributes are drawn
with the shares of the shipped pool, sizes of cut-outs are alike for all of one kind. So images, mattes and texts can be
compared with Tables 1 and 5, the words less.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from random import Random
from typing import Any, NoReturn

from rimlib import profile
from rimlib.entities import salience, starter, synonyms
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.profile import Data

ENTITIES = {  # Paper: Sec. 3.3
    "train": {"person": 9186, "animal": 1800, "thing": 813},
    "test": {"person": 977, "animal": 200, "thing": 211},
}
CATEGORIES = {"train": 230, "test": 66}  # one is human, twenty are animals
BACKGROUNDS = {"train": 15000, "test": 5000}  # BG-20k
SIZES = {"person": (1600, 1000), "animal": (1100, 1400), "thing": (1200, 1000)}  # pixels, ours: the paper gives none
ANIMALS = tuple(  # AM-2k
    "alpaca antelope bear camel cat cattle deer dog elephant giraffe horse kangaroo leopard lion monkey rabbit "
    "rhinoceros sheep tiger zebra".split()
)


def settings(**changes: Any) -> Data:
    """`profile.data` with the paper's numbers, and no sentence drawn again.

    2,110 and 211 groups, 20 and 10 images each, 2,800 and 390 more.
    """
    return dataclasses.replace(profile.load("paper-b16").data, pool="paper", **changes)


def pool(seed: int = 1) -> Pool:
    """13,187 entities that have everything but pixels; reading those is an error."""
    rng = Random(seed)
    things = [
        category
        for category in synonyms.categories()
        if category not in ("human", *ANIMALS) and not {"animal", "creature"} & set(synonyms.words(category))
    ]
    things = rng.sample(things, CATEGORIES["train"] - 1 - len(ANIMALS))
    sampler = _AttributeSampler(rng)
    entities = []
    for split, counts in ENTITIES.items():
        # only the test split's categories have test entities: the long tail is in training alone (Paper: Sec. 3.3)
        used = things if split == "train" else things[: CATEGORIES["test"] - 1 - len(ANIMALS)]
        categories = {"person": ["human"], "animal": list(ANIMALS), "thing": used}
        for kind, number in counts.items():
            entities += [
                sampler.entity(f"{split}-{kind}-{index + 1:04d}", kind, category, split)
                for index, category in enumerate(_spread(categories[kind], number))
            ]
    backgrounds = [
        Background(f"{split}-background-{index + 1:05d}", split=split)
        for split, number in BACKGROUNDS.items()
        for index in range(number)
    ]
    return Pool(
        entities, backgrounds, _no_pixels, _no_pixels, sizes={entity.name: SIZES[entity.kind] for entity in entities}
    )


def _spread(categories: list[str], number: int) -> list[str]:
    """Each category once, and the rest the oftener the earlier it stands: a long tail."""
    exponent = 0.5 if len(categories) > len(ANIMALS) else 0.0
    weights = [1 / (rank + 1) ** exponent for rank in range(len(categories))]
    left = number - len(categories)
    shares = [int(left * weight / sum(weights)) for weight in weights]
    shares[0] += left - sum(shares)
    return [category for category, share in zip(categories, shares) for _ in range(share + 1)]


class _AttributeSampler:
    """Attributes as often as the shipped pool has them."""

    def __init__(self, rng: Random):
        self.rng, self.shipped = rng, starter.load().entities
        self.people = [entity for entity in self.shipped if entity.kind == "person"]
        self.colors = {kind: Counter(entity.color for entity in self.shipped if entity.kind == kind) for kind in SIZES}

    def entity(self, name: str, kind: str, category: str, split: str) -> Entity:
        """An entity with drawn attributes."""
        color = self.rng.choices(*zip(*self.colors[kind].items()))[0]
        if kind == "person":
            like = self.rng.choice(self.people)
            clothes = self.rng.choice(self.people).clothes
            return Entity(
                *(name, kind, category, color),
                gender=like.gender,
                age_group=like.age_group,
                clothes=clothes,
                split=split,
            )
        salient, transparent = salience.by_lists(category)
        return Entity(name, kind, category, color, salient=salient, transparent=transparent, split=split)


def _no_pixels(item: Entity | Background) -> NoReturn:
    raise RimError(
        f"{item.name}: the paper's counts are planned without pixels; a data set is built from a pool of images",
        setting="pool",
    )
