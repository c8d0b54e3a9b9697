"""Compositing: blending and visible alpha against a naive twin, in floating point and pixel by pixel."""

import cv2
import numpy as np
import pytest

from rimlib.entities import drawn
from rimlib.io.images import resize_cutout
from rimlib.matting.composition import enlargement, fit_background, over, premultiply
from rimlib.refmatte.composite import blend, composite, matte_on_canvas
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
    assert np.abs(scene - true_scene).max() < 1, "one level of 255: the scene is rounded after each entity"
    for found, true in zip(visible, true_visible):
        np.testing.assert_allclose(found, true, atol=2 / 65535)
    assert visible[1].sum() < cutouts[1][1].sum(), "the one behind is partly hidden"


def resampled(pixels, size):
    """Bilinear, in float64: pixel centres are half a pixel in, and outside there is the edge again."""
    for axis, length in enumerate(size):
        at = np.clip((np.arange(length) + 0.5) * pixels.shape[axis] / length - 0.5, 0, pixels.shape[axis] - 1)
        low = np.minimum(at.astype(int), pixels.shape[axis] - 2)
        share = (at - low).reshape([-1 if index == axis else 1 for index in range(pixels.ndim)])
        pixels = np.take(pixels, low, axis) * (1 - share) + np.take(pixels, low + 1, axis) * share
    return pixels


def reference(background, cutouts, placements, mirrored):
    """As `naive`, with sizes that change, on whole arrays: premultiplied colours are resized, in float64."""
    scene, visible = background.astype(float), [None] * len(cutouts)
    for index in sorted(range(len(cutouts)), key=lambda item: placements[item].depth):
        place = placements[index]
        foreground, alpha = (part[:, ::-1] if mirrored[index] else part for part in cutouts[index])
        size, alpha = (place.height, place.width), alpha.astype(float)
        colors, alpha = halved(foreground * alpha[..., None], size), halved(alpha, size)
        window = np.s_[place.top : place.top + place.height, place.left : place.left + place.width]
        scene[window] = colors + (1 - alpha[..., None]) * scene[window]
        for behind in visible:
            if behind is not None:
                behind[window] *= 1 - alpha
        visible[index] = np.zeros(background.shape[:2])
        visible[index][window] = alpha
    return scene, visible


