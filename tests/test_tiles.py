"""Tiles cover an image, only where there is work, and their joins are not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rimlib.errors import RimError
from rimlib.matting import tiles

sizes = st.tuples(st.sampled_from([64, 128, 256, 512]), st.sampled_from([1, 2, 4])).map(
    lambda pair: (pair[0], max(32, pair[0] // pair[1] // 2 // 32 * 32))
)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), sizes)
def test_cuts_cover_a_side(length, size):
    tile, overlap = size
    cuts = tiles.cuts(length, tile, overlap)
    assert cuts[0].start == 0 and cuts[-1].stop == length
    assert all(cut.start % 32 == 0 and 0 < cut.stop - cut.start <= tile for cut in cuts)
    assert all(before.stop - after.start >= overlap - 31 for before, after in zip(cuts, cuts[1:]))
    assert all(cut.stop - cut.start == tile for cut in cuts[:-1])
    weights = np.zeros(length)
    for cut in cuts:
        weights[cut] += tiles.window(cut, length, overlap)
    assert weights.min() > 0


def test_a_window_is_smooth_and_still_at_the_ends_of_the_side():
    first, middle, last = (tiles.window(cut, 1000, 128) for cut in tiles.cuts(1000, 512, 128))
    assert first[0] == 1 and last[-1] == 1 and first[-1] == 0 and last[0] == 0
    assert not middle[:32].any() and not middle[-32:].any() and middle[200:300].min() == 1
    assert max(np.abs(np.diff(weights)).max() for weights in (first, middle, last)) < np.pi / 2 / 64 + 1e-6


def test_a_map_of_positions_comes_back_exactly():
    image = np.random.default_rng(0).random((300, 410), np.float32)
    joined = tiles.run(lambda rows, columns: image[rows, columns], image.shape, tile=128, overlap=64)
    np.testing.assert_allclose(joined, image, atol=1e-6)
    assert joined.dtype == np.float32


def test_tiles_that_disagree_join_without_a_step():
    """Each tile gives another number: where the numbers of two neighbours meet, the result must not jump."""
    numbers = iter(np.random.default_rng(0).random(1000))
    joined = tiles.run(lambda rows, columns: np.float32(next(numbers)), (600, 700), tile=256, overlap=128)
    steps = max(np.abs(np.diff(joined, axis=axis)).max() for axis in (0, 1))
    assert 0 < steps < 0.06


def test_only_tiles_with_work_are_run_and_those_agree_with_all():
    calls = []

    def work(rows, columns):
        calls.append((rows.start, columns.start))
        return np.full((rows.stop - rows.start, columns.stop - columns.start), rows.start + columns.start, np.float32)

    wanted = np.zeros((1000, 1400), np.uint8)
    wanted[500:520, 700] = 1
    some = tiles.run(work, wanted.shape, wanted, tile=256, overlap=64)
    count = len(calls)
    everything = tiles.run(work, wanted.shape, tile=256, overlap=64)
    assert 0 < count <= 4 and len(calls) - count > 20
    np.testing.assert_array_equal(some[wanted > 0], everything[wanted > 0])
    assert not tiles.run(work, wanted.shape, np.zeros_like(wanted), tile=256, overlap=64).any()


@pytest.mark.parametrize("tile, overlap", [(500, 128), (512, 100), (256, 160), (256, 0)])
def test_sizes_that_do_not_fit_are_refused(tile, overlap):
    with pytest.raises(RimError, match=f"tiles of {tile} pixels with an overlap of {overlap}"):
        tiles.cuts(1000, tile, overlap)


def test_near_is_full_at_edges_and_nothing_far_away():
    alpha = np.zeros((400, 500), np.float32)
    alpha[:, 200:] = 1  # an edge without a pixel between 0 and 1, where two squares meet
    alpha[:, 203] = 0.5
    weight = tiles.near(alpha, reach=24)
    assert weight.shape == alpha.shape and weight.dtype == np.uint8
    assert (weight[:, 184:220] == 255).all() and not weight[:, :120].any() and not weight[:, 280:].any()
    assert np.abs(np.diff(weight.astype(int), axis=1)).max() <= 255 * 8 / 24 / 8 + 2
    alpha[:, 203] = 1
    assert (tiles.near(alpha, reach=8)[:, 190:210] == 255).all()  # now no square holds both 0 and 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_near_is_nothing_where_nothing_is_in_question(value):
    assert not tiles.near(np.full((70, 31), value, np.float32)).any()
    assert tiles.near(np.full((70, 31), 0.5, np.float32)).all()
