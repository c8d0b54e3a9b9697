"""Foreground colours are found again where an image mixes them with its background."""

import builtins
from pathlib import Path

import numba
import numpy as np
import pymatting
import pytest

from rimlib.errors import RimError
from rimlib.matting.foreground import MARGIN, METHODS, estimate

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
    image, alpha, truth = composite()
    found = estimate(image, alpha, method)
    seen = (alpha > 0) & (alpha < 1)
    error = (np.abs(found - truth) * alpha[..., None])[seen].mean()
    naive = (np.abs(image - truth) * alpha[..., None])[seen].mean()
    assert error < 0.02 and error < naive / 4, (error, naive)
    assert np.array_equal(found[alpha == 1], image[alpha == 1]), "solid pixels keep their own colours"


def test_the_fast_form_agrees_with_the_closed_form():
    image, alpha, _ = composite()
    difference = np.abs(estimate(image, alpha, "cf") - estimate(image, alpha, "ml"))
    assert (difference * alpha[..., None]).mean() < 0.02


def test_uint8_and_float_give_the_same():
    image, alpha, _ = composite()
    levels = np.rint(image * 255).astype(np.uint8)
    from_levels, from_floats = (
        estimate(levels, alpha, "ml"),
        estimate((levels / 255).astype(np.float32), alpha.astype(np.float32), "ml"),
    )
    assert from_levels.dtype == np.uint8 and from_floats.dtype == np.float32
    assert np.abs(from_levels / 255 - from_floats).max() < 1.5 / 255


def test_only_the_window_with_mixed_pixels_takes_part(monkeypatch):
    shapes = []
    solve = pymatting.estimate_foreground_ml
    monkeypatch.setattr(
        pymatting, "estimate_foreground_ml", lambda image, alpha: shapes.append(alpha.shape) or solve(image, alpha)
    )
    far = np.random.default_rng(0).random((200, 300, 3))
    alpha = np.ones((200, 300))
    assert np.array_equal(estimate(far, alpha, "ml"), far) and not shapes, "nothing mixed, nothing to estimate"
    alpha[50:60, 100:140] = 0.5
    found = estimate(far, alpha, "ml")
    assert shapes == [(10 + 2 * MARGIN, 40 + 2 * MARGIN)]
    assert np.array_equal(found[alpha == 1], far[alpha == 1]) and not np.array_equal(found, far)


@pytest.mark.parametrize(
    "image, alpha, method, setting",
    [
        (np.zeros((4, 5, 3)), np.zeros((4, 4)), "cf", "image"),
        (np.zeros((4, 4, 3)), np.zeros((4, 4)), "levin", "method"),
        (np.full((4, 4, 3), 2.0), np.zeros((4, 4)), "cf", "image"),
        (np.zeros((4, 4, 3), int), np.zeros((4, 4)), "cf", "image"),
    ],
)
def test_what_cannot_be_used_is_refused(image, alpha, method, setting):
    with pytest.raises(RimError) as caught:
        estimate(image, alpha, method)
    assert caught.value.setting == setting


def test_numba_compiles_where_no_folder_can_be_written(monkeypatch):
    """As in a read-only installation without a home: the first import of pymatting raises."""
    real, failed = builtins.__import__, []

    def read_only(name, *arguments, **options):
        if name == "pymatting" and not failed:
            failed.append(name)
            raise RuntimeError("cannot cache function '_make_tree': no locator available")
        return real(name, *arguments, **options)

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(builtins, "__import__", read_only)
    image, alpha, _ = composite()
    assert np.isfinite(estimate(image, alpha, "ml")).all()
    assert failed and Path(numba.config.CACHE_DIR).is_dir()
