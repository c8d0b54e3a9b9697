"""Entries of a large JSON object, read one at a time."""

import json
import pickle

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.io import entries as module
from rimlib.io.entries import NoObject, Reader, entries

VALUE = {"a": [1, -2.5e3, True, None], 'quo"ted\\': 'Käse 🧀, {"x": 1}', "": {}, "n": 12345, "last": 1e5}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("before", ["", "\ufeff", " \r\n\t"])
@pytest.mark.parametrize("piece", [1, 3, 2**18])
def test_entries_are_those_of_json_and_are_found_again(tmp_path, monkeypatch, indent, ascii_only, before, piece):
    monkeypatch.setattr(module, "PIECE", piece)
    path = tmp_path / "file.json"
    path.write_bytes((before + json.dumps(VALUE, indent=indent, ensure_ascii=ascii_only) + " \n").encode())
    found = list(entries(path))
    assert {entry.key: entry.value for entry in found} == VALUE and [entry.key for entry in found] == list(VALUE)
    reader = pickle.loads(pickle.dumps(Reader(path)))
    for entry in reversed(found):
        assert reader.read(entry.start, entry.end) == (entry.key, entry.value)


def test_a_repeated_key_is_seen_twice(tmp_path):
    (tmp_path / "file.json").write_text('{"a": 1, "a": 2}')
    assert [entry.value for entry in entries(tmp_path / "file.json")] == [1, 2]


def test_an_empty_object_has_none(tmp_path):
    (tmp_path / "file.json").write_text(" { } ")
    assert list(entries(tmp_path / "file.json")) == []


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "3", "{", '{"a": 1', '{"a": 1,}', '{,"a": 1}', '{"a" 1}', '{"a": 1 "b": 2}', '{"a": 1} x', "{a: 1}"],
)
def test_what_is_no_whole_object_is_refused(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(NoObject):
        list(entries(path))


def test_a_file_that_changes_is_named(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"a": [1, 2]}')
    (entry,) = entries(path)
    reader = Reader(path)
    path.write_text('{"b": [1, 2, 3, 4]}')
    with pytest.raises(RimError, match="file.json: has changed since it was opened"):
        reader.read(entry.start, entry.end)
    with pytest.raises(RimError, match="gone.json: cannot be read"):
        list(entries(tmp_path / "gone.json"))
    open_before = Reader(path)
    assert open_before.read(1, 18) == ("b", [1, 2, 3, 4])
    path.write_text("x" * 100)
    with pytest.raises(RimError, match="has changed"):
        open_before.read(1, 18)


def test_the_places_of_many_are_found_in_little_memory(tmp_path, monkeypatch):
    import tracemalloc

    path = tmp_path / "file.json"
    path.write_text(json.dumps({f"key{number}": ["a sentence"] * 20 for number in range(5000)}))
    assert path.stat().st_size > 1_200_000
    monkeypatch.setattr(module, "PIECE", 2**14)
    tracemalloc.start()
    places = np.array([(entry.start, entry.end) for entry in entries(path)][::100])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(places) == 50 and peak < 1_200_000
