"""Means by group, intervals, and the definitions that they are named by."""

import numpy as np
import pytest

from rimlib.evaluation import definitions
from rimlib.evaluation.queries import is_transparent, relation_of
from rimlib.evaluation.summary import interval, summary
from rimlib.matting import edges, metrics
from rimlib.refmatte.format import Target


def rows_of(images, rng, **more):
    return [
        {
            "image": f"i{image}",
            "mask_id": f"i{image}_{entity}",
            "sentence_kind": ("basic", "free")[number],
            "scored": number == 1,
            "transparent": (None, True, False)[entity],
            "relation": None,
            "entities_in_image": 2 + image % 2,
            "sad": rng.normal(10 + 5 * number, 2),
            "mse": rng.random(),
            "mad": rng.random(),
            "iou": rng.random(),
            "localised": bool(rng.integers(2)),
            **more,
        }
        for image in range(images)
        for entity in range(2 + image % 2)
        for number in (0, 1)
    ]


def test_the_headline_counts_one_sentence_of_each_entity():
    rows = rows_of(6, np.random.default_rng(0))
    found = summary(rows)
    scored = [row["sad"] for row in rows if row["scored"]]
    assert found["entities"] == 15 and found["sad"] == pytest.approx(np.mean(scored))
    assert found["all"]["entities"] == 30 and found["all"]["sad"] == pytest.approx(
        np.mean([row["sad"] for row in rows])
    )
    assert list(found["by_sentence"]) == ["basic", "free"] and found["by_sentence"]["free"]["sad"] == found["sad"]
    assert {name: part["entities"] for name, part in found["by_transparency"].items()} == {
        "opaque": 6,
        "transparent": 12,
    }
    assert list(found["by_entities_in_image"]) == ["2", "3"] and "by_relation" not in found
    assert "refined" not in found
    every = summary(rows, every=True)
    assert every["sad"] == found["all"]["sad"] and every["scored"]["sad"] == found["sad"] and "all" not in every


def test_the_refiners_mattes_have_a_summary_of_their_own():
    rng = np.random.default_rng(1)
    plain, refined = rows_of(4, rng, refined=False), rows_of(4, rng, refined=True)
    found = summary(plain + refined)
    assert found["refined"] == summary([{**row, "refined": False} for row in refined])
    assert {name: value for name, value in found.items() if name != "refined"} == summary(plain)


def test_intervals_hold_the_mean_of_the_population_in_19_of_20_samples():
    rng, held = np.random.default_rng(2), 0
    for _ in range(200):
        shared = rng.normal(0, 3, 40)  # what the two rows of an image have in common
        rows = [{"image": str(image), "sad": 20 + shared[image] + rng.normal()} for image in range(40) for _ in (0, 1)]
        low, high = interval(rows, draws=200, seed=int(rng.integers(1 << 30)))["sad"]
        held += low < 20 < high
    assert 180 <= held <= 198, "rows taken for independent would hold it in about 160"


def test_intervals_are_those_of_the_formula_and_repeat():
    rows = rows_of(30, np.random.default_rng(3))
    found = interval(rows)
    assert found == interval(rows) != interval(rows, seed=1)
    assert set(found) == {"sad", "mse", "mad", "iou", "localised", "sad_e", "mse_e", "mad_e"}
    means = metrics.summarise(rows)
    assert all(low < means[name] < high for name, (low, high) in found.items())
    of_image = [np.mean([row["sad"] for row in rows if row["image"] == f"i{image}"]) for image in range(30)]
    low, high = found["sad_e"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(of_image) / np.sqrt(30), rel=0.15)
    assert interval(rows[:4]) == {}, "one image has no interval"


def test_relations_and_transparency_are_read_where_no_label_has_them():
    texts = ("a cup", "the cup at the left", "the cup to the left of the jar", "the cup near the jar")
    cup = Target("a_1", "a", "cup", texts)
    assert relation_of([cup]) == "left/right" and is_transparent(cup) is None
    assert relation_of([Target("a_1", "a", "cup", ("a cup", "the left cup", "the cup", "my cup"))]) is None
    both = (*texts[:3], "the cup behind the jar")
    assert relation_of([Target("a_1", "a", "cup", both)]) is None
    assert relation_of([Target("a_1", "a", "cup", texts, extra={"relation": "top/bottom"})]) == "top/bottom"
    assert is_transparent(Target("a_1", "a", "cup", ("the non-transparent cup",))) is False
    assert is_transparent(Target("a_1", "a", "cup", ("the cup",), extra={"attributes": {"transparent": True}})) is True


def test_definitions_of_one_measure_differ_and_ours_is_what_is_scored():
    rng = np.random.default_rng(4)
    true = np.zeros((80, 90), np.float32)
    true[20:60, 20:60] = 1
    true[30:34, 60:75] = 0.6
    pred = np.clip(true + rng.normal(0, 0.2, true.shape), 0, 1).astype(np.float32)
    found, row = definitions.compare(pred, true), metrics.score(pred, true)
    ours = {one["measure"].lower(): one["value"] for one in found if one["ours"]}
    assert ours == {name: row[name] for name in ours} and set(ours) == set(definitions.names())
    value = {(one["measure"], one["definition"]): one["value"] for one in found}
    assert len(value) == len(found) == len(definitions.DEFINITIONS)
    for measure in {one["measure"] for one in found} - {"localised"}:
        assert len({one["value"] for one in found if one["measure"] == measure}) > 1, measure
    unknown = metrics.transition_band(true)
    assert value["MSE", "sum over U of (p - a)^2 / |U|"] == pytest.approx(
        ((pred - true)[unknown] ** 2).mean(), rel=1e-4
    )


def test_the_definitions_of_gfm():
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(5)
    pred, true = (ndimage.gaussian_filter(rng.random((60, 70)), 4) * 4 % 1 for _ in range(2))
    found = {one["definition"]: one["value"] for one in definitions.compare(pred, true)}
    lengths = []
    for matte in (pred, true):
        lengths.append(np.hypot(*(ndimage.gaussian_filter(matte, 1.4, order=order) for order in ((1, 0), (0, 1)))))
    expected = np.square(lengths[0] - lengths[1]).sum() / 10
    assert found["the same / 10, derivatives of a Gaussian of sum 1"] == pytest.approx(expected, rel=1e-4)
    empty = np.zeros_like(true)
    assert edges.conn(empty, true, skip_empty=True) == 0 < edges.conn(empty, true)
