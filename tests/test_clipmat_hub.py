"""A folder of `save_pretrained` comes back to the bit, and any other is refused in one line; nothing is ever unpickled."""

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
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat, hub
from rimlib.errors import RimError
from rimlib.io import files

PROFILE = profiles.load("tiny", model__image_size=32)
FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CLIPMat.from_profile(PROFILE, weights="random").eval()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """Read only."""
    folder = tmp_path_factory.mktemp("saved") / "fox"
    assert model.save_pretrained(folder, model_card_kwargs={"data": "none", "licence": "MIT"}) is None
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to break."""
    return Path(shutil.copytree(saved, tmp_path / "fox"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answers(model):
    torch.manual_seed(3)
    with torch.inference_mode():
        output = model(torch.rand(2, 3, 32, 32), model.tokenize(["the dog", "the red net"]))
    return [output.trimap_logits, output.detail, output.alpha, output.match]


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_it_comes_back_to_the_bit(model, saved):
    assert names(saved) == FILES
    again = CLIPMat.from_pretrained(saved)
    assert isinstance(again, PyTorchModelHubMixin) and not again.training and again.profile == PROFILE
    assert again.card == {"data": "none", "licence": "MIT"}
    assert all(one.equal(other) for one, other in zip(answers(model), answers(again), strict=True))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_it_is_one_format(model, saved, tmp_path):
    """The weights are the project's own checkpoint, and config.json is what its header says."""
    for place in (saved, saved / "model.safetensors"):
        assert all(one.equal(other) for one, other in zip(answers(CLIPMat.load(place)), answers(model), strict=True))
    own = model.save(tmp_path / "own", data="none", licence="MIT")
    assert own.read_bytes() == (saved / "model.safetensors").read_bytes()
    assert json.loads(own.with_suffix(".json").read_text()) == json.loads((saved / "config.json").read_text())
    with pytest.raises(
        RimError, match="CLIPMat.load reads the clipmat.safetensors"
    ):  # no README and no config: another kind of folder
        CLIPMat.from_pretrained(tmp_path / "own")


def test_half_precision_is_half_the_size_and_near(model, saved, tmp_path):
    model.save_pretrained(tmp_path / "half", half=True)
    sizes = [(place / "model.safetensors").stat().st_size for place in (tmp_path / "half", saved)]
    assert 0.49 < sizes[0] / sizes[1] < 0.52
    again = CLIPMat.from_pretrained(tmp_path / "half")
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    for one, other in zip(answers(model), answers(again), strict=True):
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.05)


def test_what_float16_cannot_hold_is_refused(model, tmp_path):
    large = copy.deepcopy(model)
    with torch.no_grad():
        large.semantic.d0.bias[1] = 1e6
    with pytest.raises(RimError, match="semantic.d0.bias holds 1e.06"):
        large.save_pretrained(tmp_path / "large", half=True)
    assert not (tmp_path / "large").exists()


def test_a_card_that_a_reader_wrote_stays_and_the_first_one_says_what_is_known(model, saved, folder):
    card = ModelCard.load(saved / "README.md")
    assert (
        card.data.library_name == "rimlib"
        and "image-matting" in card.data.tags
        and "pytorch_model_hub_mixin" in card.data.tags
    )
    for said in (
        "- data: none",
        "- licence: MIT",
        "`image_size`: 32",
        "CLIPMat.from_pretrained",
        "arxiv.org/abs/2206.05149",
    ):
        assert said in card.text
    (folder / "README.md").write_text("mine")
    model.save_pretrained(folder, model_card_kwargs={"data": "other"})
    assert (folder / "README.md").read_text() == "mine" and CLIPMat.from_pretrained(folder).card == {"data": "other"}
    assert "Nothing" in str(model.generate_model_card())


def refuse(folder, message, **options):
    with pytest.raises(RimError, match=message) as caught:
        CLIPMat.from_pretrained(folder, **options)
    text = str(caught.value)
    assert str(folder) in text and "\n" not in text


@pytest.mark.parametrize(
    "left, message",
    [
        ({"config.json"}, "model.safetensors: it is missing"),
        ({"model.safetensors"}, "config.json: it is missing"),
        (set(), "missing"),
    ],
)
def test_a_folder_that_is_not_whole(folder, left, message):
    for name in set(FILES) - left:
        (folder / name).unlink()
    refuse(folder, message)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "broken JSON"),
        ("[1]", "not of a CLIPMat"),
        ("{}", "not of a CLIPMat"),
        ('{"model_type": "clipseg"}', "not of a CLIPMat"),
        ('{"format": "rimlib-clipmat-1"}', "not of a CLIPMat"),
        ("[" * 100000, "JSON"),
        ("\ufeff{}", "config.json"),
    ],
)
def test_a_config_of_something_else(folder, text, message):
    (folder / "config.json").write_text(text)
    refuse(folder, message)


