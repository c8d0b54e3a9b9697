"""A checkpoint comes back as it was, and anything else is refused in one line that names the file."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from rimlib import profile as profiles
from rimlib.clipmat import CLIPMat
from rimlib.clipmat.checkpoint import FORMAT
from rimlib.errors import RimError

PROFILE = profiles.load("tiny", model__image_size=32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CLIPMat.from_profile(PROFILE, weights="random").eval()


@pytest.fixture
def path(model, tmp_path):
    return model.save(tmp_path / "run", data="none", seconds=1.5)


def rewrite(path, change, about=None):
    tensors = load_file(path)
    change(tensors)
    save_file(
        tensors,
        path,
        metadata={"rimlib": json.dumps(about or {"format": FORMAT, "profile": PROFILE.to_dict(), "card": {}})},
    )


def test_it_comes_back_as_it_was(model, path):
    assert path.name == "clipmat.safetensors"
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["card"] == {"data": "none", "seconds": 1.5} and card["profile"]["model"]["image_size"] == 32
    again = CLIPMat.load(path.parent)
    assert again.profile == PROFILE and not again.training
    images, tokens = torch.rand(1, 3, 32, 32), model.tokenize(["the dog"])
    with torch.inference_mode():
        torch.testing.assert_close(again(images, tokens), model(images, tokens), atol=0, rtol=0)


def test_half_precision_files_are_read_into_float32(path, model):
    rewrite(path, lambda t: t.update({name: v.half() for name, v in t.items() if v.is_floating_point()}))
    assert {p.dtype for p in CLIPMat.load(path).parameters()} == {torch.float32}


def refuse(path, message, **kwargs):
    with pytest.raises(RimError, match=message) as caught:
        CLIPMat.load(path, **kwargs)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text


def test_missing_extra_and_wrongly_shaped_tensors(path):
    rewrite(path, lambda t: t.pop("semantic.d0.bias"))
    refuse(path, "missing.*semantic.d0.bias")
    rewrite(path, lambda t: t.update({"semantic.d0.bias": torch.zeros(3), "other": torch.zeros(1)}))
    refuse(path, "do not belong.*other")
    rewrite(path, lambda t: (t.pop("other"), t.update({"semantic.d0.bias": torch.zeros(4)})))
    refuse(path, r"semantic.d0.bias has shape \(4,\), the model has \(3,\)")


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.999])
def test_truncated_files(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    refuse(path, "not a whole safetensors file")


@pytest.mark.parametrize(
    "write",
    [lambda path: torch.save({"a": torch.zeros(1)}, path), lambda path: path.write_bytes(pickle.dumps({"a": 1}))],
)
def test_a_pickle_under_that_name_is_never_opened(path, write):
    write(path)
    refuse(path, "pickle")


def test_safetensors_of_something_else(path):
    save_file({"a": torch.zeros(1)}, path)
    refuse(path, "not a CLIPMat checkpoint")
    save_file({"a": torch.zeros(1)}, path, metadata={"rimlib": "{broken"})
    refuse(path, "not a CLIPMat checkpoint")


def test_settings_of_another_version_matter_only_where_they_shape_the_model(path):
    known = PROFILE.to_dict()
    rewrite(path, lambda t: None, {"format": FORMAT, "profile": {**known, "train": {"sizes": 3}}, "card": {}})
    assert CLIPMat.load(path).profile.model == PROFILE.model
    rewrite(
        path,
        lambda t: None,
        {"format": FORMAT, "profile": {**known, "model": {**known["model"], "sizes": 3}}, "card": {}},
    )
    refuse(path, "sizes")


def test_a_header_length_that_begins_like_a_pickle_is_read(path):
    """The first byte of a safetensors file is a part of its header's length: 0x80 of one in 32 of them."""
    for length in range(40):
        rewrite(
            path,
            lambda t: None,
            {"format": FORMAT, "profile": PROFILE.to_dict(), "card": {"padding": "x" * 8 * length}},
        )
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        pytest.fail("no file began with 0x80")
    CLIPMat.load(path)


def test_a_checkpoint_of_another_profile(path):
    CLIPMat.load(path, profile=replace(PROFILE, train=replace(PROFILE.train, minutes=1.0)))  # the same model
    refuse(path, "image_size is 32, not 64", profile=replace(PROFILE, model=replace(PROFILE.model, image_size=64)))


def test_no_such_checkpoint_and_a_folder_without_one(tmp_path):
    refuse(tmp_path / "none.safetensors", "no such checkpoint")
    with pytest.raises(RimError, match="clipmat.safetensors"):
        CLIPMat.load(tmp_path)


def test_a_card_that_is_no_json_leaves_the_old_file(model, path):
    before = path.read_bytes()
    with pytest.raises(RimError, match="card"):
        model.save(path, thing=object())
    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_old_file(model, path, monkeypatch):
    import os

    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RimError, match="clipmat.safetensors"):
        model.save(path)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir() if "part" in p.name] == []


def test_the_shipped_model_is_read_and_half_precision_keeps_it_to_the_bit(tmp_path):
    shipped = CLIPMat.shipped()
    assert shipped.profile.name == "tiny-long" and "licence" in shipped.card and not shipped.training
    shipped.save_pretrained(
        tmp_path / "shipped", half=True, model_card_kwargs=shipped.card
    )  # it is stored in float16 already
    again = CLIPMat.from_pretrained(tmp_path / "shipped")
    assert again.card == shipped.card
    for (name, one), other in zip(shipped.state_dict().items(), again.state_dict().values(), strict=True):
        assert one.equal(other) and one.dtype == other.dtype, name


def test_reading_draws_no_random_numbers_and_keeps_no_hold_on_the_file(model, path):
    state = torch.get_rng_state()
    again = CLIPMat.load(path)
    assert torch.get_rng_state().equal(state)
    path.write_bytes(b"\0" * path.stat().st_size)  # in place, as nobody should
    images, tokens = torch.rand(1, 3, 32, 32), model.tokenize(["the dog"])
    with torch.inference_mode():
        assert again(images, tokens).detail.equal(model(images, tokens).detail)
