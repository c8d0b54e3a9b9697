import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rimlib.errors import RimError
from rimlib.matting import metrics

MATTES = arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32))


def naive(pred, true):
    """SAD, MSE and MAD pixel by pixel."""
    total = squares = 0.0
    for row in range(len(true)):
        for column in range(len(true[0])):
            difference = float(pred[row][column]) - float(true[row][column])
            total, squares = total + abs(difference), squares + difference * difference
    count = len(true) * len(true[0])
    return total / 1000, squares / count, total / count


@given(MATTES, MATTES)
def test_errors_are_those_of_a_loop(pred, true):
    found = metrics.sad(pred, true), metrics.mse(pred, true), metrics.mad(pred, true)
    assert found == pytest.approx(naive(pred, true), abs=1e-12)


def test_large_images_lose_no_digits():
    true = np.zeros((1400, 1250), np.float32)  # 1.75 Mpx, the paper's size
    assert metrics.sad(true + np.float32(0.1), true) == pytest.approx(
        1_750_000 * float(np.float32(0.1)) / 1000, rel=1e-12
    )


@pytest.mark.parametrize("kernel", [9, 81])
def test_a_row_is_that_of_the_plain_formulas_in_float64(kernel):
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:216, :324]
    smooth = lambda cx: np.clip(0.5 - (np.hypot(x - cx, y - 100) - 60) / 12, 0, 1)
    true = (np.rint(smooth(150) * 255) / 255).astype(np.float32)
    pred = np.clip(smooth(165) + rng.normal(0, 0.1, true.shape), 0, 1).astype(np.float32)
    row = metrics.score(pred, true, kernel)
    difference = pred.astype(np.float64) - true
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    near = cv2.dilate((true > 0).astype(np.uint8), ellipse)
    band = (near > 0) & (cv2.erode((true == 1).astype(np.uint8), ellipse) == 0)
    assert row["sad"] == pytest.approx(np.abs(difference).sum() / 1000, rel=1e-9)
    assert row["mse"] == pytest.approx((difference**2).mean(), rel=1e-9)
    assert row["mad"] == pytest.approx(np.abs(difference).mean(), rel=1e-9)
    assert row["sad_in_band"] == pytest.approx(np.abs(difference)[band].sum() / 1000, rel=1e-9)
    assert row["sad_empty"] == pytest.approx(true.astype(np.float64).sum() / 1000, rel=1e-9)
    assert row["iou"] == ((pred > 0.5) & (true > 0.5)).sum() / ((pred > 0.5) | (true > 0.5)).sum()
    assert metrics.score(pred, metrics.Truth(true), kernel) == row, "a truth that is shared gives the same"


@pytest.mark.parametrize(
    "values, words",
    [
        (np.full((4, 4), 255, np.uint8), "uint8 from 255 to 255"),
        (np.full((4, 4), 255.0), "from 255 to 255"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), -1.0), "from -1"),
        (np.empty((0, 4)), "no pixel"),
    ],
)
def test_values_out_of_range_are_refused(values, words):
    good = np.zeros(values.shape)
    for arguments, name in (((values, good), "matte"), ((good, values), "matte|truth")):
        with pytest.raises(RimError, match=f"the ({name}) holds .*{words}.*; floats in .0, 1. are expected"):
            metrics.score(*arguments)


def test_bools_are_mattes():
    true = np.zeros((8, 8))
    true[2:5, 2:5] = 1
    assert metrics.score(true > 0.5, true) == metrics.score(true, true)


def test_unequal_shapes_are_refused():
    with pytest.raises(RimError, match=r"\(4, 4\).*\(4, 5\)"):
        metrics.sad(np.zeros((4, 4)), np.zeros((4, 5)))


@given(MATTES, MATTES)
def test_iou_is_that_of_sets(pred, true):
    first, second = ({tuple(place) for place in np.argwhere(matte > 0.5)} for matte in (pred, true))
    expected = len(first & second) / len(first | second) if first | second else 1.0
    assert metrics.iou(pred, true) == pytest.approx(expected)
    assert metrics.localised(pred, true) == (expected > 0.5)


