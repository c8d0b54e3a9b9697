"""A checkpoint and a folder of `save_pretrained` come back to the bit; anything else is refused by its path."""

import copy
import errno
import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hub_mixin
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.pretrained import FORMAT, file_of
from rimlib.errors import RimError
from rimlib.io import weights

PROFILE = profiles.load("tiny", model__image_size=32)
OTHER = replace(PROFILE, model=replace(PROFILE.model, image_size=64))
FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = CLIPMat.from_profile(PROFILE, weights="random").eval()
    model.card = {"data": "none", "licence": "MIT"}
    return model


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """Read only."""
    folder = tmp_path_factory.mktemp("saved") / "fox"
    assert model.save_pretrained(folder) is None
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to break."""
    return Path(shutil.copytree(saved, tmp_path / "fox"))


@pytest.fixture
def path(folder):
    """Its weights."""
    return folder / "model.safetensors"


def outputs(model):
    torch.manual_seed(3)
    with torch.inference_mode():
        output = model(torch.rand(2, 3, 32, 32), model.tokenize(["the dog", "the red net"]))
    return [output.trimap_logits, output.detail, output.alpha, output.score_map]


def equal(one, other):
    return all(a.equal(b) for a, b in zip(outputs(one), outputs(other), strict=True))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rewrite(path, tensors=None, header=None):
    found = weights.read_tensors(path)
    for name, value in (tensors or {}).items():
        found.pop(name, None)
        found |= {} if value is None else {name: value}
    weights.write(path, found, weights.read_header(path) if header is None else header)


def refuse(path, message, load=CLIPMat.load, named=None, **options):
    with pytest.raises(RimError, match=message) as caught:
        load(path, **options)
    assert caught.value.path == str(named or path) and "\n" not in str(caught.value)


# Checkpoints


def test_a_checkpoint_comes_back_to_the_bit(model, tmp_path):
    path = model.save(tmp_path / "run", data="none", seconds=1.5)
    assert path == tmp_path / "run" / "clipmat.safetensors"
    beside = json.loads(path.with_suffix(".json").read_text())
    assert beside == {"format": FORMAT, "profile": PROFILE.to_dict(), "card": {"data": "none", "seconds": 1.5}}
    for place in (path, path.parent):
        again = CLIPMat.load(place)
        assert again.profile == PROFILE and again.card == beside["card"] and not again.training and equal(again, model)
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_half_precision_is_half_the_size_and_near(model, tmp_path):
    full, half = model.save(tmp_path / "full"), model.save(tmp_path / "half", half=True)
    assert 0.49 < half.stat().st_size / full.stat().st_size < 0.52
    again = CLIPMat.load(half)
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    for one, other in zip(outputs(model), outputs(again), strict=True):
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.05)


def test_the_shipped_model_is_read_and_half_precision_keeps_it_to_the_bit(tmp_path):
    shipped = CLIPMat.shipped()  # stored in float16
    assert shipped.profile.model.backbone == "rim-tiny" and "licence" in shipped.card and not shipped.training
    scalars = {name: value for name, value in shipped.state_dict().items() if not value.ndim}
    assert scalars["score_map.scale"].dtype == torch.float32
    again = CLIPMat.load(shipped.save(tmp_path / "again", half=True))
    copy.deepcopy(shipped).half().save_pretrained(tmp_path / "hub")
    for other, scalars_too in ((again, True), (CLIPMat.from_pretrained(tmp_path / "hub"), False)):
        for (name, one), two in zip(shipped.state_dict().items(), other.state_dict().values(), strict=True):
            same = one.equal(two) if one.ndim or scalars_too else torch.allclose(one, two, rtol=1e-3)  # half() has all
            assert same and one.dtype == two.dtype, name


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("semantic.d0.bias", None, "missing.*semantic.d0.bias"),
        ("other", torch.zeros(1), "do not belong.*other"),
        ("semantic.d0.bias", torch.zeros(4), r"semantic.d0.bias has shape \(4,\), the model has \(3,\)"),
    ],
)
def test_tensors_that_are_not_the_models(path, name, value, message):
    rewrite(path, {name: value})
    refuse(path, message)


@pytest.mark.parametrize(
    "header", [{}, {"format": "rimlib-refiner-1"}, {"format": FORMAT}, {"format": FORMAT, "profile": 3}]
)
def test_safetensors_of_something_else(path, header):
    rewrite(path, header=header)
    refuse(path, "its header has")


def test_settings_of_another_version_matter_only_where_they_shape_the_model(path):
    header = weights.read_header(path)
    header["profile"]["train"] = {"sizes": 3}
    rewrite(path, header=header)
    assert CLIPMat.load(path).profile.model == PROFILE.model
    header["profile"]["model"]["sizes"] = 3
    rewrite(path, header=header)
    with pytest.raises(RimError, match="sizes"):
        CLIPMat.load(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"popup_width": 2**40},
        {"details_channels": [2**30, 64, 32, 16]},
        {"backbone": "hf-hub:somebody/something"},
        {"image_size": 2**30},
        {"popup_heads": 0},
    ],
)
def test_settings_that_no_memory_could_hold_are_refused_before_any_is_taken(path, settings):
    header = weights.read_header(path)
    header["profile"]["model"].update(settings)
    rewrite(path, header=header)
    with pytest.raises(RimError) as caught:
        CLIPMat.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("load", [CLIPMat.load, CLIPMat.from_pretrained])
def test_a_checkpoint_of_another_profile(path, load):
    load(path, profile=replace(PROFILE, seed=7))  # the same model
    refuse(path, "image_size is 32, not 64", load, profile=OTHER)


def test_no_checkpoint_and_a_folder_without_one(tmp_path):
    refuse(tmp_path / "none.safetensors", "no such file")
    refuse(tmp_path, "no such file", named=tmp_path / "clipmat.safetensors")


def test_a_failed_write_leaves_the_old_file(model, path, monkeypatch):
    before = contents(path.parent)
    with pytest.raises(RimError, match="card"):
        model.save(path, thing=object())
    monkeypatch.setattr(
        "os.replace", lambda *a: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
    )
    with pytest.raises(RimError, match="model.safetensors.*the disk is full"):
        model.save(path)
    assert contents(path.parent) == before


def test_a_model_without_a_profile_cannot_be_stored(model, tmp_path):
    bare = copy.deepcopy(model)  # which the mixin must not prevent
    assert equal(bare, model)
    bare.profile = None
    for write in (bare.save_pretrained, bare.save):
        with pytest.raises(RimError) as caught:
            write(tmp_path / "new")
        assert caught.value.setting == "profile"


def test_reading_draws_no_random_numbers(path):
    state = torch.get_rng_state()
    CLIPMat.load(path)
    assert torch.get_rng_state().equal(state)


# Folders and the hub


def test_a_folder_comes_back_to_the_bit(model, saved):
    assert names(saved) == FILES
    again = CLIPMat.from_pretrained(saved)
    assert isinstance(again, PyTorchModelHubMixin) and again.profile == PROFILE and again.card == model.card
    assert equal(again, model) and not again.training


def test_it_is_one_format(model, saved, tmp_path):
    own = model.save(tmp_path / "own", **model.card)
    assert own.read_bytes() == (saved / "model.safetensors").read_bytes()
    assert json.loads(own.with_suffix(".json").read_text()) == json.loads((saved / "config.json").read_text())
    for read, place in ((CLIPMat.load, saved), (CLIPMat.from_pretrained, own), (CLIPMat.from_pretrained, own.parent)):
        assert equal(read(place), model)


def test_weights_alone_are_whole(model, folder):
    (folder / "README.md").unlink()
    (folder / "config.json").write_text("{broken")
    assert equal(CLIPMat.from_pretrained(folder), model)


def test_the_card_has_what_is_known_and_a_card_that_a_reader_wrote_stays(model, saved, folder):
    card = ModelCard.load(saved / "README.md")
    assert card.data.library_name == "rimlib" and {"image-matting", "pytorch_model_hub_mixin"} <= set(card.data.tags)
    for text in ("- data: none", "- licence: MIT", "`image_size`: 32", "CLIPMat.from_pretrained", "2206.05149"):
        assert text in card.text
    assert "- scores: good" in str(model.generate_model_card(scores="good"))
    (folder / "README.md").write_text("mine")
    model.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "mine"


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "dump",
    [
        lambda bomb, path: path.write_bytes(pickle.dumps(bomb)),
        lambda bomb, path: torch.save(bomb, path),
        lambda bomb, path: torch.save({"state_dict": bomb}, path, _use_new_zipfile_serialization=False),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pickle_is_refused_and_never_executed(folder, dump, name):
    mark = folder.parent / "executed"
    (folder / "model.safetensors").unlink()
    dump(Bomb(mark), folder / name)
    with pytest.raises(RimError):
        CLIPMat.from_pretrained(folder)
    assert not mark.exists()


def fake_hub(monkeypatch, result):
    calls = []

    def snapshot_download(name, **options):
        calls.append((name, options))
        if isinstance(result, Exception):
            raise result
        return str(result)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def test_a_name_on_the_hub_is_fetched_without_its_pickles(model, saved, monkeypatch):
    calls = fake_hub(monkeypatch, saved)
    again = CLIPMat.from_pretrained("somebody/fox", revision="v2", local_files_only=True)
    options = {"allow_patterns": ["config.json", "model.safetensors"], "revision": "v2", "local_files_only": True}
    assert calls == [("somebody/fox", options)] and equal(again, model)


def test_a_name_that_cannot_be_had(monkeypatch):
    fake_hub(monkeypatch, LocalEntryNotFoundError("no route to host\nand more"))
    refuse("somebody/nothing", "no route to host.*save_pretrained", CLIPMat.from_pretrained)


def test_a_repository_without_safetensors_is_refused(tmp_path, monkeypatch):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    fake_hub(monkeypatch, tmp_path)
    with pytest.raises(RimError, match="no such file"):
        CLIPMat.from_pretrained("somebody/old")


@pytest.fixture
def uploads(monkeypatch):
    """What would have gone to the hub: for each push its name, its options and the files' bytes."""
    pushed = []

    class Api:
        def __init__(self, token=None):
            self.token = token

        def create_repo(self, repo_id, private=None, exist_ok=False):
            return SimpleNamespace(repo_id=repo_id if "/" in repo_id else f"me/{repo_id}")

        def upload_folder(self, *, repo_id, repo_type, folder_path, **options):
            push = SimpleNamespace(name=repo_id, kind=repo_type, options=options, files=contents(Path(folder_path)))
            pushed.append(push)
            return f"https://huggingface.co/{repo_id}/commit/1"

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    return pushed


