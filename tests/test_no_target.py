"""No-target rejection: scores and empty mattes of sentences that fit nothing, by a model whose scores are known."""

import dataclasses

import numpy as np
import pytest
import torch
from small import SMALL

from rimlib.additions.calibration import Calibration
from rimlib.clipmat.model import Output
from rimlib.entities import drawn
from rimlib.errors import RimError
from rimlib.evaluation import no_target as module
from rimlib.evaluation.no_target import no_target_rejection
from rimlib.io.files import write_json
from rimlib.refmatte import format, plan
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.render import render


class Knows(torch.nn.Module):
    """Finds discs and boxes, and nothing else; the surer the longer its sentence."""

    image_size = 32

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def tokenize(self, sentences, truncate=False):
        self.sentences = sentences
        return torch.zeros(len(sentences), 4, dtype=torch.int64)

    def forward(self, images, tokens, index):
        found = torch.tensor([4.0 if "disc" in text or "box" in text else -4.0 for text in self.sentences])
        logits = torch.zeros(len(found), 3, 32, 32)
        logits[:, 2] = found[:, None, None]
        logits[:, 1] = -9
        alpha = (found > 0).float()[:, None, None, None].expand(-1, 1, 32, 32)
        return Output(logits, alpha, alpha)


@pytest.fixture
def refmatte(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "set", 5)
    names = RefMatte(root).image_names
    write_json(
        format.no_target_path(root, "train"),
        {
            names[0]: [{"sentence": "the red star", "wrong": "stranger"}, {"sentence": "star", "wrong": "keyword"}],
            names[3]: [{"sentence": "the disc under the box", "wrong": "relation"}],
        },
    )
    return RefMatte(root)


def test_rates_of_true_and_of_no_target_sentences(refmatte):
    found = no_target_rejection(Knows(), refmatte, batch=1)
    assert (found["fitting"], found["no_target"]) == (4, 3) and found["true_positive_rate"] == 1
    assert found["true_negative_rate"] == pytest.approx(2 / 3) and found["empty"] == pytest.approx(2 / 3)
    kinds = ("stranger", "keyword", "relation")
    assert [found[f"true_negative_rate_{kind}"] for kind in kinds] == [1, 1, 0]
    assert found["auc"] == pytest.approx(1 - 1 / 6)  # the believed one ties with every true one


def test_a_calibrated_model_rejects_by_its_own_threshold(refmatte):
    model = Knows()
    raw = no_target_rejection(model, refmatte)
    model.card = {"calibration": Calibration(low=1.0, high=1.0, offset=-9.0, threshold=0.5).to_dict()}
    found = no_target_rejection(model, refmatte)
    assert raw["true_positive_rate"] == 1 and found["true_positive_rate"] == 0
    assert found["true_negative_rate"] == 1 and found["auc"] == pytest.approx(raw["auc"])


def test_keywords_are_put_into_the_template(refmatte, monkeypatch):
    drawn = []
    real = module.predict
    monkeypatch.setattr(
        module,
        "predict",
        lambda model, images, index, sentences, device: (
            drawn.extend(sentences) or real(model, images, index, sentences, device)
        ),
    )
    no_target_rejection(Knows(), refmatte, template="the mask of the {keyword}")
    assert "the mask of the star" in drawn and "the red star" in drawn


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    one, other = rng.normal(1, 1, 50), rng.normal(0, 1, 70).round(1)
    naive = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a in one for b in other])
    assert module.auc(one, other) == pytest.approx(naive)


def test_data_without_such_sentences_is_refused(make_scenes, tmp_path):
    with pytest.raises(RimError) as caught:
        no_target_rejection(Knows(), RefMatte(make_scenes(tmp_path / "set", 2)))
    assert caught.value.setting == "data.no_target"


def test_scores_come_with_what_is_wrong_with_each_sentence(refmatte):
    found = module.scored(Knows(), refmatte)
    assert found.kind.tolist().count("") == 4 and sorted(found.kind[~found.true]) == ["keyword", "relation", "stranger"]
    assert (found.score[found.true] > 0.5).all() and found.covered[found.kind == "stranger"].tolist() == [0]


def test_a_calibration_has_scenes_of_its_own(monkeypatch):
    pool, settings = drawn.load(size=32), dataclasses.replace(SMALL, pool="drawn", groups_test=0, extra_test=3)
    kept = list(plan.scenes(pool, settings, "seen"))
    shown = []
    monkeypatch.setattr(
        module, "render", lambda pool, scene, canvas: shown.append(scene) or render(pool, scene, canvas)
    )
    found = module.scored_anew(Knows(), pool, settings, count=5, batch=2)
    assert len(shown) == 5 and not {scene.name for scene in shown} & {scene.name for scene in kept}
    assert found.true.sum() == sum(len(scene.entities) for scene in shown)
    assert (~found.true).sum() == sum(len(scene.no_target) for scene in shown) > 0
