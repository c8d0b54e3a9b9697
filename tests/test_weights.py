"""Safetensors with their JSON come back as they were; whatever else stands under such a name is refused by its path."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from rimlib.errors import RimError
from rimlib.io import weights


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    return {"a.weight": torch.randn(3, 4), "scale": torch.tensor(3.14159), "count": torch.tensor([70000])}


@pytest.fixture
def path(tensors, tmp_path):
    return weights.write(tmp_path / "new" / "some.safetensors", tensors, {"format": "some-1", "card": {"data": "none"}})


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].equal(other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def refuse(path, message, call=weights.read_tensors, *arguments):
    with pytest.raises(RimError, match=message) as caught:
        call(path, *arguments)
    assert caught.value.path == str(path) and str(path) in str(caught.value)


def test_they_come_back_as_they_were(tensors, path):
    assert same(weights.read_tensors(path), tensors) and same(weights.read_tensors(path, tensors), tensors)
    assert same(load_file(path), tensors)  # for other programs too
    assert weights.read_shapes(path) == {"a.weight": (3, 4), "scale": (), "count": (1,)}
    assert (
        weights.read_header(path)
        == weights.read_header(path, "some-1")
        == {"format": "some-1", "card": {"data": "none"}}
    )
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_header_stands_beside_where_that_is_set(tensors, tmp_path):
    weights.write(tmp_path / "some.safetensors", tensors, {"format": "some-1"}, beside=True)
    assert json.loads((tmp_path / "some.json").read_text()) == {"format": "some-1"}


def test_a_file_without_a_header_has_an_empty_one(tensors, tmp_path):
    assert weights.read_header(weights.write(tmp_path / "bare.safetensors", tensors)) == {}
    save_file(tensors, tmp_path / "other.safetensors", metadata={"format": "pt"})
    assert weights.read_header(tmp_path / "other.safetensors") == {}


@pytest.mark.parametrize("text", ["{broken", "[1]", "7", "[" * 100_000, "{}"])
def test_a_header_of_something_else(tensors, tmp_path, text):
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata={"rimlib": text})
    assert weights.read_header(path) == {}
    refuse(path, "no format, expected 'some-1'", weights.read_header, "some-1")


def test_another_format_is_refused(path):
    refuse(path, "'some-1', expected 'other-1'", weights.read_header, "other-1")


def test_half_precision_is_for_all_but_scalars_and_is_read_into_the_expected_type(tensors, tmp_path):
    path = weights.write(tmp_path / "half.safetensors", tensors, half=True)
    stored = weights.read_tensors(path)
    assert stored["a.weight"].dtype == torch.float16 and same(
        stored, tensors | {"a.weight": tensors["a.weight"].half()}
    )
    found = weights.read_tensors(path, tensors)
    assert same(found, tensors | {"a.weight": tensors["a.weight"].half().float()})


@pytest.mark.parametrize("half", [True, False])
def test_what_float16_cannot_hold_is_refused(half, tmp_path):
    large = torch.tensor([1.0, 1e6])
    with pytest.raises(RimError, match="large holds .*float16") as caught:
        weights.write(tmp_path / "large.safetensors", {"large": large if half else large.half()}, half=half)
    assert caught.value.path == str(tmp_path / "large.safetensors") and not list(tmp_path.iterdir())


def test_other_strides_and_shared_memory_are_stored(tmp_path):
    whole = torch.randn(2, 3, 4, 4)
    tensors = {"last": whole.to(memory_format=torch.channels_last), "row": whole[0], "whole": whole, "same": whole}
    assert same(weights.read_tensors(weights.write(tmp_path / "views.safetensors", tensors)), tensors)


def test_a_header_that_is_no_json_leaves_the_old_file(tensors, path):
    before = path.read_bytes()
    with pytest.raises(RimError, match="JSON") as caught:
        weights.write(path, tensors, {"thing": object()})
    assert caught.value.path == str(path) and path.read_bytes() == before


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop("scale"), "1 tensors are missing, the first is scale"),
        (lambda t: t.update(other=torch.zeros(1)), "1 tensors do not belong.*other"),
        (lambda t: t.update(scale=torch.zeros(2)), r"scale has shape \(2,\), the model has \(\)"),
        (lambda t: t.update(scale=torch.tensor(7)), "scale is torch.int64, the model has torch.float32"),
        (lambda t: t["a.weight"][1].fill_(float("nan")), "a.weight holds values that are not finite"),
        (lambda t: t["a.weight"][1, 2].fill_(-float("inf")), "a.weight holds values that are not finite"),
    ],
)
def test_tensors_that_are_not_the_expected_ones(tensors, path, change, message):
    found = {name: value.clone() for name, value in tensors.items()}
    change(found)
    expected = {name: value.to("meta") for name, value in tensors.items()}
    weights.read_tensors(path, expected)
    refuse(weights.write(path, found), message, weights.read_tensors, expected)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.999])
@pytest.mark.parametrize("call", [weights.read_tensors, weights.read_shapes, weights.read_header])
def test_a_file_that_is_cut_off(path, keep, call):
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    refuse(path, "not a whole safetensors file", call)


@pytest.mark.parametrize(
    "dump",
    [lambda path: torch.save({"a": torch.zeros(1)}, path), lambda path: path.write_bytes(pickle.dumps({"a": 1}))],
)
def test_a_pickle_under_that_name_is_never_opened(path, dump):
    dump(path)
    refuse(path, "a pickle")


def test_no_file_and_a_folder(tmp_path):
    refuse(tmp_path / "none.safetensors", "no such file", weights.read_header)
    refuse(tmp_path, "a folder", weights.read_header)


@pytest.mark.parametrize(
    "text, kind", [("version https://git-lfs.github.com/spec/v1\noid", "Git LFS"), ("<html><head>", "web page")]
)
def test_what_stands_in_place_of_weights_is_named(path, text, kind):
    path.write_text(text)
    refuse(path, kind)


def test_a_header_length_that_begins_like_a_pickle_is_read(tensors, path):
    """The first byte of a safetensors file is a part of its header's length: 0x80 of one in 32 of them."""
    for length in range(40):
        weights.write(path, tensors, {"padding": "x" * 8 * length})
        if path.read_bytes()[:1] == b"\x80":
            break
    else:
        pytest.fail("no file began with 0x80")
    assert same(weights.read_tensors(path), tensors)


@pytest.mark.parametrize("expected", [True, False])
def test_what_was_read_keeps_no_hold_on_the_file(tensors, path, expected):
    found = weights.read_tensors(path, tensors if expected else None)
    path.write_bytes(b"\0" * path.stat().st_size)  # in place, as no program should
    assert same(found, tensors)
