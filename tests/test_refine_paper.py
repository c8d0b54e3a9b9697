"""What the refiner's training can do as P3M does it: windows of a few sizes, full-size trimaps, ImageNet's encoder."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet34

from rimlib import profile as profiles
from rimlib.clipmat import resnet_weights
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.refiner import Refiner
from rimlib.errors import RimError
from rimlib.matting.trimap import trimap_from_alpha
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import coarse, refiner
from rimlib.training import crops as training
from rimlib.training.batches import Key
from rimlib.training.crops import Crops

SETTINGS = profiles.Refiner(crops=((32, 2),), predictions=0, noise=0.0, windows=(32, 48, 64), trimap_at="image")

PAPERS_NETWORK = ["refiner.widths=[64, 64, 128, 256, 512]", "refiner.blocks=[3, 4, 6, 3]", "refiner.follow=false"]


@pytest.fixture
def scenes(make_scenes, tmp_path):
    return make_scenes(tmp_path / "data", 2, height=96, width=128)


def test_windows_are_crops_of_the_scene_at_their_own_sizes(scenes, monkeypatch):
    """A crop of 32 pixels shows 32, 48 or 64 pixels of the scene: it was resized by 1, 2/3 or 1/2 before."""
    sizes, real = [], training.resize
    monkeypatch.setattr(training, "resize", lambda array, shape: sizes.append(tuple(shape)) or real(array, shape))
    crops = Crops(RefMatte(scenes, "train"), None, SETTINGS, seed=1)
    for epoch in range(12):
        _, image, coarse, truth, trimap = crops[Key(epoch, 0, 0)]
        assert image.shape == (32, 32, 3) and coarse.shape == truth.shape == trimap.shape == (32, 32)
    assert {size for size in sizes if size[0] in (96, 64, 48)} == {(96, 128), (64, 85), (48, 64)}


def test_a_window_that_is_larger_than_the_scene_has_the_side_of_a_crop(scenes, monkeypatch):
    sizes, real = [], training.resize
    monkeypatch.setattr(training, "resize", lambda array, shape: sizes.append(tuple(shape)) or real(array, shape))
    data = Crops(RefMatte(scenes, "train"), None, dataclasses.replace(SETTINGS, windows=(200, 300)), seed=0)
    for epoch in range(4):
        data[Key(epoch, 0, 0)]
    assert {size for size in sizes if size[0] >= 96} == {(96, 128)}


def test_trimaps_are_made_on_the_full_size_matte_with_a_kernel_of_its_pixels(scenes, monkeypatch):
    made, real = [], trimap_from_alpha
    monkeypatch.setattr(
        training, "trimap_from_alpha", lambda alpha, kernel: made.append((alpha.shape, kernel)) or real(alpha, kernel)
    )
    refmatte = RefMatte(scenes, "train")
    crops = Crops(refmatte, None, dataclasses.replace(SETTINGS, trimap_kernel=5, trimap_kernel_most=9), seed=1)
    unknown = []
    for epoch in range(30):
        *_, truth, trimap = crops[Key(epoch, epoch % 2, 0)]
        assert trimap.dtype == np.uint8 and set(np.unique(trimap)) <= {0, 1, 2}
        assert truth[trimap == 2].min(initial=1) > 0.99 and truth[trimap == 0].max(initial=0) < 0.01
        unknown.append((trimap == 1).mean())
    assert {shape for shape, _ in made} == {(96, 128)} and {kernel for _, kernel in made} == {5, 7, 9}
    at_crop = Crops(refmatte, None, dataclasses.replace(SETTINGS, trimap_kernel=7, trimap_at="crop"), seed=1)
    there = [(at_crop[Key(epoch, epoch % 2, 0)].trimap == 1).mean() for epoch in range(30)]
    assert np.mean(there) > 1.15 * np.mean(unknown), "a kernel of the crop's pixels is wider on the scene"


@pytest.mark.parametrize("setting", ["both", "keyword"])
def test_predictions_are_of_what_the_model_was_trained_on(setting, scenes, tmp_path, monkeypatch):
    """A model of the keyword setting has 14 tokens: an expression would be cut."""
    calls, refmatte = [], RefMatte(scenes, "train")

    class Perfect:
        def __init__(self, model):
            pass

        def predict(self, images, index, sentences):
            calls.extend(sentences)
            return [refmatte.matte(target.mask_id) for target in refmatte.targets], np.ones(len(index))

    monkeypatch.setattr(coarse, "CLIPMatMethod", Perfect)
    thin = ["model.image_size=32", "model.popup_width=32", "model.details_width=8", "model.semantic_width=8"]
    model = CLIPMat.from_profile(
        profiles.in_setting(profiles.with_settings(profiles.load("tiny"), thin), setting), "random"
    )
    path = model.save(tmp_path / "model.safetensors")
    task = refiner.Training(profiles.load("tiny"), refmatte, path, tmp_path, progress=False)
    assert len(task._predictions(torch.device("cpu"))) == 4
    keywords = [f"a photo of a {target.keyword}" for target in refmatte.targets]
    assert calls == (keywords if setting == "keyword" else [target.evaluated for target in refmatte.targets])


def resnets(folder):
    """A ResNet-34 in the forms that its weights have: torchvision's, timm's without counts, P3M's from several GPUs."""
    torch.manual_seed(0)
    state = {
        name: torch.randn_like(value) if value.is_floating_point() else value
        for name, value in resnet34().state_dict().items()
    }
    torch.save(state, folder / "resnet34.pth")
    save_file({name: value for name, value in state.items() if "num_batches" not in name}, folder / "model.safetensors")
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in state.items()}}, folder / "r34mp.pth.tar"
    )
    return state


