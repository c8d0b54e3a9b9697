"""Foreground colours are found again where a picture mixes them with its background."""

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.matting.foreground import MARGIN, METHODS, _around, estimate

SIDE = 48


def composite():
    """A disc with a soft edge and smooth colours over a smooth background; the true foreground is known everywhere."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    alpha = np.clip((0.3 - np.hypot(y - 0.5, x - 0.5)) / 0.2 + 0.5, 0, 1)
    foreground = np.stack([0.9 - 0.2 * x, 0.3 + 0.2 * y, 0.2 + 0.1 * x], axis=-1)
    background = np.stack([0.1 + 0.1 * y, 0.4 - 0.2 * x, 0.8 - 0.2 * y], axis=-1)
    return foreground * alpha[..., None] + background * (1 - alpha[..., None]), alpha, foreground


@pytest.mark.parametrize("method", METHODS)
def test_the_true_foreground_is_found(method):
    picture, alpha, truth = composite()
    found = estimate(picture, alpha, method)
    seen = (alpha > 0) & (alpha < 1)
    error = (np.abs(found - truth) * alpha[..., None])[seen].mean()
    naive = (np.abs(picture - truth) * alpha[..., None])[seen].mean()
    assert error < 0.02 and error < naive / 4, (error, naive)
    assert np.array_equal(found[alpha == 1], picture[alpha == 1]), "solid pixels keep their own colours"


def test_the_fast_form_agrees_with_the_closed_form():
    picture, alpha, _ = composite()
    difference = np.abs(estimate(picture, alpha, "cf") - estimate(picture, alpha, "ml"))
    assert (difference * alpha[..., None]).mean() < 0.02


def test_uint8_and_float_say_the_same():
    picture, alpha, _ = composite()
    levels = np.rint(picture * 255).astype(np.uint8)
    from_levels, from_floats = (
        estimate(levels, alpha, "ml"),
        estimate((levels / 255).astype(np.float32), alpha.astype(np.float32), "ml"),
    )
    assert from_levels.dtype == np.uint8 and from_floats.dtype == np.float32
    assert np.abs(from_levels / 255 - from_floats).max() < 1.5 / 255


def test_only_the_window_with_mixed_pixels_takes_part():
    mixed = np.zeros((200, 300), bool)
    mixed[50:60, 100:140] = True
    assert _around(mixed) == (slice(50 - MARGIN, 60 + MARGIN), slice(100 - MARGIN, 140 + MARGIN))
    far = np.random.default_rng(0).random((200, 300, 3))
    assert np.array_equal(estimate(far, np.ones((200, 300))), far), "nothing mixed, nothing to estimate"


@pytest.mark.parametrize(
    "picture, alpha, method, words",
    [
        (np.zeros((4, 5, 3)), np.zeros((4, 4)), "cf", "shape"),
        (np.zeros((4, 4, 3)), np.zeros((4, 4)), "levin", "cf or ml"),
        (np.full((4, 4, 3), 2.0), np.zeros((4, 4)), "cf", r"\[0, 1\]"),
        (np.zeros((4, 4, 3), int), np.zeros((4, 4)), "cf", "uint8"),
    ],
)
def test_what_cannot_be_used_is_refused(picture, alpha, method, words):
    with pytest.raises(RimError, match=words):
        estimate(picture, alpha, method)
