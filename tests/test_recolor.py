"""Variants of things in other colours."""

import pickle

import numpy as np

from rimlib.entities import starter
from rimlib.entities.color import color_distance, color_name, dominant_color
from rimlib.entities.pool import Pool
from rimlib.entities.recolor import LEAST, turn, with_recolored
from rimlib.profile import load
from rimlib.refmatte.build import pool_of

NAMES = ("teddy-bear-edward", "lemon-yellow", "fruit-rambutan-bunch")
STARTER = starter.load()


def small() -> Pool:
    animal = next(entity for entity in STARTER.entities if entity.kind == "animal")
    return STARTER.only([*NAMES, animal.name], [])


def test_things_get_variants_with_their_own_colour_words():
    pool = with_recolored(small(), 2)
    new = [entity for entity in pool.entities if "--" in entity.name]
    assert len(new) == 2 * len(NAMES) and {entity.kind for entity in new} == {"thing"}
    for entity in new:
        own = STARTER[entity.name.split("--")[0]]
        foreground, alpha = pickle.loads(pickle.dumps(pool)).cutout(entity.name)
        assert entity.color == color_name(dominant_color(foreground, alpha)) and entity.category == own.category
        assert color_distance(entity.color, own.color) >= LEAST
        assert np.array_equal(alpha, STARTER.cutout(own.name)[1]) and pool.size(entity.name) == alpha.shape
    assert [e.name for e in with_recolored(small(), 2).entities] == [e.name for e in pool.entities]


def test_none_changes_nothing():
    pool = small()
    assert with_recolored(pool, 0) is pool
    assert pool_of(load("tiny", data__recolored=0).data, pool) is pool


def test_a_turn_keeps_greys_and_comes_round():
    image = np.random.default_rng(0).integers(60, 190, (8, 8, 3)).astype(np.uint8)
    grey = np.full((4, 4, 3), 120, np.uint8)
    assert np.abs(turn(image, 360, 1.0).astype(int) - image).max() <= 1
    assert np.abs(turn(grey, 120, 1.0).astype(int) - 120).max() <= 1
    assert (turn(grey, 0, 1.3) > 130).all()
