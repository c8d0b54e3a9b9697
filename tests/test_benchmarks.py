"""Each program under `benchmarks/` can be started: what it imports is there. What it measures is not tested."""

import importlib.util
import sys

import pytest

from rimlib.repository import repository

PROGRAMS = sorted((repository() / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_finds_what_it_imports(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    name = f"benchmark_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert module.__doc__ and callable(module.main)
