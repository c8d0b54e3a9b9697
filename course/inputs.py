"""What a chapter was made from: its cells, its parameters, the packages, and each file of the repository that it read.

The files are written down while the chapter runs (see `tracing/sitecustomize.py`): the modules of rimlib that it really
imports, settings, checkpoints, photographs and records. A chapter whose inputs are unchanged need not run again.
"""

import ast
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rimlib.io.files import read_json, sha256, write_json
from rimlib.repository import repository

# What runs and builds leave: made from the other files, or from what is outside the repository.
_MADE = (".git", ".venv", ".ci", "_build", "build", "data", "runs", "book/chapters", "course/tracing")


@contextmanager
def traced(log: Path) -> Iterator[None]:
    """Processes that are started inside write into `log` which files of the repository they read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent / "tracing"), os.environ.get("PYTHONPATH")]))
    values = {"PYTHONPATH": path, "COURSE_READS": str(log.resolve()), "COURSE_ROOT": str(repository()) + os.sep}
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def record(path: Path, log: Path, cells: Any, given: dict[str, Any], started: float) -> Path:
    """Write the inputs of a chapter that has run. A file that has changed since `started` is written as changed."""
    root, files, folders = repository(), {}, {}
    for line in sorted(set(log.read_text(encoding="utf-8", errors="surrogateescape").splitlines())):
        found = _input(line[:2], Path(line[2:]), root)
        if found is None:
            continue
        name = found.relative_to(root).as_posix()
        if line[0] == "d":
            folders[name] = names_hash(found)
        else:
            files[name] = sha256(found) if found.stat().st_mtime < started else "changed during the run"
    return write_json(path, {"cells": cells_hash(cells), **given, "files": files, "folders": folders})


def changed(path: Path, cells: Any, given: dict[str, Any]) -> str:
    """Why what was recorded no longer holds, in a few words; empty where nothing has changed."""
    if not path.is_file():
        return "has not run"
    kept, root = read_json(path), repository()
    if kept["cells"] != cells_hash(cells):
        return "its cells changed"
    for what, value in given.items():
        if kept.get(what) != value:
            before = kept.get(what) or {}
            keys = [key for key in {**before, **value} if before.get(key) != value.get(key)]
            return f"{what}: {', '.join(f'{key} {before.get(key)} is now {value.get(key)}' for key in keys)}"
    gone = [name for name in kept["files"] if not (root / name).is_file()]
    other = [name for name, before in kept["files"].items() if name not in gone and sha256(root / name) != before]
    listed = [name for name, before in kept["folders"].items() if names_hash(root / name) != before]
    said = [f"{name} {verb}" for names, verb in ((gone, "gone"), (other, "changed"), (listed, "lists other files"))
            for name in names]  # fmt: skip
    return said[0] + (f", and {len(said) - 1} more" if len(said) > 1 else "") if said else ""


def cells_hash(notebook: Any) -> str:
    """Of what a notebook computes: its code cells and their tags, not the prose between them."""
    cells = [[_code(cell.source), cell.metadata.get("tags", [])] for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(repr(cells).encode()).hexdigest()


def names_hash(folder: Path) -> str:
    """Of the names in a folder; those that the system or Python adds are left out."""
    if not folder.is_dir():
        return "gone"
    names = sorted(one.name for one in folder.iterdir() if one.name[0] not in "._")
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _code(source: str) -> str:
    try:
        return ast.dump(ast.parse(source))  # the same code with another comment computes the same
    except SyntaxError:
        return source


def _input(kind: str, path: Path, root: Path) -> Path | None:
    """The file or folder that a line of the log stands for, if a change in it may change the chapter."""
    if kind == "fc" and path.suffix == ".pyc":
        path = Path(importlib.util.source_from_cache(path))
    elif kind == "f " and path.suffix == ".py":
        return None  # a hash over all of the code goes into each record; no chapter shows more of it
    name = f"{path.relative_to(root).as_posix()}/"
    if "__pycache__" in name or ".egg-info/" in name or name.startswith(tuple(f"{made}/" for made in _MADE)):
        return None
    if kind[0] == "f":
        return path if path.is_file() else None
    return None if path == root or (path / "__init__.py").is_file() or not path.is_dir() else path
