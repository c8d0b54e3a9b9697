"""The benchmark of listening counts right: by predictors whose answers are known, in scenes of look-alikes."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from small import SMALL, benchmark

from rimlib.entities import drawn
from rimlib.matting import relations
from rimlib.prediction.result import Result
from rimlib.refmatte.plan import scenes
from rimlib.refmatte.render import render


@pytest.fixture(scope="module")
def hearing():
    return benchmark("hearing")


@pytest.fixture(scope="module")
def shots(hearing):
    pool = drawn.load(size=48)
    settings = dataclasses.replace(SMALL, pool="drawn", groups_test=0, extra_test=12)
    found = [
        hearing.Shot(plan.name, number, render(pool, plan, (96, 128))[1], plan, plan.scene(pool))
        for number, plan in enumerate(scenes(pool, settings, "alike"))
    ]
    return SimpleNamespace(of=lambda split, limit=None: iter(found), all=found)


class Predictor:
    """Gives the entity that `choose` names, for a scene and a sentence."""

    def __init__(self, shots, choose):
        self.shots, self.choose = shots, choose

    def set_image(self, number):
        self.shot = self.shots[number]

    def predict_many(self, sentences):
        for text in sentences:
            alpha = self.shot.truths[self.choose(self.shot, text)]
            yield Result(alpha, 0.9, np.zeros(alpha.shape, np.uint8), sentence=text)


def deaf(shot, text):
    return 0


def listening(shot, text):
    """By the sentences of the plan, and "the left dog" of two by their boxes."""
    for index, four in enumerate(shot.plan.sentences):
        if text in {sentence.text for sentence in four}:
            return index
    for name, relation in relations.RELATIONS.items():
        for index, entity in enumerate(shot.scene.entities):
            alike = [number for number, other in enumerate(shot.scene.entities) if other.category == entity.category]
            if relation.first and f"the {relation.first[0].format(noun=entity.category)}" == text:
                if relations.comes(name, 1, index, alike, shot.scene.boxes, shot.scene.depths):
                    return index
    raise AssertionError(text)


def measured(hearing, shots, part, choose):
    report, predictor = hearing.Report(), Predictor(shots.all, choose)
    hearing.PARTS[part].measure(hearing.Predictors(predictor, predictor), shots, report)
    return report


def test_who_listens_is_right(hearing, shots):
    report = measured(hearing, shots, "lookalikes", listening)
    assert report.values["lookalikes"]["all"] > 0.9  # an entity that another one covers has little left to show
    assert 0.3 < report.chances["lookalikes"]["all"] <= 0.5 and report.counts["lookalikes"]["all"] > 20
    assert report.counts["lookalikes"]["all"] == sum(report.counts["lookalikes"][name] for name in hearing.APART) + sum(
        sentence.claim.relation == "middle"
        for shot in shots.all
        for four in shot.plan.sentences
        for sentence in {sentence.text: sentence for sentence in four}.values()
        if len(hearing.referents(dataclasses.replace(sentence.claim, relation="", other=None, rank=0), shot.scene)) > 1
    )
    report = measured(hearing, shots, "swap", listening)
    assert report.values["swap"] == {"gives_the_other": 1, "both": 1} and report.counts["swap"]["both"] > 4


def test_who_does_not_listen_keeps_the_answer(hearing, shots):
    report = measured(hearing, shots, "swap", deaf)
    assert report.values["swap"] == {"gives_the_other": 0, "both": 0}
    assert report.values["swap"].keys() == report.chances["swap"].keys() == report.counts["swap"].keys()
    found = measured(hearing, shots, "lookalikes", deaf)
    assert found.values["lookalikes"]["all"] < 0.65


def test_several_are_right_as_one_matte(hearing, shots):
    shot = shots.all[0]
    both = tuple(range(2))
    whole = hearing.union(shot.truths, both)
    assert whole.max() <= 1 and (whole >= np.maximum(shot.truths[0], shot.truths[1]) - 1e-6).all()
    (row,) = hearing.ask(Predictor(shots.all, deaf), shot, [hearing.Asked("both", both)])
    assert row["gives"] == 0 and row["localised"] == hearing.metrics.localised(shot.truths[0], whole)


def test_a_sentence_that_fits_nothing_is_localised_nowhere(hearing, shots):
    (row,) = hearing.ask(Predictor(shots.all, deaf), shots.all[0], [hearing.Asked("the zebra", ())])
    assert not row["localised"] and row["gives"] == 0


@pytest.mark.parametrize(
    "given, message",
    [
        (("--only", "lookalike"), "--only lookalike: expected some of lookalikes"),
        (("--limit", "0"), "--limit 0: must be at least 1"),
    ],
)
def test_options_are_checked(hearing, monkeypatch, capsys, given, message):
    monkeypatch.setattr("sys.argv", ["hearing.py", *given])
    with pytest.raises(SystemExit):
        hearing.main()
    assert message in capsys.readouterr().err
