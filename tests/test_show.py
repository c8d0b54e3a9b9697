"""Word clouds: the same counts give the same picture, larger counts larger words, the house's colours on white."""

from collections import Counter

import numpy as np
import pytest

from rimlib import show
from rimlib.errors import RimError


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[place : place + 2], 16) for place in (1, 3, 5))


def inked(picture, color: str) -> int:
    return int((picture == rgb(color)).all(axis=2).sum())


def test_a_cloud_is_the_same_every_time():
    counts = Counter({"human": 50, "fox": 9, "hot-air balloon": 5, "mug": 1, "jug": 1})
    picture = show.cloud(counts, (120, 200))
    assert picture.shape == (120, 200, 3) and picture.dtype == np.uint8
    assert (picture == show.cloud(Counter(dict(reversed(counts.items()))), (120, 200))).all()


def test_what_is_counted_oftener_stands_larger_and_in_the_houses_colours():
    picture = show.cloud(Counter({"two": 100, "one": 5}), (200, 300))
    assert inked(picture, show.PALETTE[0]) > 2 * inked(picture, show.PALETTE[1]) > 0
    assert (picture[0, 0] == 255).all()


def test_no_more_words_than_asked_for():
    picture = show.cloud(Counter({"one": 3, "two": 2, "six": 1}), (200, 300), most=2)
    assert inked(picture, show.PALETTE[1]) and not inked(picture, show.PALETTE[2])


@pytest.mark.parametrize("counts", [Counter(), Counter({"fox": 0})])
def test_nothing_counted_is_refused(counts):
    with pytest.raises(RimError, match="no words"):
        show.cloud(counts)
