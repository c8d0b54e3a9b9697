from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.refmatte.dataset import RefMatte

SIZE = 48


class Oracle(torch.nn.Module):
    """Answers a sentence with the true matte of the entity that it names, or of the other one."""

    image_size, profile = SIZE, None

    def __init__(self, refmatte, wrong=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.wrong, self.encoded, self.sentences_seen = wrong, 0, []
        self.answers = {}
        for name in refmatte.image_names:
            targets = refmatte.targets_of(name)
            image = resize(refmatte.image(name), (SIZE, SIZE))
            for index, target in enumerate(targets):
                shown = targets[1 - index] if wrong else target
                matte = resize(refmatte.matte(shown.mask_id), (SIZE, SIZE))
                for text in (*target.expressions, f"a photo of a {target.keyword}"):
                    self.answers[image.tobytes(), text] = matte

    def tokenize(self, sentences, truncate=False):
        self.sentences = sentences
        self.sentences_seen += sentences
        return torch.zeros(len(sentences), 4, dtype=torch.int64)

    def forward(self, images, tokens, image_index):
        self.encoded += len(images)
        images = (images * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        mattes = np.stack(
            [self.answers[images[image].tobytes(), text] for image, text in zip(image_index.tolist(), self.sentences)]
        )
        alpha = torch.from_numpy(mattes)[:, None]
        return SimpleNamespace(alpha=alpha, score=torch.ones(len(alpha)))


def test_the_truth_scores_well_at_the_images_own_size(scenes):
    refmatte = RefMatte(scenes, split="test")
    oracle = Oracle(refmatte).train()
    found = evaluate(oracle, refmatte, batch=3)
    summary = found["metrics"]
    assert (summary["images"], summary["entities"]) == (4, 8) and oracle.encoded == 4
    assert summary["localised"] == 1 and summary["iou"] > 0.9 and summary["sad_ratio"] < 0.2
    assert summary["chance"] == 0.5
    assert oracle.training
    row = found["rows"][3]
    target = next(target for target in refmatte.targets if target.mask_id == row["mask_id"])
    true = refmatte.matte(target.mask_id)
    assert row["sad"] == pytest.approx(metrics.sad(resize(resize(true, (SIZE, SIZE)), true.shape), true))
    assert row["sentence"] == target.evaluated and row["sentence_kind"] == target.kinds[target.scored]
    assert summary["scored_by"] == "index"


def test_the_wrong_entity_is_not_localised(scenes):
    refmatte = RefMatte(scenes, split="test")
    summary = evaluate(Oracle(refmatte, wrong=True), refmatte)["metrics"]
    assert summary["localised"] == 0 and summary["sad_ratio"] > 1.5


def test_every_expression_is_scored_by_kind(scenes):
    refmatte = RefMatte(scenes, split="test")
    found = evaluate(Oracle(refmatte), refmatte, every=True, limit=2)
    assert len(found["rows"]) == 2 * 2 * 4
    parts = found["metrics"]["by_sentence"]
    assert found["metrics"]["scored_by"] == "index" and sum(row["scored"] for row in found["rows"]) == 4
    assert (found["metrics"]["entities"], found["metrics"]["all"]["entities"]) == (4, 16)
    assert {name: part["entities"] for name, part in parts.items()} == {
        **{"absolute": 4, "basic": 4},
        **{"relative-short": 4, "relative-long": 4},
    }
    assert found["metrics"]["by_entity"]["thing"]["entities"] == 16


def test_keywords_are_put_into_the_template(scenes):
    refmatte = RefMatte(scenes, split="test")
    oracle = Oracle(refmatte)
    found = evaluate(oracle, refmatte, setting="keyword")
    assert found["metrics"]["setting"] == "keyword" and "by_sentence" not in found["metrics"]
    assert set(oracle.sentences_seen) == {"a photo of a disc", "a photo of a box"}


def test_no_image_is_refused(scenes):
    with pytest.raises(RimError, match="no entity"):
        refmatte = RefMatte(scenes, split="test")
        evaluate(Oracle(refmatte), refmatte, limit=0)
