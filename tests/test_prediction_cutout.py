"""Cutting out: the foreground's own colours at any size, no seam between strips, a background where it should be."""

import numpy as np
import pytest
from PIL import Image

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.matting import composition, ellipse
from rimlib.prediction import cutout
from rimlib.prediction.result import Result

SIDE = 200


@pytest.fixture(scope="module")
def soft():
    """A disc with a wide soft edge, smooth colours on both sides: image, alpha, true foreground and background."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    alpha = np.clip((0.3 - np.hypot(y - 0.5, x - 0.5)) / 0.2 + 0.5, 0, 1).astype(np.float32)
    foreground = 255 * np.stack([0.9 - 0.2 * x, 0.3 + 0.2 * y, 0.2 + 0.1 * x], axis=-1)
    background = 255 * np.stack([0.1 + 0.1 * y, 0.4 - 0.2 * x, 0.8 - 0.2 * y], axis=-1)
    image = np.rint(background + alpha[..., None] * (foreground - background)).astype(np.uint8)
    return image, alpha, foreground, background


def error(found, soft) -> float:
    _, alpha, foreground, _ = soft
    mixed = (alpha > 0) & (alpha < 1)
    return float((np.abs(found - foreground) * alpha[..., None])[mixed].mean())


@pytest.mark.parametrize("pixels", [10**6, 5000, 800])
def test_the_true_colours_are_found_however_small_they_are_solved(soft, monkeypatch, pixels):
    monkeypatch.setattr(cutout, "PIXELS", pixels)
    image, alpha, _, _ = soft
    found = cutout.colors(image, alpha)
    assert found.dtype == np.uint8 and found.shape == image.shape
    assert error(found, soft) < error(image, soft) / 5
    assert (found[alpha == 1] == image[alpha == 1]).all(), "solid pixels keep their own colours"
    away = ~ellipse.dilate(alpha > 0, 2 * cutout.BESIDE + 1)
    assert away.sum() > 1000 and not found[away].any(), "nothing of what was behind"


@pytest.mark.parametrize("hard", [False, True])
def test_scaling_a_cutout_darkens_no_edge(soft, hard):
    """As programs scale that average the colours of neighbours, whatever their alpha."""
    _, alpha, foreground, background = soft
    alpha = (alpha > 0.5).astype(np.float32) if hard else alpha
    image = np.rint(background + alpha[..., None] * (foreground - background)).astype(np.uint8)
    found = cutout.colors(image, alpha)
    for times in (3, 10):
        size = (SIDE // times, SIDE // times)
        small = images.resize(alpha, size)[..., None]
        shown = small * images.resize(found, size) + (1 - small) * 255
        right = small * images.resize(foreground, size) + (1 - small) * 255
        edge = (small[..., 0] > 0.1) & (small[..., 0] < 0.9)
        assert np.abs(shown - right)[edge].mean() < 6, "black beside the edge would make it 30 and more"


def test_what_is_too_fine_for_the_small_solution_comes_from_the_image(soft, monkeypatch):
    _, _, foreground, background = soft
    monkeypatch.setattr(cutout, "PIXELS", 800)
    grain = 25 * np.random.default_rng(0).choice([-1, 1], (SIDE, SIDE, 1))  # gone when seven pixels become one
    alpha = np.full((SIDE, SIDE), 0.9, np.float32)
    alpha[:40], alpha[:, :40] = 0, 0
    image = np.rint(background + alpha[..., None] * (foreground + grain - background)).astype(np.uint8)
    inside = np.s_[60:-10, 60:-10]
    error = np.abs(cutout.colors(image, alpha).astype(float) - foreground - grain)[inside].mean()
    assert error < 8, "25 without it"


def test_strips_do_not_show(soft, monkeypatch):
    image, alpha, _, background = soft
    background = background.astype(np.uint8)
    monkeypatch.setattr(cutout, "PIXELS", 5000)
    whole = None
    for rows in (10**6, 64, 7):
        monkeypatch.setattr(cutout, "STRIP", rows)
        monkeypatch.setattr(composition, "STRIP", rows)
        found = cutout.colors(image, alpha)
        laid = composition.over(found, alpha, background)
        if whole is None:
            whole = found, laid
        assert (found == whole[0]).all() and (laid == whole[1]).all()


def test_a_thing_laid_back_on_its_own_background_gives_the_image(soft):
    image, alpha, _, background = soft
    result = Result(alpha, 1.0, np.zeros(alpha.shape, np.uint8), image=image)
    again = result.over(np.rint(background).astype(np.uint8))
    assert np.abs(again.astype(int) - image).max() <= 12 and np.abs(again.astype(int) - image).mean() < 0.7


@pytest.mark.parametrize(
    "alpha",
    [
        np.zeros((9, 7)),
        np.ones((9, 7)),
        np.full((9, 7), 0.5),
        np.full((1, 1), 0.5),
        np.full((1, 40), 0.3),
        np.eye(9) * 0.5,
    ],
)
def test_any_alpha_works(alpha):
    alpha = alpha.astype(np.float32)
    image = np.random.default_rng(0).integers(0, 256, (*alpha.shape, 3), np.uint8)
    found = cutout.colors(image, alpha)
    assert found.shape == image.shape and (found[alpha == 1] == image[alpha == 1]).all()
    assert alpha.any() or not found.any(), "a cut-out of nothing holds nothing"


@pytest.mark.parametrize(
    "source, pixel",
    [
        ("white", (255, 255, 255)),
        ("#2a6f97", (42, 111, 151)),
        (" Red ", (255, 0, 0)),
        ((1, 2, 3), (1, 2, 3)),
        ([np.uint8(7), 0, 255], (7, 0, 255)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        (np.full((50, 90, 3), 9, np.uint8), (9, 9, 9)),
        (Image.new("RGB", (5, 5), "blue"), (0, 0, 255)),
    ],
)
def test_backgrounds(source, pixel):
    found = cutout.background(source, (20, 30))
    assert found.shape == (20, 30, 3) and found.dtype == np.uint8 and (found == pixel).all()


def test_a_background_of_another_shape_is_cut_not_squeezed():
    stripes = np.zeros((60, 300, 3), np.uint8)
    stripes[:, 120:180] = 255  # the middle fifth
    found = cutout.background(stripes, (60, 60))
    assert (found == 255).all()


@pytest.mark.parametrize(
    "source, word",
    [
        ("rgb(300,0,0)", "three whole numbers"),
        ("rgb(100%,0%,200%)", "three whole numbers"),
        ("#ff000080", "alpha"),
        ((1, 2), "three whole numbers"),
        ((1, 2, 300), "three whole numbers"),
        ((0.5, 0.5, 0.5), "three whole numbers"),
        ("no-such-colour.jpg", "no such file"),
        ("", "not a path"),
        (7, "int is no image"),
    ],
)
def test_what_is_no_background_is_refused(source, word):
    with pytest.raises(RimError, match=word):
        cutout.background(source, (4, 4))


def test_a_result_without_its_image_is_refused():
    with pytest.raises(RimError, match="no image to cut from"):
        Result(np.zeros((4, 4), np.float32), 0.0, np.zeros((4, 4), np.uint8)).cutout()
