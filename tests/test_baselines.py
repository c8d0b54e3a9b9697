"""The one interface of all baselines, their weights, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from rimlib import baselines
from rimlib.baselines import baseline
from rimlib.baselines.clipseg import CLIPSeg
from rimlib.errors import RimError

IMAGE = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "nothing cached"))


@pytest.mark.parametrize("name", baselines.NAMES)
def test_every_baseline_gives_mattes_of_the_images_own_size(name):
    torch.manual_seed(0)
    method = baselines.get(name, "tiny", "random")
    assert method.name == name
    for shape in ((50, 70), (131, 40)):
        image = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
        alphas = method.mattes(image, ["the red dog", "a cat  on the left"])
        assert alphas.shape == (2, *shape) and alphas.dtype == np.float32
        assert alphas.min() >= 0 and alphas.max() <= 1


@pytest.mark.parametrize("name", baselines.NAMES)
def test_random_weights_only_by_name(name):
    with pytest.raises(RimError, match="weights='random'"):
        baselines.get(name, "tiny")


@pytest.mark.parametrize(
    "name, what",
    [
        (
            "clipseg",
            "CIDAS/clipseg-rd64-refined: its weights cannot be had .*hf download CIDAS/clipseg-.* weights='random'",
        ),
        ("grounded", "IDEA-Research/grounding-dino-tiny: its weights cannot be had"),
        ("sam3", "facebook/sam3: its .* cannot be had"),
        ("clipseg+vitmatte", "CIDAS/clipseg-rd64-refined: its weights cannot be had"),
        ("mdetr", "zenodo.org.* pickle.* safetensors.* weights='random'"),
    ],
)
def test_public_weights_that_cannot_be_had_are_named_with_what_to_do(name, what):
    with pytest.raises(RimError, match=what):
        baselines.get(name)


def test_the_towers_and_vitmatte_are_named_too():
    from rimlib.baselines.mdetr import MDETR
    from rimlib.baselines.vitmatte import ViTMatte

    with pytest.raises(RimError) as caught:
        MDETR.from_settings("paper", "towers")
    assert caught.value.path == "timm/resnet101.tv_in1k"
    with pytest.raises(RimError) as caught:
        ViTMatte.from_settings("paper")
    assert caught.value.path == "hustvl/vitmatte-small-composition-1k"


@pytest.mark.parametrize(
    "sentences, message",
    [("the dog", r"write \[sentence\]"), ([], "at least one"), ([" "], "empty"), ([None], "expected text")],
)
@pytest.mark.parametrize("name", ["clipseg", "grounded", "sam3"])
def test_sentences_that_cannot_be_used_are_refused(name, sentences, message):
    with pytest.raises(RimError, match=message):
        baselines.get(name, "tiny", "random").mattes(IMAGE, sentences)


def test_a_long_sentence_is_cut():
    for name in ("clipseg", "mdetr", "grounded", "sam3"):
        assert baselines.get(name, "tiny", "random").mattes(IMAGE, ["dog " * 300]).shape == (1, 50, 70)


def test_settings_that_do_not_exist_are_refused():
    for name in baselines.NAMES:
        with pytest.raises(RimError, match="tiny, paper"):
            baselines.get(name, "huge", "random")
    with pytest.raises(RimError, match="multiple of 16"):
        CLIPSeg.from_settings("tiny", "random", image_size=100)
    with pytest.raises(RimError, match="'clip', 'random' or a .safetensors"):
        baselines.get("mdetr", "tiny", "somebody/mdetr")
    for name in ("grounded", "sam3"):
        with pytest.raises(RimError, match=f"of {name}: it is not trained here"):
            baselines.get(name, "tiny", "mine.safetensors")


@pytest.mark.parametrize("name", baselines.TRAINABLE)
def test_what_was_stored_comes_back(name, tmp_path):
    torch.manual_seed(1)
    method = baselines.get(name, "tiny", "random")
    path = method.save(tmp_path / "mine.safetensors")
    torch.manual_seed(2)
    again = baselines.get(name, "tiny", str(path))
    alpha, other = method.mattes(IMAGE, ["a dog"]), baselines.get(name, "tiny", "random").mattes(IMAGE, ["a dog"])
    assert np.abs(again.mattes(IMAGE, ["a dog"]) - alpha).max() < 1e-5 < 1e-3 < np.abs(other - alpha).max()
    other = {"clipseg": "mdetr", "mdetr": "clipseg"}[name]
    with pytest.raises(RimError, match=f"weights of {name} in size tiny, not of {other}"):
        baselines.get(other, "tiny", str(path))
    with pytest.raises(RimError, match="not of .* in size paper"):
        baseline.read_header(path, name, "paper")
    with pytest.raises(RimError, match="no such file"):
        baselines.get(name, "tiny", str(tmp_path / "none.safetensors"))
    with pytest.raises(RimError, match="expected .safetensors"):
        method.save(tmp_path / "mine.bin")


def test_a_file_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata={"rimlib": json.dumps({"format": "rimlib-clipmat-1"})})
    with pytest.raises(RimError, match="expected 'rimlib-baseline-1'") as caught:
        baselines.get("clipseg", "tiny", str(path))
    assert caught.value.path == str(path)
    torch.save({"x": torch.zeros(1)}, path)
    with pytest.raises(RimError, match="a pickle"):
        baselines.get("clipseg", "tiny", str(path))


def test_a_folder_of_public_weights_is_read_and_a_pickled_one_is_not(tmp_path):
    method = baselines.get("clipseg", "tiny", "random")
    method.net.save_pretrained(tmp_path / "good")
    again = baselines.get("clipseg", "tiny", str(tmp_path / "good"))
    assert np.abs(again.mattes(IMAGE, ["a dog"]) - method.mattes(IMAGE, ["a dog"])).max() < 1e-5
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/config.json").write_text((tmp_path / "good/config.json").read_text())
    torch.save(method.net.state_dict(), tmp_path / "bad/pytorch_model.bin")
    with pytest.raises(RimError, match="bad: its weights cannot be had .*safetensors"):
        baselines.get("clipseg", "tiny", str(tmp_path / "bad"))


def test_training_mode_and_gradients_are_as_before_after_a_matte():
    method = baselines.get("mdetr", "tiny", "random").train()
    method.mattes(IMAGE, ["a dog"])
    assert method.training and method.project.weight.requires_grad and not method.project.weight.is_inference()


def test_many_sentences_give_what_each_gives_alone():
    method = baselines.get("clipseg", "tiny", "random")
    sentences = [f"the thing number {number}" for number in range(baseline.TOGETHER + 3)]
    together = method.mattes(IMAGE, sentences)
    for sentence, alpha in zip(sentences, together, strict=True):
        assert np.abs(method.mattes(IMAGE, [sentence])[0] - alpha).max() < 1e-5


@pytest.mark.parametrize("name", ["clipseg", "clipseg+vitmatte"])
def test_several_images_in_parts_give_what_each_gives_alone(name, monkeypatch):
    method = baselines.get(name, "tiny", "random")
    images = [
        np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
        for seed, shape in enumerate([(50, 70, 3), (40, 30, 3), (64, 64, 3)])
    ]
    index, sentences = [0, 0, 2, 1, 1], ["a dog", "a cat", "a dog", "a bird", "the left one"]
    monkeypatch.setattr(baseline, "TOGETHER", 2 / 16)  # two sentences of 128 x 128 at once
    mattes, scores = method.predict(images, index, sentences)
    assert len(mattes) == len(scores) == 5
    for number, sentence, matte, score in zip(index, sentences, mattes, scores):
        (alone,), (sure,) = method.predict([images[number]], [0], [sentence])
        assert matte.shape == alone.shape and np.abs(matte - alone).max() < 1e-4 and abs(score - sure) < 1e-5


def test_an_unknown_method_is_refused_with_the_names_that_exist():
    with pytest.raises(
        RimError, match="method 'yolo': must be one of clipmat, clipseg, mdetr, grounded, sam3, clipseg.vitmatte"
    ):
        baselines.get("yolo")
    with pytest.raises(RimError, match="clipmat in size paper: no weights of it are published; .* weights='random'"):
        baselines.get("clipmat", "paper")


def test_naming_the_baselines_loads_nothing_heavy():
    code = "import sys, rimlib.baselines; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