def test_a_config_with_a_mark_of_byte_order_is_refused_in_one_line_too(folder):
    (folder / "config.json").write_text("\ufeff" + (folder / "config.json").read_text())
    refuse(folder, "config.json: cannot be read")


def test_the_config_of_another_save(folder):
    config = json.loads((folder / "config.json").read_text())
    config["profile"]["model"]["popup_width"] = 64
    (folder / "config.json").write_text(json.dumps(config))
    refuse(folder, "model.popup_width is 128, not 64")


def test_another_profile_than_the_one_asked_for(folder):
    CLIPMat.from_pretrained(folder, profile=PROFILE)
    refuse(folder, "image_size is 32, not 64", profile=replace(PROFILE, model=replace(PROFILE.model, image_size=64)))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop("context.vectors"), "missing.*context.vectors"),
        (lambda t: t.update(other=torch.zeros(1)), "do not belong.*other"),
        (lambda t: t.update({"semantic.d0.bias": torch.zeros(4)}), r"semantic.d0.bias has shape \(4,\)"),
        (
            lambda t: t.update({"semantic.d0.bias": torch.tensor([0, float("inf"), 0])}),
            "semantic.d0.bias holds values that are not finite",
        ),
        (
            lambda t: t.update({"semantic.d0.bias": torch.zeros(3, dtype=torch.int64)}),
            "semantic.d0.bias is torch.int64",
        ),
    ],
)
def test_tensors_that_are_not_the_models(folder, change, message):
    tensors, about = load_file(folder / "model.safetensors"), (folder / "config.json").read_text()
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"rimlib": about})
    refuse(folder, message)


@pytest.mark.parametrize(
    "model_settings, message",
    [
        ({"popup_width": 2**40}, "settings build no model"),
        ({"details_channels": [2**30, 64, 32, 16]}, "has shape"),
        ({"backbone": "hf-hub:somebody/something"}, "settings build no model.*no such backbone"),
        ({"image_size": 2**30}, "has shape"),
        ({"popup_heads": 0}, "model.popup_heads"),
    ],
)
def test_settings_that_no_memory_could_hold_are_refused_before_any_is_taken(folder, model_settings, message):
    about = json.loads((folder / "config.json").read_text())
    about["profile"]["model"].update(model_settings)
    (folder / "config.json").write_text(json.dumps(about))
    save_file(
        load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata={"rimlib": json.dumps(about)}
    )
    refuse(folder, message)


@pytest.mark.parametrize(
    "dump",
    [
        lambda bomb, path: path.write_bytes(pickle.dumps(bomb)),
        lambda bomb, path: torch.save(bomb, path),
        lambda bomb, path: torch.save({"state_dict": bomb}, path, _use_new_zipfile_serialization=False),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "pytorch_model.pt"])
def test_a_pickle_is_refused_and_never_executed(folder, dump, name):
    mark = folder.parent / "executed"
    (folder / "model.safetensors").unlink()
    dump(Bomb(mark), folder / name)
    refuse(folder, "a pickle" if name == "model.safetensors" else f"{name}, a pickle")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))  # it would have
    assert mark.exists()


def test_a_pickle_beside_the_weights_is_not_looked_at(model, folder, monkeypatch):
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    monkeypatch.setattr(torch, "load", None)
    assert all(
        one.equal(other) for one, other in zip(answers(CLIPMat.from_pretrained(folder)), answers(model), strict=True)
    )


def test_a_file_is_not_a_folder(saved):
    refuse(saved / "model.safetensors", "CLIPMat.load reads")


def fake_hub(monkeypatch, answer):
    asked = []

    def snapshot_download(name, **options):
        asked.append((name, options))
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_a_name_on_the_hub_is_fetched_without_its_pickles(model, saved, monkeypatch):
    asked = fake_hub(monkeypatch, saved)
    again = CLIPMat.from_pretrained("somebody/fox", revision="v2", local_files_only=True)
    assert asked == [
        (
            "somebody/fox",
            {"allow_patterns": ["config.json", "model.safetensors"], "revision": "v2", "local_files_only": True},
        )
    ]
    assert all(one.equal(other) for one, other in zip(answers(model), answers(again), strict=True))


@pytest.mark.parametrize(
    "error, message",
    [
        (LocalEntryNotFoundError("no route to host\nand more"), "no route to host"),
        (HFValidationError("?"), "not a name"),
        (RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None)), "none of this name"),
        (OSError(), "OSError"),
    ],
)
def test_a_name_that_cannot_be_had_is_one_line_that_says_what_to_do(error, message, monkeypatch):
    fake_hub(monkeypatch, error)
    refuse("somebody/nothing", f"{message}.*save_pretrained wrote.*OWNER/MODEL")


