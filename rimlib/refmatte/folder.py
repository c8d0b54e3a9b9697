"""The folder of a data set: it is ours alone, one build works in it at a time, and nothing is written outside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.refmatte import manifest
from rimlib.refmatte.manifest import WORK

_HALF = re.compile(r"\.[0-9a-f]{16}\.part")


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """The folder, made or found to be ours, and locked until the block ends or the process does, however that ends.

    Raises:
        RimError: the folder holds something else, a link in it leads out, another build is at work in it, or it can't be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in root.iterdir() if not _HALF.fullmatch(path.name)} - {WORK, "lost+found"}
        if found and "plan.json" not in found:
            raise RimError(f"{root}: holds something else ({min(found)}); a data set needs a folder of its own")
        for path in root.iterdir():
            stays_in(root, path)
        lock = _lock(root / WORK / "lock")
    except OSError as error:
        raise RimError(f"{root}: can't build in this folder: {files.reason(error)}") from None
    try:
        yield
    except OSError as error:
        raise RimError(f"{error.filename or root}: cannot be written: {files.reason(error)}") from error
    finally:
        (root / WORK / "lock").unlink(missing_ok=True)
        os.close(lock)
        try:
            (root / WORK).rmdir()
        except OSError:
            pass  # the work of a split that is not finished


def stays_in(root: Path, path: Path) -> None:
    """Refuse a path that links lead out of the folder."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise RimError(f"{path}: is a link that leads out of {root}; nothing is written outside the data set's folder")


def sweep(root: Path, split: str) -> None:
    """Remove what killed processes left half written: the temporary names of `files.write_atomically`."""
    for path in (*root.iterdir(), *(root / WORK).iterdir(), *(root / path for path in manifest.files_of(root, split))):
        if _HALF.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _lock(path: Path) -> int:
    import fcntl

    while True:
        path.parent.mkdir(exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # another build has just ended and tidied up
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise RimError(
                f"{path.parents[1]}: another build is at work in this folder ({owner or 'just begun'})"
            ) from None
        try:
            same = os.stat(path).st_ino == os.fstat(descriptor).st_ino
        except FileNotFoundError:
            same = False
        if same:
            os.truncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode())
            return descriptor
        os.close(descriptor)  # the lock of a build that ended in between
