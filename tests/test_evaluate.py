import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rimlib.baselines.baseline import Method
from rimlib.errors import RimError
from rimlib.evaluation.evaluate import evaluate
from rimlib.evaluation.rows import Rows
from rimlib.io.images import read_matte, resize
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
    assert found["metrics"]["scored_by"] == "all" and sum(row["scored"] for row in found["rows"]) == 4
    assert (found["metrics"]["entities"], found["metrics"]["scored"]["entities"]) == (16, 4)
    beside = evaluate(Oracle(refmatte), refmatte, beside=True, limit=2)
    assert beside["rows"] == found["rows"] and beside["metrics"]["scored_by"] == "index"
    assert (beside["metrics"]["entities"], beside["metrics"]["all"]["entities"]) == (4, 16)
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


class Fixed(torch.nn.Module):
    """Makes each coarse matte the same; stands in for a refiner."""

    def refine(self, image, alpha):
        matte = np.zeros(image.shape[:2], np.float32)
        matte[: len(matte) // 2] = 1
        return matte


def test_a_refiner_gives_each_matte_a_second_row(scenes):
    refmatte = RefMatte(scenes, split="test")
    plain = evaluate(Oracle(refmatte), refmatte)
    both = evaluate(Oracle(refmatte), refmatte, refiner=Fixed())
    before, after = ([row for row in both["rows"] if row["refined"] is value] for value in (False, True))
    assert before == plain["rows"] and [row["mask_id"] for row in after] == [row["mask_id"] for row in before]
    true = refmatte.matte(after[0]["mask_id"])
    assert after[0]["sad"] == metrics.sad(Fixed().refine(true, None), true)
    assert both["metrics"]["refined"]["sad"] == pytest.approx(np.mean([row["sad"] for row in after]))
    assert both["metrics"]["sad"] == plain["metrics"]["sad"]


def test_threads_change_nothing(scenes):
    refmatte = RefMatte(scenes, split="test")
    alone = evaluate(Oracle(refmatte), refmatte, every=True, batch=2)
    assert evaluate(Oracle(refmatte), refmatte, every=True, batch=2, workers=3) == alone


def test_without_edges_the_rest_is_the_same(scenes):
    refmatte = RefMatte(scenes, split="test")
    whole, quick = (evaluate(Oracle(refmatte), refmatte, edges=edges)["rows"] for edges in (True, False))
    left_out = set(whole[0]) - set(quick[0])
    assert left_out == {"grad", "conn", "sad_in_band"}
    assert quick == [{name: value for name, value in row.items() if name not in left_out} for row in whole]


def test_mattes_are_kept(scenes, tmp_path):
    refmatte = RefMatte(scenes, split="test")
    evaluate(Oracle(refmatte), refmatte, limit=1, mattes=tmp_path / "one", refiner=Fixed())
    ids = [target.mask_id for target in refmatte.targets_of(refmatte.image_names[0])]
    found = {path.relative_to(tmp_path / "one").as_posix() for path in (tmp_path / "one").rglob("*.png")}
    assert found == {f"{folder}{name}.png" for name in ids for folder in ("", "refined/")}
    true = refmatte.matte(ids[0])
    kept = read_matte(tmp_path / "one" / f"{ids[0]}.png")
    assert np.abs(kept - np.clip(resize(resize(true, (SIZE, SIZE)), true.shape), 0, 1)).max() <= 0.5 / 255 + 1e-6
    evaluate(Oracle(refmatte), refmatte, limit=1, mattes=tmp_path / "every", every=True)
    assert {path.parent.name for path in (tmp_path / "every").rglob("*.png")} == {"0", "1", "2", "3"}


class Empty(Method):
    """Finds nothing."""

    name = "empty"

    def predict_image(self, image, sentences):
        return [np.zeros(image.shape[:2], np.float32)] * len(sentences), [0.0] * len(sentences)


def changed(make_scenes, tmp_path, change, count=3):
    """A data set whose second image or one of its mattes was changed."""
    root = make_scenes(tmp_path / "changed", count, split="test")
    change(root / "test/img/rim_test_00000001.jpg", root / "test/mask/rim_test_00000001_2.png")
    return RefMatte(root, "test")


def turned(image, mask):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(image).save(image, exif=exif)


def smaller(image, mask):
    Image.open(mask).resize((48, 36)).save(mask)


def ones(image, mask):
    Image.fromarray((np.asarray(Image.open(mask)) > 127).astype(np.uint8)).save(mask)


def cutout(image, mask):
    alpha = Image.open(mask)
    Image.merge("RGBA", (*[Image.new("L", alpha.size, 255)] * 3, alpha)).save(mask)


def colour(image, mask):
    Image.open(image).resize((96, 72)).save(mask)


@pytest.mark.parametrize(
    "change, words",
    [
        (turned, "72 x 96 pixels, its image rim_test_00000001 has 96 x 72 .turned by its EXIF"),
        (smaller, "36 x 48 pixels, its image rim_test_00000001 has 72 x 96; a matte has the size"),
        (ones, "stored in 0 and 1"),
        (cutout, "is a cut-out with transparency; a matte is plain grey"),
        (colour, "is a colour image; a matte is grey"),
        (lambda image, mask: mask.unlink(), "there is no such file"),
        (lambda image, mask: image.write_bytes(image.read_bytes()[:99]), "broken"),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_used_is_named_and_what_was_scored_is_kept(make_scenes, tmp_path, change, words, workers):
    refmatte = changed(make_scenes, tmp_path, change)
    whole = make_scenes(tmp_path / "whole", 3, split="test")
    with pytest.raises(RimError, match=f"rim_test_00000001.*{words}"):
        evaluate(Empty(), refmatte, batch=1, workers=workers, rows=Rows(tmp_path / "e.json", {}))
    first = [json.loads(line) for line in (tmp_path / "e.rows.jsonl").read_text().splitlines()]
    kept = {row["image"] for row in first}
    assert "rim_test_00000000" in kept and "rim_test_00000001" not in kept
    for path in (whole / "test").rglob("*.*"):
        shutil.copy(path, refmatte.root / path.relative_to(whole))
    found = evaluate(Empty(), refmatte, batch=1, workers=workers, rows=Rows(tmp_path / "e.json", {}))
    assert found["metrics"]["entities"] == 6 and found["metrics"]["sad_ratio"] == 1


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_images_of_other_kinds_are_scored(make_scenes, tmp_path, mode):
    def other(image, mask):
        Image.open(image).convert(mode).save(image.with_suffix(".png"))
        image.unlink()
        Image.open(mask).convert("RGBA").save(mask)

    refmatte = changed(make_scenes, tmp_path, other)
    assert evaluate(Oracle(refmatte), refmatte)["metrics"]["localised"] == 1


def test_five_and_fewer_expressions(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 3, split="test")
    path = root / "refmatte_test_label.json"
    labels = json.loads(path.read_text())
    for count, row in zip((5, 3, 1, 4, 4, 2), labels.values()):
        del row["kinds"], row["eval_index"]
        row["expressions"] = [f"the {row['keyword']}, number {number}" for number in range(count)]
    path.write_text(json.dumps(labels))
    refmatte = RefMatte(root, "test")
    oracle = Oracle(refmatte)
    found = evaluate(oracle, refmatte, beside=True)
    assert found["metrics"]["all"]["entities"] == 19 and found["metrics"]["entities"] == 6
    assert found["metrics"]["by_sentence"]["other"]["entities"] == 1
    assert found["metrics"]["scored_by"] == "hash of the mask id"
    assert {row["sentence"] for row in found["rows"]} == set(oracle.sentences_seen)


def test_no_image_is_refused(scenes):
    with pytest.raises(RimError, match="no entity to score: 4 images, limit 0"):
        refmatte = RefMatte(scenes, split="test")
        evaluate(Oracle(refmatte), refmatte, limit=0)
