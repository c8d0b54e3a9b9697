"""Training of the baselines: the same budget, state and record as CLIPMat's, scored by the same evaluation."""

import dataclasses
import json
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rimlib import baselines, cli
from rimlib import profile as profiles
from rimlib.baselines.baseline import Method
from rimlib.baselines.clipmat import CLIPMatMethod
from rimlib.errors import RimError
from rimlib.evaluation import evaluate as evaluation
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.images import resize
from rimlib.matting import metrics
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import baselines as training


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small batches of small images, without changes to the light, on one thread."""
    tiny = profiles.load("tiny")
    settings = {"images": 4, "flip": 0.0, "noise": 0.0, "ema": 0.9, "workers": 0}
    tiny = dataclasses.replace(
        tiny, train=dataclasses.replace(tiny.train, **settings), model=dataclasses.replace(tiny.model, image_size=64)
    )
    monkeypatch.setattr(training.profiles, "load", lambda name: tiny)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(baseline, data, out, steps, **more):
    return training.train_baseline(baseline, "tiny", data, out, steps=steps, progress=False, **more)


def test_clipseg_learns_four_scenes_and_is_scored_like_clipmat(make_scenes, tmp_path):
    root = make_scenes(tmp_path / "data", 4)
    record = run("clipseg", root, tmp_path / "out", 40)
    assert record["log"][-1]["total"] < record["log"][0]["total"] / 1.5
    assert (
        record["settings"]["model"] == {"baseline": "clipseg", "alpha": 4.0, "size": "tiny", "image_size": 64}
        and record["method"] == "clipseg"
    )
    assert record["settings"]["train"]["lr"] == 1e-3 and record["weights"] == "clip" and record["data"]["images"] == 4
    assert {"data", "forward", "backward", "optimizer", "checkpoint"} <= set(record["seconds"])
    assert json.loads((tmp_path / "out/train.json").read_text())["metrics"] == record["metrics"]
    trained = baselines.get("clipseg", "tiny", str(tmp_path / "out/clipseg.safetensors"))
    assert trained.image_size == 64
    found = evaluate(trained, RefMatte(root))["metrics"]
    untrained = evaluate(baselines.get("clipseg", "tiny", "clip", image_size=64), RefMatte(root))["metrics"]
    assert found["sad_ratio"] < untrained["sad_ratio"] / 2


def test_the_frozen_towers_are_the_shipped_ones_after_training(scenes, tmp_path):
    run("clipseg", scenes, tmp_path, 3)
    trained = load_file(tmp_path / "clipseg.safetensors")
    towers = baselines.get("clipseg", "tiny", "clip").net.clip.state_dict()
    assert all(torch.equal(trained[f"net.clip.{name}"], value) for name, value in towers.items())
    assert any(
        not torch.equal(value, trained[f"net.decoder.{name}"])
        for name, value in baselines.get("clipseg", "tiny", "clip").net.decoder.state_dict().items()
    )


@pytest.mark.parametrize("baseline", baselines.TRAINABLE)
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(baseline, scenes, tmp_path, monkeypatch):
    run(baseline, scenes, tmp_path / "whole", 6)
    kind = type(baselines.get(baseline, "tiny", "random"))
    real, calls = kind.loss, []

    def loss(self, *given):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(self, *given)

    monkeypatch.setattr(kind, "loss", loss)
    with pytest.raises(KeyboardInterrupt):
        run(baseline, scenes, tmp_path / "parts", 6)
    assert (tmp_path / "parts/train-state.pt").exists()
    assert run(baseline, scenes, tmp_path / "parts", 6)["metrics"]["steps"] == 6
    whole, parts = (load_file(tmp_path / part / f"{baseline}.safetensors") for part in ("whole", "parts"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_a_finished_run_is_left_alone_and_another_baselines_is_not_taken_for_it(scenes, tmp_path):
    first = run("clipseg", scenes, tmp_path, 2)
    assert run("clipseg", scenes, tmp_path, 2) == first
    assert run("clipseg", scenes, tmp_path, 2, resume=False)["seconds"] != first["seconds"]
    assert run("mdetr", scenes, tmp_path, 2)["key"] != first["key"]


def test_both_learn_one_form_of_keyword_and_what_fits_nothing(scenes, monkeypatch, tmp_path):
    drawn = []
    init = training.Samples.__init__
    monkeypatch.setattr(
        training.Samples, "__init__", lambda self, *given, **more: drawn.append(given) or init(self, *given, **more)
    )
    run("mdetr", scenes, tmp_path, 1)
    _, settings, _, _, templates = drawn[0]
    assert templates == ("a photo of a {keyword}",) and settings.no_target == 0.1


def test_what_cannot_be_trained_is_refused(scenes, tmp_path, capsys):
    with pytest.raises(RimError, match="only clipseg, mdetr") as caught:
        run("grounded", scenes, tmp_path, 1)
    assert caught.value.setting == "baseline"
    with pytest.raises(RimError, match="no public weights|must be"):
        run("mdetr", scenes, tmp_path, 1, weights="towers")
    assert (
        training.main(
            ["--baseline", "clipseg", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "1"]
        )
        == 2
    )
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("rim: error:")


def test_the_papers_sizes_are_used(monkeypatch, tmp_path):
    monkeypatch.undo()

    def get(*given, **more):
        raise RimError(f"{given} {more}")

    monkeypatch.setattr(baselines, "get", get)
    with pytest.raises(RimError, match=r"\('mdetr', 'paper', None\) {'image_size': 512}"):
        training.train_baseline("mdetr", "paper", tmp_path, tmp_path)
    paper, clipseg, mdetr = (
        profiles.load("paper-b16").train,
        *(training.with_changes(profiles.load("paper-b16"), name).train for name in baselines.TRAINABLE),
    )
    assert clipseg.images == 32 and clipseg.epochs == mdetr.epochs == 50 and mdetr.images == 8
    assert mdetr.clip_norm == 0.1 and clipseg.clip_norm == 0 and clipseg.lr == mdetr.lr == paper.lr
    assert (paper.lr, paper.optimizer, paper.schedule, paper.sentences) == (1e-4, "adam", "fixed", 1)
    assert profiles.load("paper-b16").model.image_size == 512


class Boxes(Method):
    """A method that works at each image's own size, one at a time: it predicts a box on the left."""

    name = "boxes"

    def __init__(self):
        super().__init__()
        self.weight, self.images = torch.nn.Parameter(torch.zeros(1)), []

    def predict_image(self, image, sentences):
        self.images.append(image.shape)
        matte = np.zeros(image.shape[:2], np.float32)
        matte[:, : image.shape[1] // 2] = 1
        return [matte] * len(sentences), [0.25] * len(sentences)


def test_a_method_of_the_images_own_size_is_scored_too(scenes):
    refmatte = RefMatte(scenes, split="test")
    method = Boxes()
    found = evaluate(method, refmatte, batch=3, profile=profiles.load("tiny"))
    assert (
        len(method.images) == 4
        and found["metrics"]["entities"] == 8
        and {row["score"] for row in found["rows"]} == {0.25}
    )
    row = found["rows"][0]
    true = refmatte.matte(row["mask_id"])
    left = np.zeros(true.shape, np.float32)
    left[:, : true.shape[1] // 2] = 1
    assert row["sad"] == pytest.approx(np.abs(left - true).sum() / 1000, rel=1e-5)
    # The profile's kernel is 5 pixels of 64; this image is 96 wide.
    assert row["sad_in_band"] == pytest.approx(metrics.sad_in_band(left, true, 9), rel=1e-5)
    assert row["sad_in_band"] != pytest.approx(evaluate(method, refmatte)["rows"][0]["sad_in_band"])


def test_a_baseline_is_scored_by_the_command(scenes, tmp_path, capsys):
    path = baselines.get("clipseg", "tiny", "random").save(tmp_path / "clipseg.safetensors")
    assert (
        cli.main(
            [
                "evaluate",
                "--method",
                "clipseg",
                "--model",
                str(path),
                "--data",
                str(scenes),
                "--limit",
                "2",
                "--out",
                str(tmp_path / "e.json"),
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["entities"] == 4
    assert json.loads((tmp_path / "e.json").read_text())["method"] == "clipseg"


def test_a_trained_baseline_is_scored_on_both_splits_and_its_record_has_the_scores(make_scenes, tmp_path, monkeypatch):
    from tools import ship

    root = make_scenes(make_scenes(make_scenes(tmp_path / "d", 4), 2, split="seen", seed=3), 2, split="test", seed=4)
    given = ["--baseline", "clipseg", "--data", str(root), "--out", str(tmp_path / "o"), "--steps", "1"]
    assert training.main(given) == 0
    monkeypatch.setattr(ship, "repository", lambda: tmp_path)
    assert ship.main(["--baseline", str(tmp_path / "o"), "--data", str(root)]) == 0
    kept = json.loads((tmp_path / "results/runs/baseline-clipseg-tiny.json").read_text())
    assert list(kept["scores"]) == ["keyword, seen", "expression, seen", "keyword, unseen", "expression, unseen"]
    assert kept["scores"]["expression, seen"]["entities"] == 4
    assert set(kept["scores"]["keyword, seen"]) == set(evaluation.SCORES)
    assert set(kept["settings"]) == {"name", "seed", "train", "evaluate", "model"} and kept["metrics"]["steps"] == 1
    with pytest.raises(SystemExit):
        ship.main(["--baseline", str(tmp_path / "o")])


def test_clipmat_alone_and_behind_the_interface_score_the_same(scenes):
    refmatte = RefMatte(scenes, split="test")
    ours = baselines.get("clipmat", "tiny")
    assert ours.name == "clipmat" and isinstance(ours, CLIPMatMethod)
    side = ours.image_size
    assert side == ours.model.image_size
    assert evaluate(ours, refmatte)["rows"] == evaluate(ours.model, refmatte)["rows"]
    image, sentence = refmatte.image(refmatte.image_names[0]), "the red disc"
    alone = ours.mattes(image, [sentence])[0]
    with torch.no_grad():
        small = torch.from_numpy(resize(image, (side, side))).permute(2, 0, 1)[None].float() / 255
        expected = ours.model(small, ours.model.tokenize([sentence])).alpha[0, 0].numpy()
    assert not ours.training and not ours.model.training
    assert np.abs(alone - np.clip(resize(expected, alone.shape), 0, 1)).max() < 1e-4
