"""Public weights: what is whole, what is refused, and how they are fetched, with the hub as a folder."""

import json
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError
from safetensors.torch import save_file

from rimlib.errors import RimError
from rimlib.io import public
from rimlib.io.from_folder import load
from rimlib.io.public import NotHere, Part

FOX = Part("somebody/fox", "finder", ("fox", "fox_video"), 1, "MIT")


def stored(folder, kind="fox", names=("model.safetensors",), missing=(), cut=(), index=False):
    """Weights of two tensors, in one file or in several with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    if index:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(zip("ab", names))}))
    for name in set(names) - set(missing):
        save_file({"a": torch.zeros(300)}, folder / name)
        if name in cut:
            (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub: `make` fills the folder that is asked for; what is fetched without a folder is the cache's."""
    state = SimpleNamespace(cache=tmp_path / "cache", calls=[], make=stored, error=None)

    def snapshot_download(name, revision="main", local_dir=None, local_files_only=False, **options):
        folder = local_dir or state.cache / revision.replace("/", "-")
        if local_files_only:
            if not folder.exists():
                raise LocalEntryNotFoundError("not in the cache")
            return str(folder)
        state.calls.append(options | {"revision": revision})
        if state.error:
            folder.mkdir(parents=True)
            raise state.error
        state.make(folder)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_a_part_is_found_under_any_name_of_its_folder(tmp_path):
    folder = stored(tmp_path / "weights" / "what I call it", "fox_video")
    stored(tmp_path / "weights" / "another", "hen")
    assert public.find(FOX, tmp_path / "weights") == public.find(FOX, folder) == folder


@pytest.mark.parametrize(
    "made, words",
    [
        ({"missing": ["model.safetensors"]}, "half downloaded, model.safetensors is missing"),
        ({"cut": ["model.safetensors"]}, "model.safetensors: not a whole safetensors file"),
        (
            {"names": ("1.safetensors", "2.safetensors"), "index": True, "missing": ["2.safetensors"]},
            "half downloaded, 2.safetensors is missing",
        ),
    ],
)
def test_what_is_not_whole_is_refused(tmp_path, made, words):
    stored(tmp_path / "fox", **made)
    with pytest.raises(RimError, match=words) as caught:
        public.find(FOX, tmp_path)
    assert not isinstance(caught.value, NotHere)


def test_several_files_with_an_index_are_whole(tmp_path):
    folder = stored(tmp_path / "fox", names=("1.safetensors", "2.safetensors"), index=True)
    assert public.find(FOX, tmp_path) == folder


def test_a_pickle_is_never_opened(tmp_path):
    folder = stored(tmp_path / "fox", missing=["model.safetensors"])
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(RimError, match="a pickle .pytorch_model.bin., which is never opened"):
        public.find(FOX, tmp_path)
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")  # under a name that is none
    with pytest.raises(RimError, match="model.safetensors: a pickle"):
        public.find(FOX, tmp_path)


def test_weights_of_something_else_are_named(tmp_path, tmp_path_factory):
    stored(tmp_path / "hen", "hen")
    with pytest.raises(NotHere, match="found weights of hen; expected fox .somebody/fox"):
        public.find(FOX, tmp_path)
    with pytest.raises(NotHere, match="found no config.json"):
        public.find(FOX, tmp_path_factory.mktemp("empty"))
    with pytest.raises(RimError, match="no such folder"):
        public.find(FOX, tmp_path / "nowhere")


def test_what_is_fetched_is_safetensors_and_settings(hub, tmp_path):
    folder = public.fetch(FOX, tmp_path / "to", "copy it")
    assert folder == tmp_path / "to" / "fox" and public.find(FOX, tmp_path / "to") == folder
    patterns = hub.calls[0]["allow_patterns"]
    assert "*.json" in patterns and not [one for one in patterns if one.endswith(tuple(public.PICKLES))]
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["fox"]
    assert public.fetch(FOX, tmp_path / "to", "copy it") == folder and len(hub.calls) == 1  # it is here
    assert public.fetch(FOX, None, "copy it") == hub.cache / "main" and public.find(FOX) == hub.cache / "main"


