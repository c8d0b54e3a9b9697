"""The data engine's sentences are understood: a small part of what `benchmarks/understanding.py` measures."""

from random import Random

import pytest
import small

from rimlib.understanding import Instance


@pytest.fixture(scope="module")
def benchmark():
    return small.benchmark("understanding")


def test_sentences_of_the_engine_are_resolved_to_what_they_mean(benchmark):
    measured = benchmark.measure(400)
    assert measured["engine_right"] >= 0.99 and measured["depth_right"] >= 0.995 and measured["unparsed"] == 0
    # The reasoning is what does it, and not the oracle: without it, of alike things the first one is taken.
    assert measured["place_ignored"] < 0.9 < measured["several_right"]
    assert measured["place_ignored"] < measured["jitter_right"] < measured["engine_right"]


def test_a_shaken_box_stays_near_and_is_sometimes_missed_or_doubled(benchmark):
    box = Instance((100, 100, 200, 200), 0.9)
    counts = [len(benchmark.shake([(0, box)], Random(seed))) for seed in range(400)]
    assert 5 < counts.count(0) < 40 and 5 < counts.count(2) < 40
    moved = benchmark.shake([(0, box)], Random(1))[0][1].box
    assert moved != box.box and all(abs(one - other) <= 10 for one, other in zip(moved, box.box))
