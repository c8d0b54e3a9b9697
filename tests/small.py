"""What several tests share: a data set of a few small scenes, the programs of `benchmarks/`, an answer of `rim`."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rimlib import cli
from rimlib.profile import load
from rimlib.repository import repository

SMALL = load(
    "tiny",
    data__height=96,
    data__width=128,
    data__groups_train=1,
    data__images_per_group_train=4,
    data__extra_train=3,
    data__groups_test=1,
    data__images_per_group_test=2,
    data__extra_test=1,
).data


def bytes_of(root: Path) -> dict[str, bytes]:
    """Each file of a data set; two builds are the same when these are."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def benchmark(name: str) -> ModuleType:
    """A program of `benchmarks/`, as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", repository() / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runner(capsys: Any, *first: str) -> Callable[..., tuple[int, list[str], list[str]]]:
    """A function that runs `rim FIRST … ARGUMENTS`: its status, the lines of its output and of its errors."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        status = cli.main([*first, *map(str, arguments)])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.splitlines()

    return run


def refused(answer: tuple[int, list[str], list[str]], *words: object) -> bool:
    """Fails where `rim` (status, lines of output, of errors) did not refuse in one line that has these words."""
    status, out, err = answer
    assert status == 2 and out == [] and len(err) == 1 and err[0].startswith("rim: error: "), answer
    assert all(str(word) in err[0] for word in words), err
    return True