def halved(pixels, size):
    """Half the size, as often as more than that is left to do."""
    while pixels.shape[0] > 2 * size[0] and pixels.shape[1] > 2 * size[1]:
        pixels = resampled(pixels, [(length + 1) // 2 for length in pixels.shape[:2]])
    return resampled(pixels, size)


@pytest.mark.parametrize("size", [(16, 17), (8, 9), (40, 60), (57, 33), (64, 64), (90, 75), (32, 32)])
@pytest.mark.parametrize("mirrored", [(False, True), (True, False)])
def test_the_fast_way_is_within_one_level_of_floating_point(size, mirrored):
    """Smoke, hair and noise, shrunk to the half, enlarged, one over the other."""
    background = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for front, back in (("smoke", "hair"), ("net", "glass")):
        cutouts = [drawn.draw(front, "hotpink" if front == "net" else "silver", 64), drawn.draw(back, "tan", 64)]
        cutouts.append(cutout(64, 64))
        placements = [
            Placement(20, 10, *size, depth=1),
            Placement(40, 20, *size[::-1], depth=0),
            Placement(0, 88, 33, 32),
        ]
        scene, visible = composite(background, cutouts, placements, (120, 160), [*mirrored, True])
        true_scene, true_visible = reference(background, cutouts, placements, [*mirrored, True])
        assert np.abs(scene - np.rint(true_scene)).max() <= 1
        assert np.abs(np.array(visible) - true_visible).max() < 1e-4
        fast_scene, parts = blend(
            background, [premultiply(*one) for one in cutouts], placements, (120, 160), [*mirrored, True]
        )
        assert (fast_scene == scene).all()
        for part, place, true in zip(parts, placements, true_visible):
            written = matte_on_canvas(part, place, (120, 160))
            assert written.dtype == np.uint8 and np.abs(written - 255 * true).max() < 0.53


def test_over_equals_the_compositing_equation_whatever_the_background_is(monkeypatch):
    foreground, alpha = cutout(40, 30)
    image = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for background in (image, (0, 128, 255), 128, image.astype(np.float32)):
        under = np.broadcast_to(np.asarray(background, np.float64), foreground.shape)
        true = alpha[..., None].astype(np.float64) * foreground + (1 - alpha[..., None].astype(np.float64)) * under
        found = over(foreground, alpha, background)
        assert found.dtype == np.uint8 and np.abs(found - true).max() <= 0.5 + 1e-4
        monkeypatch.setattr("rimlib.matting.composition.STRIP", 7)
        np.testing.assert_array_equal(over(foreground, alpha, background), found)
        monkeypatch.undo()
    np.testing.assert_array_equal(over(foreground, np.ones((40, 30), np.float32), 0), foreground)


def test_what_is_solid_is_copied_and_what_is_clear_is_left():
    background = RNG.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    foreground, alpha = cutout(20, 10)[0], np.zeros((20, 10), np.float32)
    alpha[5:15] = 1
    scene, _ = composite(background, [(foreground, alpha)], [Placement(3, 4, 10, 20)], (30, 30))
    expected = background.copy()
    expected[9:19, 3:13] = foreground[5:15]
    np.testing.assert_array_equal(scene, expected)


def test_thin_strands_fade_and_do_not_break_however_much_they_shrink():
    alpha = np.zeros((240, 240), np.float32)
    alpha[:, 100] = 1  # one pixel wide
    white = np.full((240, 240, 3), 255, np.uint8)
    for size in (238, 200, 161, 121, 120, 119, 100, 61, 30):
        (seen,) = composite(
            np.zeros((240, 240, 3), np.uint8), [(white, alpha)], [Placement(0, 0, size, size)], (240, 240)
        )[1]
        row = seen[:size, :size].sum(axis=1)
        assert row.min() > 0.45 * size / 240 and np.ptp(row) < 1e-3, size
        area = cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA).sum(axis=1)
        assert np.abs(row - area).max() < 0.55, size


def test_a_background_is_cut_resized_and_never_the_pools_own_memory():
    image = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    kept = image.copy()
    for canvas in ((120, 160), (100, 160), (60, 80), (45, 60), (200, 200)):
        fitted = fit_background(image, canvas)
        assert fitted.shape == (*canvas, 3)
        fitted[:] = 0
        np.testing.assert_array_equal(image, kept)
    assert enlargement((120, 160), (200, 200)) == pytest.approx(200 / 120) and enlargement((120, 160), (60, 40)) == 0.5


def test_a_smooth_background_stays_what_it_is():
    """Whichever way it is resized: a gradient keeps its values."""
    y, x = np.mgrid[:300, :400] / 400
    image = np.rint(np.stack([255 * x, 255 * y, 255 * (x + y) / 2], axis=-1)).astype(np.uint8)
    for canvas in ((450, 600), (210, 280), (150, 200), (120, 160), (75, 100)):
        y, x = (np.mgrid[: canvas[0], : canvas[1]] + 0.5) / canvas[1]
        inner = np.s_[2:-2, 2:-2]
        true = np.stack([255 * x, 255 * y, 255 * (x + y) / 2], axis=-1)
        assert np.abs(fit_background(image, canvas) - true)[inner].max() < 2


def test_a_background_that_is_a_little_too_large_is_cropped_and_not_blurred():
    image = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_background(image, (240, 320)), image[30:270, 40:360])


def test_visible_alphas_never_add_up_to_more_than_one():
    placements = [Placement(2, 2, 10, 9, depth=2), Placement(5, 4, 8, 12, depth=0), Placement(4, 3, 12, 9, depth=1)]
    _, visible = composite(
        np.zeros((18, 24, 3), np.uint8), [cutout(9, 10), cutout(12, 8), cutout(9, 12)], placements, (18, 24)
    )
    assert sum(visible).max() <= 1 + 3 / 65535


def test_a_mirrored_cutout_gives_a_mirrored_matte():
    background = np.zeros((10, 12, 3), np.uint8)
    one = [cutout(6, 8)]
    _, (plain,) = composite(background, one, [Placement(2, 2, 8, 6)], (10, 12))
    _, (flipped,) = composite(background, one, [Placement(2, 2, 8, 6)], (10, 12), [True])
    np.testing.assert_array_equal(plain, flipped[:, ::-1])


def test_resizing_brings_no_colour_from_under_zero_alpha():
    foreground = np.zeros((40, 40, 3), np.uint8)
    foreground[:, :20] = (200, 30, 30)
    foreground[:, 20:] = (0, 255, 0)  # hidden: its alpha is 0
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1
    color, small = resize_cutout(foreground, alpha, (13, 13))
    assert np.abs(color[small > 0.05] - (200, 30, 30)).max() < 2


def test_background_is_cropped_to_shape_not_squeezed():
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, 150:250] = 255  # a square in the middle stays a square
    fitted = fit_background(image, (60, 80))
    assert fitted.shape == (60, 80, 3)
    assert abs((fitted[30, :, 0] > 127).sum() - 60) <= 2
