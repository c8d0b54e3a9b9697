"""Compositing: blending and visible alpha against a naive twin."""

import numpy as np

from rimlib.images import resize_cutout
from rimlib.refmatte.composite import composite, fit_background
from rimlib.refmatte.layout import Placement

RNG = np.random.default_rng(0)


def cutout(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8), RNG.random((height, width), dtype=np.float32)


def naive(background, cutouts, placements):
    """Pixel by pixel: what is seen from the front, layer after layer."""
    scene = background.astype(np.float64).copy()
    visible = [np.zeros(background.shape[:2]) for _ in cutouts]
    for y in range(background.shape[0]):
        for x in range(background.shape[1]):
            through, color = 1.0, np.zeros(3)
            for index in sorted(range(len(cutouts)), key=lambda item: -placements[item].depth):
                place = placements[index]
                inside = place.top <= y < place.top + place.height and place.left <= x < place.left + place.width
                a = float(cutouts[index][1][y - place.top, x - place.left]) if inside else 0.0
                visible[index][y, x] = through * a
                if inside:
                    color += through * a * cutouts[index][0][y - place.top, x - place.left]
                through *= 1 - a
            scene[y, x] = color + through * background[y, x]
    return scene, visible


def test_composite_equals_the_naive_one_with_occlusion():
    background = RNG.integers(0, 256, (18, 24, 3), dtype=np.uint8)
    cutouts = [cutout(9, 10), cutout(12, 8)]
    placements = [Placement(3, 2, 10, 9, depth=1), Placement(8, 4, 8, 12, depth=0)]
    scene, visible = composite(background, cutouts, placements, (18, 24))
    true_scene, true_visible = naive(background, cutouts, placements)
    assert np.abs(scene - true_scene).max() <= 1
    for found, true in zip(visible, true_visible):
        np.testing.assert_allclose(found, true, atol=1e-6)
    assert visible[1].sum() < cutouts[1][1].sum(), "the one behind is partly hidden"


def test_visible_alphas_never_add_up_to_more_than_one():
    placements = [Placement(2, 2, 10, 9, depth=2), Placement(5, 4, 8, 12, depth=0), Placement(4, 3, 12, 9, depth=1)]
    _, visible = composite(np.zeros((18, 24, 3), np.uint8), [cutout(9, 10), cutout(12, 8), cutout(9, 12)], placements, (18, 24))
    assert sum(visible).max() <= 1 + 1e-5


def test_a_mirrored_cutout_gives_a_mirrored_matte():
    background = np.zeros((10, 12, 3), np.uint8)
    one = [cutout(6, 8)]
    _, (plain,) = composite(background, one, [Placement(2, 2, 8, 6)], (10, 12))
    _, (flipped,) = composite(background, one, [Placement(2, 2, 8, 6)], (10, 12), [True])
    np.testing.assert_array_equal(plain, flipped[:, ::-1])


def test_resizing_brings_no_colour_from_under_zero_alpha():
    foreground = np.zeros((40, 40, 3), np.uint8)
    foreground[:, :20] = (200, 30, 30)
    foreground[:, 20:] = (0, 255, 0)             # hidden: its alpha is 0
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1
    color, small = resize_cutout(foreground, alpha, (13, 13))
    assert np.abs(color[small > 0.05] - (200, 30, 30)).max() < 2


def test_background_is_cropped_to_shape_not_squeezed():
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 150:250] = 255                     # a square in the middle stays a square
    fitted = fit_background(picture, (60, 80))
    assert fitted.shape == (60, 80, 3)
    assert abs((fitted[30, :, 0] > 127).sum() - 60) <= 2
