"""Word clouds: the same counts give the same image, larger counts larger words, the house's colours on white."""

from collections import Counter

import numpy as np
import pytest

from rimlib import show
from rimlib.errors import RimError


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[place : place + 2], 16) for place in (1, 3, 5))


def inked(image, color: str) -> int:
    return int((image == rgb(color)).all(axis=2).sum())


def test_a_cloud_is_the_same_every_time():
    counts = Counter({"human": 50, "fox": 9, "hot-air balloon": 5, "mug": 1, "jug": 1})
    image = show.cloud(counts, (120, 200))
    assert image.shape == (120, 200, 3) and image.dtype == np.uint8
    assert (image == show.cloud(Counter(dict(reversed(counts.items()))), (120, 200))).all()


def test_what_is_counted_oftener_stands_larger_and_in_the_houses_colours():
    image = show.cloud(Counter({"two": 100, "one": 5}), (200, 300))
    assert inked(image, show.PALETTE[0]) > 2 * inked(image, show.PALETTE[1]) > 0
    assert (image[0, 0] == 255).all()


def test_no_more_words_than_the_limit():
    image = show.cloud(Counter({"one": 3, "two": 2, "six": 1}), (200, 300), most=2)
    assert inked(image, show.PALETTE[1]) and not inked(image, show.PALETTE[2])


@pytest.mark.parametrize("counts", [Counter(), Counter({"fox": 0})])
def test_nothing_counted_is_refused(counts):
    with pytest.raises(RimError, match="no words"):
        show.cloud(counts)


def test_what_is_not_there_is_a_dash():
    assert "–</td>" in show.table([{"row": "a", "±": None}]).data and "None" not in show.table([{"±": None}]).data