def test_without_a_network_nothing_is_left(hub, tmp_path):
    hub.error = LocalEntryNotFoundError("no route to host")
    with pytest.raises(RimError, match="somebody/fox: .*no route to host.*; copy it"):
        public.fetch(FOX, tmp_path / "to", "copy it")
    assert not (tmp_path / "to").exists()
    with pytest.raises(NotHere):
        public.find(FOX)


def test_what_was_broken_off_is_kept_under_another_name_and_goes_on(hub, tmp_path):
    def broken(folder):
        stored(folder, missing=["model.safetensors"])
        (folder / "model.incomplete").write_bytes(b"half")
        raise ConnectionError("reset by peer")

    hub.make = broken
    with pytest.raises(RimError, match="reset by peer"):
        public.fetch(FOX, tmp_path / "to", "copy it")
    assert [path.name for path in (tmp_path / "to").iterdir()] == [".fox.part"]
    with pytest.raises(NotHere):
        public.find(FOX, tmp_path / "to")
    hub.make = stored
    assert public.fetch(FOX, tmp_path / "to", "copy it").name == "fox"
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["fox"]


def test_a_file_that_is_not_whole_is_fetched_again(hub, tmp_path):
    makes = [lambda folder: stored(folder, cut=["model.safetensors"]), stored]
    hub.make = lambda folder: makes.pop(0)(folder)
    public.fetch(FOX, tmp_path / "to", "copy it")
    assert [bool(call.get("force_download")) for call in hub.calls] == [False, True]


def test_what_is_there_and_broken_is_not_written_over(hub, tmp_path):
    folder = stored(tmp_path / "fox", cut=["model.safetensors"])
    with pytest.raises(RimError, match=f"remove {folder} and run this again"):
        public.fetch(FOX, tmp_path, "copy it")
    assert hub.calls == []


def test_safetensors_of_another_revision_are_taken_where_the_first_has_none(hub):
    part = Part("somebody/fox", "finder", ("fox",), 1, "MIT", revisions=("main", "refs/pr/6"))
    hub.make = lambda folder: stored(folder, missing=["model.safetensors"] if folder.name == "main" else [])
    assert public.fetch(part, None, "copy it") == public.find(part) == hub.cache / "refs-pr-6"


def test_those_without_access_are_told_how_to_get_it(hub):
    hub.error = GatedRepoError("403", response=SimpleNamespace(headers={}, request=None))
    part = Part("somebody/fox", "finder", ("fox",), 1, "of its own", gated=True)
    with pytest.raises(
        RimError, match="accept its licence at https://huggingface.co/somebody/fox, then `hf auth login`"
    ):
        public.fetch(part, None, "copy it")


def test_no_room_and_no_folder(hub, tmp_path):
    with pytest.raises(RimError, match="fox needs .* MB, and .* MB are free"):
        public.fetch(Part("somebody/fox", "finder", ("fox",), 10**12, "MIT"), tmp_path / "to", "")
    (tmp_path / "file").write_text("")
    with pytest.raises(RimError, match="file: cannot be written: it is a file"):
        public.fetch(FOX, tmp_path / "file", "")
    assert hub.calls == []


def test_what_no_model_can_be_made_of_is_one_line(tmp_path):
    class Kind:
        @classmethod
        def from_pretrained(cls, name, **options):
            assert options["local_files_only"] and options["use_safetensors"]
            net = torch.nn.Linear(2, 2)
            return net, {"missing_keys": {"weight"} if "half" in name else set()}

    assert isinstance(load(Kind, tmp_path), torch.nn.Linear)
    with pytest.raises(RimError, match="half: 1 tensors of Kind are missing, the first is weight"):
        load(Kind, tmp_path / "half")
    with pytest.raises(RimError, match="no int can be made of it"):
        load(int, tmp_path)