@pytest.mark.parametrize("name", ["resnet34.pth", "model.safetensors", "r34mp.pth.tar"])
def test_the_encoder_begins_with_a_resnets_weights(name, tmp_path):
    state = resnets(tmp_path)
    profile = profiles.with_settings(
        profiles.load("paper-b16"), [f"refiner.encoder={tmp_path / name}", *PAPERS_NETWORK]
    )
    encoder = Refiner.from_profile(profile).net.encoder
    first = encoder.first[0].weight
    assert first.shape == (64, 4, 7, 7) and torch.equal(first[:, :3], state["conv1.weight"]) and not first[:, 3].any()
    assert torch.equal(encoder.stages[1][0].around[0].weight, state["layer2.0.downsample.0.weight"])
    assert torch.equal(encoder.stages[3][2].norm2.running_var, state["layer4.2.bn2.running_var"])
    assert torch.equal(encoder.stages[0][0].conv1.weight, state["layer1.0.conv1.weight"])


def test_imagenets_weights_come_from_the_hub(tmp_path, monkeypatch):
    state = resnets(tmp_path)
    calls = []
    monkeypatch.setattr(
        resnet_weights.hub, "fetch", lambda name, files, *_, **__: calls.append((name, *files)) or tmp_path
    )
    profile = profiles.with_settings(profiles.load("tiny"), ["refiner.encoder=imagenet", *PAPERS_NETWORK])
    encoder = Refiner.from_profile(profile).net.encoder
    assert calls == [("timm/resnet34.tv_in1k", "model.safetensors")]
    assert torch.equal(encoder.stages[2][5].conv2.weight, state["layer3.5.conv2.weight"])


@pytest.mark.parametrize(
    "weights, more, words",
    [
        ("resnet34.pth", [], "conv1.weight has shape"),  # the tiny network is another one
        ("nowhere.pth", PAPERS_NETWORK, "nowhere.pth: cannot be read"),
        ("resnet", PAPERS_NETWORK, "must be random, imagenet, or a file"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, more, words, tmp_path):
    resnets(tmp_path)
    profile = profiles.with_settings(profiles.load("tiny"), [f"refiner.encoder={tmp_path / weights}", *more])
    with pytest.raises(RimError, match=words) as caught:
        Refiner.from_profile(profile)
    assert "\n" not in str(caught.value)


def test_a_range_of_kernels_that_is_none_is_refused():
    with pytest.raises(RimError, match="at least 7, refiner.trimap_kernel, found 5") as caught:
        profiles.with_settings(profiles.load("tiny"), ["refiner.trimap_kernel_most=5"])
    assert caught.value.setting == "refiner.trimap_kernel_most"
