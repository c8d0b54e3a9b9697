"""The scene of the chapters is the plan's own, with its labels."""

import numpy as np
import pytest

from rimlib import profile
from rimlib.entities import starter
from rimlib.errors import RimError
from rimlib.refmatte import plan
from rimlib.refmatte.example import example
from rimlib.refmatte.render import render


@pytest.mark.parametrize("split", ["seen", "test", "train"])
def test_it_is_a_loose_scene_of_the_plan(split):
    pool = starter.load()
    none = {f"data__groups_{part}": 0 for part in ("train", "test")}
    planned = plan.plan(pool, profile.load("tiny", data__extra_train=3, data__extra_test=3, **none).data, split)[1]
    found = example(1, split)
    image, mattes = render(pool, planned, (240, 320))
    assert np.array_equal(found.image, image) and all(map(np.array_equal, found.mattes, mattes))
    assert found.expressions == tuple(tuple(one.text for one in four) for four in planned.sentences)
    assert found.keywords == tuple(pool[name].category for name in planned.entities)
    assert ("not in the training" in found.title) == (split == "test")


def test_what_cannot_be_is_refused():
    with pytest.raises(RimError, match="counted from 0"):
        example(-1)
    with pytest.raises(RimError, match="split"):
        example(0, "nowhere")