def test_without_a_network_the_real_hub_is_one_line_too(monkeypatch, tmp_path):
    """Nothing is replaced here but the setting that forbids the network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    refuse("somebody/nothing", "cannot be had from the hub", cache_dir=tmp_path)


def test_a_repository_without_safetensors_is_refused(tmp_path, monkeypatch):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    fake_hub(monkeypatch, tmp_path)
    with pytest.raises(RimError, match="pytorch_model.bin, a pickle"):
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
            pushed.append(
                SimpleNamespace(name=repo_id, kind=repo_type, options=options, files=contents(Path(folder_path)))
            )
            return f"https://huggingface.co/{repo_id}/commit/1"

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    return pushed


def test_a_push_uploads_the_three_files(model, saved, uploads):
    url = model.push_to_hub("somebody/fox", private=True, model_card_kwargs={"data": "none", "licence": "MIT"})
    assert url.endswith("somebody/fox/commit/1")
    assert [(push.name, push.kind) for push in uploads] == [("somebody/fox", "model")]
    assert uploads[0].files == contents(saved)


def test_a_push_that_fails_is_one_line(model, uploads, monkeypatch):
    def upload_folder(self, **options):
        raise HfHubHTTPError("403 Forbidden\nand more", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(hub_mixin.HfApi, "upload_folder", upload_folder)
    with pytest.raises(RimError, match="somebody/fox: it cannot be pushed.*403 Forbidden.*hf auth login") as caught:
        model.push_to_hub("somebody/fox")
    assert "\n" not in str(caught.value)
    with pytest.raises(TypeError):
        model.push_to_hub("somebody/fox", haf=True)


def test_save_and_push_in_one_call_by_the_folders_name_and_in_half_precision(model, tmp_path, uploads):
    model.save_pretrained(tmp_path / "fox", half=True, push_to_hub=True, branch="small")
    assert uploads[0].name == "me/fox" and uploads[0].options["revision"] == "small"
    assert uploads[0].files == contents(tmp_path / "fox") and sorted(uploads[0].files) == FILES
    model.save_pretrained(tmp_path / "full")  # the half of the push is over
    assert (tmp_path / "full/model.safetensors").stat().st_size > 1.9 * len(uploads[0].files["model.safetensors"])


@pytest.mark.parametrize("where", ["weights", "config", "card"])
@pytest.mark.parametrize("before", [True, False])
def test_a_full_disk_leaves_what_was_there(model, folder, monkeypatch, where, before):
    full, real, last = OSError(errno.ENOSPC, "No space left on device"), files._pour, {"weights": 0, "config": 1}
    calls = []

    def pour(stream, data):
        calls.append(stream)
        if len(calls) - 1 == last.get(where):
            stream.write(b"half of it")
            raise full
        real(stream, data)

    def save(self, path):
        Path(path).write_text("half of it")
        raise full

    monkeypatch.setattr(files, "_pour", pour)
    if where == "card":
        monkeypatch.setattr(ModelCard, "save", save)
    if not before:
        shutil.rmtree(folder)
    old = contents(folder) if before else None
    with pytest.raises(RimError, match="the disk is full") as caught:
        model.save_pretrained(folder, model_card_kwargs={"new": 1})
    assert str(folder) in str(caught.value) and ".part" not in str(caught.value)
    assert contents(folder) == old if before else not folder.exists()


def test_a_place_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RimError, match="file"):
        model.save_pretrained(tmp_path / "file")
    with pytest.raises(RimError, match="no haf"):
        model.save_pretrained(tmp_path / "new", haf=True)
    with pytest.raises(RimError, match="card"):
        model.save_pretrained(tmp_path / "new", model_card_kwargs={"thing": object()})
    assert names(tmp_path) == ["file"]


def test_a_model_without_a_profile_says_so(model, tmp_path):
    bare = copy.deepcopy(model)  # which the mixin must not prevent
    assert all(one.equal(other) for one, other in zip(answers(model), answers(bare), strict=True))
    bare.profile = None
    for write in (lambda: bare.save_pretrained(tmp_path / "new"), lambda: bare.save(tmp_path / "new")):
        with pytest.raises(RimError, match="no profile"):
            write()
    assert names(tmp_path) == []


def test_the_package_stays_light():
    code = "import rimlib, sys; print({'torch', 'huggingface_hub', 'open_clip', 'numpy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )


def test_the_first_difference_of_two_profiles_is_named():
    assert hub._difference({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}) == "b.c is 2, not 3"
    assert hub._difference({"a": 1}, {"a": 1, "d": 4}) == "d is None, not 4"