def test_a_push_uploads_the_three_files(model, saved, uploads):
    assert model.push_to_hub("somebody/fox", private=True).endswith("somebody/fox/commit/1")
    assert [(push.name, push.kind) for push in uploads] == [("somebody/fox", "model")]
    assert uploads[0].files == contents(saved)


def test_save_and_push_in_one_call_by_the_folders_name(model, tmp_path, uploads):
    model.save_pretrained(tmp_path / "fox", push_to_hub=True, branch="small")
    assert uploads[0].name == "me/fox" and uploads[0].options["revision"] == "small"
    assert uploads[0].files == contents(tmp_path / "fox") and sorted(uploads[0].files) == FILES


def test_a_push_that_fails_is_one_line(model, uploads, monkeypatch):
    def upload_folder(self, **options):
        raise HfHubHTTPError("403 Forbidden\nand more", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(hub_mixin.HfApi, "upload_folder", upload_folder)
    refuse("somebody/fox", "403 Forbidden", model.push_to_hub)
    with pytest.raises(TypeError):
        model.push_to_hub("somebody/fox", haf=True)


def test_a_folder_that_cannot_be_written(model, folder, monkeypatch):
    (folder.parent / "file").write_text("")
    refuse(folder.parent / "file", "a file, not a folder", model.save_pretrained)
    (folder / "README.md").unlink()
    monkeypatch.setattr(ModelCard, "save", lambda *a: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space")))
    refuse(folder, "the disk is full", model.save_pretrained)
    assert equal(CLIPMat.from_pretrained(folder), model)


def test_the_package_stays_light():
    code = "import rimlib, sys; print({'torch', 'huggingface_hub', 'open_clip', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_training_goes_on_from_a_trained_model(model, tmp_path):
    path = model.save(tmp_path)
    again = CLIPMat.from_profile(PROFILE, tmp_path).eval()
    assert all(torch.equal(one, other) for one, other in zip(outputs(model), outputs(again)))
    model.save(tmp_path / "clipmat-best.safetensors")  # as a run with validation has
    assert file_of(tmp_path) == path
    model.save_pretrained(tmp_path / "hub")
    hub = CLIPMat.from_profile(PROFILE, tmp_path / "hub").eval()
    assert all(torch.equal(one, other) for one, other in zip(outputs(model), outputs(hub)))
    longer = profiles.load("tiny", model__image_size=32, model__popup_layers=2)
    begun = CLIPMat.from_profile(longer, path).eval()
    assert all(
        torch.equal(one, other) for one, other in zip(outputs(model), outputs(begun))
    )  # new parts do nothing yet
    larger = CLIPMat.from_profile(OTHER, path)
    assert len(larger.backbone.visual.positional_embedding) == 1 + (64 // 16) ** 2
    with pytest.raises(RimError, match="popup_width|shape") as error:
        CLIPMat.from_profile(profiles.load("tiny", model__image_size=32, model__popup_width=64), path)
    assert error.value.path == str(path)
    shipped = CLIPMat.shipped()
    more = replace(shipped.profile.model, coordinates=True, popup_layers=shipped.profile.model.popup_layers + 1)
    onward = CLIPMat.from_profile(replace(shipped.profile, model=more), "shipped").state_dict()
    assert all(torch.equal(onward[name], tensor) for name, tensor in shipped.state_dict().items())
    assert len(onward) > len(shipped.state_dict())
