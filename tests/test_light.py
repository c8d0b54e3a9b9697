"""Shadows and matched brightness."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from rimlib.entities import starter
from rimlib.matting.composition import premultiply
from rimlib.profile import load
from rimlib.refmatte import light, plan
from rimlib.refmatte.composite import composite
from rimlib.refmatte.jobs import RenderJob
from rimlib.refmatte.layout import Placement
from rimlib.refmatte.render import compose

POOL = starter.load()
LIGHT = light.Light(across=20, down=10, shadow=50, match=0)


def square(level: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((40, 40, 3), level, np.uint8), np.ones((40, 40), np.float32)


def test_a_shadow_falls_beside_its_entity_and_the_matte_stays():
    ground, place = np.full((120, 160, 3), 200, np.uint8), [Placement(40, 30, 40, 40)]
    plain, mattes = composite(ground, [square(90)], place, (120, 160))
    lit, same = composite(ground, [square(90)], place, (120, 160), light=LIGHT)
    assert np.array_equal(mattes[0], same[0]) and np.array_equal(lit[30:70, 40:80], plain[30:70, 40:80])
    assert (lit[50, 84] == 100).all() and (lit[72, 70] == 100).all()  # to the right and below, half the light
    assert (lit[50, 30] == 200).all() and (lit[100, 140] == 200).all()
    assert (lit <= plain).all()


@pytest.mark.parametrize("match, expected", [(0, 100), (50, 150), (100, 160)])  # at most 1.6 times
def test_an_entity_gets_the_brightness_of_its_surroundings(match, expected):
    layer = premultiply(*square(100))
    there = light.matched(layer, np.full((40, 40, 3), 200, np.uint8), LIGHT._replace(match=match))
    assert abs(int(there[5, 5, 0]) / 257 - expected) <= 1 and (there[..., 3] == layer[..., 3]).all()
    assert (there[..., :3] <= there[..., 3:]).all()


def test_the_share_of_lit_scenes_and_their_jobs():
    settings = load("tiny", data__lit=0.5, data__groups_test=6, data__extra_test=0).data
    some = plan.plan(POOL, settings, "seen")
    assert 15 < sum(one.light is not None for one in some) < 45
    for one in some:
        job = RenderJob.of(one)
        assert RenderJob.from_json(job.to_json()) == job and job.light == one.light
    lit = next(one for one in some if one.light)
    job = RenderJob.of(lit)
    image, mattes = compose(POOL, job, (240, 320))
    dark, same = compose(POOL, job._replace(light=None), (240, 320))
    assert not np.array_equal(image, dark) and all(np.array_equal(one, other) for one, other in zip(mattes, same))
    assert not any(one.light for one in plan.plan(POOL, replace(settings, lit=0.0), "seen"))
    assert light.draw(Random(1)) == light.draw(Random(1))
