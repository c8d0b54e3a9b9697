"""The folder of a data set: it holds nothing else, one process at a time writes into it, and nothing outside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.refmatte import manifest
from rimlib.refmatte.manifest import WORK


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """The folder, made or found to be a data set's, and locked until the block ends or the process does.

    Raises:
        RimError: the folder holds something else, a link in it leads out, another process is writing into it, or it
            cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in root.iterdir() if not files.PARTIAL.fullmatch(path.name)} - {WORK, "lost+found"}
        if found and "plan.json" not in found:
            raise RimError(
                f"{root}: holds something else ({min(found)}); a data set needs a folder of its own", path=root
            )
        for path in root.iterdir():
            reject_links_outside(root, path)
        (root / WORK).mkdir(exist_ok=True)
        lock = FileLock(root / WORK / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise RimError(
            f"{root}: another process is writing into this folder; wait until it has ended", path=root
        ) from None
    except OSError as error:
        raise RimError(f"{root}: cannot build in this folder: {files.reason(error)}", path=root) from None
    try:
        yield
    except OSError as error:
        path = error.filename or root
        raise RimError(f"{path}: cannot be written: {files.reason(error)}", path=path) from error
    finally:
        with suppress(OSError):  # the working folder stays while a split is not finished
            (root / WORK / "lock").unlink()
            (root / WORK).rmdir()
        lock.release()


def reject_links_outside(root: Path, path: Path) -> None:
    """Refuse a path that links lead out of the folder."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise RimError(
            f"{path}: is a link that leads out of {root}; nothing is written outside the data set's folder", path=path
        )


def remove_partial_files(root: Path, split: str) -> None:
    """Remove what killed processes left half written."""
    for path in (*root.iterdir(), *(root / WORK).iterdir(), *(root / path for path in manifest.files_of(root, split))):
        if files.PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)
