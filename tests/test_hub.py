"""The hub, without a network: its cache first where that is enough, and every failure in one line."""

import logging
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from rimlib.errors import RimError
from rimlib.io import hub


@pytest.fixture
def remote(monkeypatch, tmp_path):
    """The hub as a folder: `calls` are the requests; without `online` it gives only what is `cached`."""
    state = SimpleNamespace(folder=tmp_path, calls=[], online=True, cached=False, error=None)

    def snapshot_download(name, **options):
        state.calls.append((name, options))
        if state.error or not (state.cached if options.get("local_files_only") else state.online):
            raise state.error or LocalEntryNotFoundError("no route to host\nand more")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_only_the_named_files_are_fetched_with_the_hubs_own_options(remote):
    assert hub.fetch("somebody/fox", ("a", "b"), "do this", revision="v2") == remote.folder
    assert remote.calls == [("somebody/fox", {"allow_patterns": ["a", "b"], "revision": "v2"})]


def test_a_cache_that_has_all_files_is_enough(remote):
    remote.cached = True
    (remote.folder / "a").write_text("")
    hub.fetch("somebody/fox", ["a"], "do this", cached=True)
    assert [options.get("local_files_only", False) for _, options in remote.calls] == [True]
    hub.fetch("somebody/fox", ["a", "b"], "do this", cached=True)  # not all
    assert [options.get("local_files_only", False) for _, options in remote.calls[1:]] == [True, False]


@pytest.mark.parametrize(
    "error, reason",
    [
        (LocalEntryNotFoundError("no route to host\nand more"), "no route to host"),
        (HFValidationError("?"), "not a name"),
        (RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None)), "none of this name"),
        (OSError(), "OSError"),
    ],
)
def test_what_cannot_be_had_is_one_line_with_what_to_do(remote, error, reason):
    remote.error = error
    with pytest.raises(RimError, match=f"{reason}.*; do this") as caught:
        hub.fetch("somebody/fox", ["a"], "do this")
    assert caught.value.path == "somebody/fox"


def test_without_a_network_the_real_hub_is_one_line_too(monkeypatch, tmp_path):
    """Nothing is replaced here but the setting that forbids the network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RimError) as caught:
        hub.fetch("somebody/nothing", ["a"], "do this", cache_dir=tmp_path)
    assert caught.value.path == "somebody/nothing"


class Kind:
    """A class of transformers that has nothing in its cache."""

    calls: list = []

    @classmethod
    def from_pretrained(cls, name, local_files_only=False, **options):
        cls.calls.append((name, local_files_only, options))
        if local_files_only:
            raise OSError("not in the cache")
        return torch.nn.Linear(1, 1).double()


def test_transformers_load_safetensors_and_use_the_network_only_where_the_cache_has_nothing(remote, monkeypatch):
    monkeypatch.setattr(Kind, "calls", [])
    found = hub.load_pretrained(Kind, "somebody/fox")
    assert found.weight.dtype == torch.float32 and not found.training
    assert Kind.calls == [("somebody/fox", local, {"use_safetensors": True}) for local in (True, False)]
    assert hub.load_pretrained(Kind, "somebody/fox", weights=False).weight.dtype == torch.float64
    assert Kind.calls[2:] == [("somebody/fox", local, {}) for local in (True, False)]


def test_a_folder_or_a_name_that_cannot_be_loaded_is_refused(remote, monkeypatch):
    remote.online = False
    for name in (str(remote.folder), "somebody/fox"):
        with pytest.raises(RimError, match="use weights='towers'") as caught:
            hub.load_pretrained(Kind, name, instead="weights='towers'")
        assert caught.value.path == name
    assert len(remote.calls) == 1  # of the name; a folder is not looked for on the hub


def test_libraries_are_quiet_only_inside():
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    with hub.quiet("huggingface_hub"):
        assert logger.level == logging.ERROR
    assert logger.level == before
