"""Weights in the forms in which they are published; nothing in a file is run."""

import copy
import os
import pickle
import shutil
import zipfile

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from rimlib import profile as profiles
from rimlib.clipmat import clip_weights
from rimlib.clipmat.model import CLIPMat
from rimlib.errors import RimError
from rimlib.io import archives

pytestmark = pytest.mark.filterwarnings("ignore:.*jit|Converting a tensor|Detected pickle")  # how the files are made

SETTINGS = profiles.load("tiny").model


@pytest.fixture(scope="module")
def clip():
    """A CLIP of our own configuration with random weights, at 128 pixels."""
    torch.manual_seed(0)
    return clip_weights.create_clip(SETTINGS, "random")[0].eval()


def traced(clip, path, half=False):
    """The CLIP as a TorchScript archive, as OpenAI publishes its own: traced, in half precision."""
    image, text = torch.zeros(1, 3, 128, 128), torch.zeros(1, clip.context_length, dtype=torch.long)
    script = torch.jit.trace(
        copy.deepcopy(clip), (image, text), check_trace=False
    )  # half() changes what it is called on
    (script.half() if half else script).save(str(path))
    return path


def forms(clip, folder):
    state, half = clip.state_dict(), {name: value.half() for name, value in clip.state_dict().items()}
    numbers = {"input_resolution": 128, "context_length": 77, "vocab_size": 100}
    openai = (
        half | {name: torch.tensor(value) for name, value in numbers.items()} | {"logit_scale": half["logit_scale"]}
    )
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "ours.safetensors")
    torch.save(openai, folder / "openai-state.pt")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    trained = {"epoch": 3, "name": "run", "state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save({**trained, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}, folder / "open_clip.bin")
    traced(clip, folder / "openai-jit.pt")
    traced(clip, folder / "openai-jit-half.pt", half=True)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def files(clip, tmp_path_factory):
    return forms(clip, tmp_path_factory.mktemp("forms"))


def test_every_published_form_gives_the_same_weights(clip, files):
    assert len(files) == 6
    for path in files:
        loaded, _ = clip_weights.create_clip(SETTINGS, path)
        exact = "half" not in path.name and "openai-state" not in path.name
        for name, value in clip.state_dict().items():
            wanted = value if exact else value.half().float()
            assert torch.equal(loaded.state_dict()[name], wanted), (path.name, name)
            assert loaded.state_dict()[name].dtype == value.dtype


def test_an_archive_is_read_as_pytorch_reads_it(clip, tmp_path):
    path = traced(clip, tmp_path / "clip.pt", half=True)
    wanted = torch.jit.load(str(path)).state_dict()
    found = archives.read_state_dict(path)
    assert set(wanted) <= set(found) and all(torch.equal(found[name], value) for name, value in wanted.items())
    assert all(name.endswith("attn_mask") for name in set(found) - set(wanted)), "constants, which CLIP makes anew"


@pytest.mark.parametrize("name", ["openai-jit.pt", "openai-state.pt"])
def test_a_file_of_another_resolution_is_resampled_for_the_model(name, clip, files):
    profile = profiles.load("tiny", model__image_size=64)
    torch.manual_seed(1)
    model = CLIPMat.from_profile(profile, files[0].parent / name)
    kept = model.backbone.token_embedding.weight
    assert model.backbone.visual.positional_embedding.shape[0] == 1 + 4 * 4
    assert torch.allclose(kept, clip.token_embedding.weight, atol=1e-4) and not torch.equal(
        kept, torch.zeros_like(kept)
    )


def test_the_papers_encoder_takes_openais_archive(tmp_path):
    """ViT-B/16 as OpenAI has it, at 224 pixels and with its numbers; the model of the paper sees 512."""
    profile = profiles.load("paper-b16")
    with torch.device("meta"):
        theirs = open_clip.CLIP(**open_clip.get_model_config("ViT-B-16-quickgelu"))
    state = {name: torch.full(value.shape, 0.5, dtype=torch.float16) for name, value in theirs.state_dict().items()}
    for name in ("visual.proj", "visual.positional_embedding"):
        state[name].normal_()
    torch.save(state | {"input_resolution": torch.tensor(224)}, tmp_path / "ViT-B-16.pt")
    found, _ = clip_weights.create_clip(profile.model, tmp_path / "ViT-B-16.pt")
    assert found.visual.positional_embedding.shape == (1 + 32 * 32, 768) and found.visual.grid_size == (32, 32)
    assert torch.equal(found.visual.proj, state["visual.proj"].float())
    assert torch.equal(found.visual.positional_embedding[0], state["visual.positional_embedding"][0].float())


class Payload:
    """A pickle that runs a command where it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["pickle", "torch", "old", "torchscript"])
def test_nothing_in_a_file_is_run(form, files, tmp_path):
    path, ran = tmp_path / "weights.pt", tmp_path / "ran"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"w": Payload(ran)}))
    elif form == "torchscript":
        (whole,) = (file for file in files if file.name == "openai-jit.pt")
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as made:
            for name in source.namelist():
                bad = name.endswith("/data.pkl")
                made.writestr(name, pickle.dumps(Payload(ran), protocol=2) if bad else source.read(name))
    else:
        torch.save({"w": Payload(ran)}, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(RimError) as caught:
        clip_weights.create_clip(SETTINGS, path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and not ran.exists()
    if form == "torchscript":
        assert "mkdir, which weights do not need" in str(caught.value)


def test_what_is_no_file_of_weights_is_named(files, tmp_path):
    whole = files[-1].read_bytes()
    for content in (b"", b"no weights", whole[: len(whole) // 2], pickle.dumps([1, 2])):
        (tmp_path / "bad.pt").write_bytes(content)
        with pytest.raises(RimError, match="bad.pt") as caught:
            archives.read_state_dict(tmp_path / "bad.pt")
        assert "\n" not in str(caught.value)
    with pytest.raises(RimError, match="nowhere.pt: cannot be read"):
        archives.read_state_dict(tmp_path / "nowhere.pt")
    torch.save({"w": torch.zeros(1), "epoch": 3}, tmp_path / "bad.pt")
    with pytest.raises(RimError, match="tensors by name"):
        archives.read_state_dict(tmp_path / "bad.pt")
    torch.save({"w": torch.zeros(1)}, tmp_path / "bad.pt")
    with pytest.raises(RimError, match="tensors are missing"):
        clip_weights.create_clip(SETTINGS, tmp_path / "bad.pt")
    shutil.copy(tmp_path / "bad.pt", tmp_path / "bad.onnx")
    with pytest.raises(RimError, match=r"a file of a CLIP \(\.safetensors, \.pt"):
        clip_weights.create_clip(SETTINGS, tmp_path / "bad.onnx")
