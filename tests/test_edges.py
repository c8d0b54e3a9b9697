"""Grad and Conn against plain ways of writing them, and the ellipse's quick morphology against OpenCV's own."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rimlib.matting import edges
from rimlib.matting.ellipse import dilate, erode

QUANTISED = arrays(np.float32, (7, 9), elements=st.integers(0, 20).map(lambda level: np.float32(level / 20)))


def blurred(seed, height=40, width=50):
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    return np.clip(4 * (cv2.GaussianBlur(noise, (0, 0), 3) - 0.4), 0, 1)


def largest(mask):
    """The largest part of four neighbours, by flooding; the first by its first pixel where two are equal."""
    best, seen = set(), set()
    for start in map(tuple, np.argwhere(mask)):
        part, todo = set(), [start]
        while todo:
            y, x = todo.pop()
            if (y, x) in seen or not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]):
                continue
            seen.add((y, x))
            part.add((y, x))
            todo += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        best = part if len(part) > len(best) else best
    return best


def naive_conn(pred, true):
    level = np.zeros(true.shape)
    on = {tuple(place) for place in np.argwhere(np.ones(true.shape))}
    for step in range(1, 11):
        on &= largest((pred >= np.float32(step / 10)) & (true >= np.float32(step / 10)))
        for place in on:
            level[place] = step / 10
    total = 0.0
    for place in np.ndindex(true.shape):
        loose = [float(matte[place]) - float(np.float32(level[place])) for matte in (pred, true)]
        phi = [1 - value * (value >= 0.15) for value in loose]
        total += abs(phi[0] - phi[1])
    return total / 1000


@given(QUANTISED, QUANTISED)
@settings(max_examples=60, deadline=None)
def test_conn_is_that_of_a_flood(pred, true):
    assert edges.conn(pred, true) == pytest.approx(naive_conn(pred, true), abs=1e-9)


def test_conn_of_an_empty_matte_is_not_nothing():
    true = np.zeros((20, 20), np.float32)
    true[5:15, 5:15] = 1
    assert edges.conn(0 * true, true) == pytest.approx(0.1)


def test_gradient_is_that_of_the_whole_filter():
    alpha, sigma, half = blurred(1), 1.4, 4
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    across = -x * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    across /= math.sqrt((across**2).sum())
    padded = np.pad(alpha.astype(np.float64), half, mode="edge")
    expected = np.empty(alpha.shape)
    for row, column in np.ndindex(alpha.shape):
        part = padded[row : row + 2 * half + 1, column : column + 2 * half + 1]
        expected[row, column] = math.hypot((part * across).sum(), (part * across.T).sum())
    assert np.allclose(edges.gradient(alpha), expected, atol=1e-6)
    other = blurred(2)
    assert edges.grad(other, alpha) == pytest.approx(((edges.gradient(other) - expected) ** 2).sum() / 1000, rel=1e-5)
    assert edges.grad(alpha, alpha) == 0


@pytest.mark.parametrize("width", [1, 3, 25, 27, 41, 81])
def test_quick_morphology_is_opencvs(width):
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    rng = np.random.default_rng(width)
    masks = [
        rng.random((rows, columns)) < share for rows, columns, share in ((60, 90, 0.001), (1, 50, 0.5), (90, 60, 0.999))
    ]
    masks += [np.zeros((5, 6), bool), np.ones((5, 6), bool), blurred(3, 120, 100) > 0.5]
    for mask in masks:
        values = mask.astype(np.uint8)
        assert np.array_equal(dilate(mask, width), cv2.dilate(values, ellipse) > 0)
        assert np.array_equal(erode(mask, width), cv2.erode(values, ellipse) > 0)