def test_half_is_not_localised():
    pred, true = np.array([[1.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    assert metrics.iou(pred, true) == 0.5
    assert not metrics.localised(pred, true)


def test_band_holds_the_edge_and_not_the_rest():
    true = np.zeros((60, 60))
    true[20:40, 20:40] = 1
    band = metrics.transition_band(true, kernel=5)
    assert band[20, 30] and band[19, 30] and not band[30, 30] and not band[5, 5]
    off_the_edge = true.copy()
    off_the_edge[29:31, 29:31] = 0
    off_the_edge[0, 0] = 1
    assert metrics.sad_in_band(off_the_edge, true, kernel=5) == 0
    assert metrics.sad(off_the_edge, true) == pytest.approx(0.005)


def rows_of(sizes, rng):
    return [
        {
            "image": f"i{image}",
            "sad": rng.random(),
            "mse": rng.random(),
            "mad": rng.random(),
            "sad_empty": 1 + rng.random(),
            "iou": rng.random(),
            "localised": bool(rng.integers(2)),
            "entity_kind": "thing" if index else "animal",
        }
        for image, size in enumerate(sizes)
        for index in range(size)
    ]


def test_summary_follows_equations_10_and_11():
    rows = rows_of([2, 3, 1], np.random.default_rng(0))
    summary = metrics.summarise(rows)
    by_entity, by_image = 0.0, 0.0
    for row in rows:
        by_entity += row["mse"] / 6
        by_image += row["mse"] / 3 / {"i0": 2, "i1": 3, "i2": 1}[row["image"]]
    assert summary["mse"] == pytest.approx(by_entity)
    assert summary["mse_e"] == pytest.approx(by_image)
    assert summary["mse"] != pytest.approx(summary["mse_e"])
    assert (summary["entities"], summary["images"]) == (6, 3)
    assert summary["sad_ratio"] == pytest.approx(
        sum(row["sad"] for row in rows) / sum(row["sad_empty"] for row in rows)
    )


def test_summary_by_kind():
    rows = rows_of([2, 2], np.random.default_rng(1))
    parts = metrics.by(rows, "entity_kind")
    assert list(parts) == ["animal", "thing"]
    assert (parts["animal"]["sad"] + parts["thing"]["sad"]) / 2 == pytest.approx(metrics.summarise(rows)["sad"])


def test_nothing_to_average_is_refused():
    with pytest.raises(RimError, match="no entity"):
        metrics.summarise([])


def test_score_of_the_truth_and_of_an_empty_matte():
    true = np.zeros((40, 40), np.float32)
    true[10:20, 10:20] = 1
    perfect, empty = metrics.score(true, true), metrics.score(np.zeros_like(true), true)
    assert perfect["sad"] == 0 and perfect["localised"] and perfect["iou"] == 1
    assert empty["sad"] == empty["sad_empty"] == pytest.approx(0.1) and not empty["localised"]
    assert all(math.isfinite(float(value)) for value in empty.values())


@given(MATTES, MATTES)
def test_soft_errors_are_those_of_a_loop(pred, true):
    pairs = [(float(p), float(t)) for p, t in zip(pred.ravel(), true.ravel()) if 0.05 < t < 0.95]
    found = metrics.soft_errors(pred, true)
    if not pairs:
        assert found is None
    else:
        matte = sum(abs(p - t) for p, t in pairs) / len(pairs)
        cut = sum(abs((t > 0.5) - t) for _, t in pairs) / len(pairs)
        assert found == pytest.approx((matte, cut), abs=1e-7)


def test_the_truth_itself_has_no_soft_error_and_its_cut_has_that_of_the_cut():
    true = np.linspace(0, 1, 21)[None]
    assert metrics.soft_errors(true, true)[0] == 0
    cut = metrics.soft_errors(true > 0.5, true)
    assert cut[0] == cut[1] == pytest.approx(np.minimum(true, 1 - true)[0, 2:-2].mean())
