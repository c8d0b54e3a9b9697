"""A matte changed by hand: edges moved as the definition has them, what is taken out, and the window to crop to."""

import cv2
import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.matting import adjust, ellipse


@pytest.fixture
def disc():
    """A disc of radius 20 with a soft edge, at the left border of the image."""
    y, x = np.mgrid[:80, :100]
    return np.clip(20 - np.hypot(y - 40, x - 15) + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize("width", [1, 3, 7, 9, 21, 41])
def test_the_largest_value_around_is_opencvs_dilation(width):
    alpha = np.random.default_rng(0).random((60, 50)).astype(np.float32) ** 4
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    assert np.array_equal(ellipse.largest(alpha, width), cv2.dilate(alpha, kernel))


def radius(alpha):
    return np.sqrt((alpha > 0.5)[:, 15].sum() / 2 * (alpha > 0.5)[:, 15].sum() / 2)


@pytest.mark.parametrize("pixels", [-9, -2, 0, 2, 9])
def test_an_edge_moves_by_so_many_pixels_and_stays_as_soft(disc, pixels):
    moved = adjust.grow(disc, pixels)
    assert moved.dtype == np.float32 and abs(radius(moved) - radius(disc) - pixels) <= 1
    assert ((moved > 0) & (moved < 1)).any() == ((disc > 0) & (disc < 1)).any()
    assert (moved >= disc).all() if pixels >= 0 else (moved <= disc).all()


def test_an_edge_that_the_image_cuts_off_does_not_move_in(disc):
    assert (adjust.grow(disc, -5)[35:45, 0] == 1).all()


def test_a_feather_is_as_wide_as_asked_and_keeps_the_middle(disc):
    for pixels in (4, 12):
        soft = adjust.feather(disc, pixels)
        row = soft[40, 15:]
        assert soft.min() >= 0 and soft.max() <= 1
        assert row[20] == pytest.approx(0.5, abs=0.1), "the edge stays where it was"
        assert row[20 - pixels] > 0.9 and row[20 + pixels] < 0.1 and 0.1 < row[20 + pixels // 2] < 0.4
    assert np.array_equal(adjust.feather(disc, 0), disc) and adjust.feather(disc, 4)[40, 0] > 0.99


def test_what_is_taken_out_leaves_the_rest_and_of_the_same_thing_nothing(disc):
    left = disc * (np.arange(100) < 15)
    rest = adjust.without(disc, left)
    assert np.array_equal(rest, disc - left)
    assert adjust.without(disc, disc) is None
    assert adjust.without(disc, adjust.grow(disc, 1)) is None
    assert adjust.without(disc, np.where(disc < 1, 0, disc).astype(np.float32)) is not None, "its edge is more than 2 %"


@pytest.mark.parametrize("margin, grown", [(0, 0), (3, 3), ("3px", 3), ("10%", 4), ("2.5 %", 1)])
def test_a_window_with_a_margin(margin, grown):
    alpha = np.zeros((60, 80), np.float32)
    alpha[20:50, 30:70] = 0.01
    alpha[0, 0] = 0.001  # stored as 0
    rows, columns = adjust.window(alpha, margin)
    assert (rows.start, rows.stop, columns.start) == (20 - grown, 50 + grown, 30 - grown)
    assert columns.stop == min(80, 70 + grown)


def test_a_window_of_nothing_is_all_and_none_is_larger_than_the_image():
    assert adjust.window(np.zeros((6, 8), np.float32)) == (slice(0, 6), slice(0, 8))
    assert adjust.window(np.eye(6, dtype=np.float32), "900%") == (slice(0, 6), slice(0, 6))


@pytest.mark.parametrize("margin", ["", "x", "-3", "5 %%", "1e3", "photo.jpg", "nan", "9" * 30, True, None])
def test_what_is_no_margin_is_refused(margin):
    with pytest.raises(RimError, match="is no margin; expected pixels such as 20, or per cent") as caught:
        adjust.margin_of(margin)
    assert caught.value.setting == "crop"


@pytest.mark.parametrize("value, least", [(501, -500), (-501, -500), (-1, 0), (float("nan"), 0), (float("inf"), 0)])
def test_edges_do_not_move_farther_than_makes_sense(value, least):
    with pytest.raises(RimError, match="feather: is .* to 500 pixels are possible"):
        adjust.check_pixels("feather", value, least)
