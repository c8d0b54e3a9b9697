"""The small cache: a data set's images, mattes and trimaps at the model's size, decoded once and kept on disk.

For sets that fit; a larger one is decoded anew for each sample (`rimlib.training.pixels.Files`), which needs no disk
and no memory. Nothing is ever kept in memory instead: the arrays are memory-mapped, so that all workers and devices of
a machine share what the system has read of them.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from joblib import Parallel, delayed
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.errors import RimError
from rimlib.io.files import PARTIAL, read_json, reason, replace_folder, write_json
from rimlib.refmatte.dataset import RefMatte
from rimlib.training.pixels import Files

LARGEST = 4 * 2**30  # bytes that the cache takes beside the data unless a folder is named for it
IMAGES = 32  # that a process decodes at a time
DAY = 86400  # seconds


def open_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a cache, memory-mapped: images uint8 (N, S, S, 3); mattes uint8 (M, S, S), trimaps alike."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def prepare(
    refmatte: RefMatte, names: list[str], size: int, trimaps: int | None, where: str, progress: bool, workers: int
) -> Path | None:
    """The folder of the cache, made if it is not there; None where the files are to be decoded for each sample.

    Args:
        refmatte: the data set …
        names: … and which of its images.
        size: S, pixels.
        trimaps: the kernel of those to keep, in pixels of the full-size matte; None: of none.
        where: `train.cache`: "auto" (in the data set's folder, up to `LARGEST` bytes), "never", or a folder.
        progress: show a bar.
        workers: processes that decode.

    Where a cache is wanted and cannot be written, one line on stderr says why. Raises RimError for a file of the data
    set that cannot be read.
    """
    if where == "never":
        return None
    count = sum(map(refmatte.labels.count, names))
    need = size * size * (3 * len(names) + count * (1 if trimaps is None else 2))
    if where == "auto" and need > LARGEST:
        return None
    mask_ids = [[target.mask_id for target in refmatte.targets_of(name)] for name in names]
    mark = hashlib.sha256(json.dumps([size, names, mask_ids, _rendered(refmatte), trimaps]).encode()).hexdigest()
    parent = Path(refmatte.root) / ".cache" if where == "auto" else Path(where).expanduser()
    folder = parent / f"{refmatte.fingerprint[:16]}-{size}-{mark[:8]}"
    if _holds(folder, mark):
        return folder
    try:
        with _alone(parent):
            if _holds(folder, mark):  # made by another process in the meantime
                return folder
            _sweep(parent)
            _need_room(parent, need)
            with replace_folder(folder) as new:
                _fill(new, refmatte, names, mask_ids, size, trimaps, progress, workers)
                write_json(new / "index.json", {"mark": mark, "size": size, "fingerprint": refmatte.fingerprint})
    except OSError as error:
        why = reason(error)
        print(f"{parent}: no cache here ({why}): images are decoded for each sample", file=sys.stderr)
        return None
    return folder


def _holds(folder: Path, mark: str) -> bool:
    return (folder / "index.json").exists() and read_json(folder / "index.json").get("mark") == mark


def _need_room(parent: Path, need: int) -> None:
    """Raise OSError where so many bytes cannot be written.

    Beforehand: writing past the end of the disk through a memory map kills the process.
    """
    free = shutil.disk_usage(parent).free - 2**26
    if free < 1.02 * need:
        raise OSError(0, f"it needs {need / 2**30:.1f} GiB, {max(0, free) / 2**30:.1f} are free")
    if not os.access(parent, os.W_OK):
        raise OSError(0, "the folder cannot be written")


@contextlib.contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Wait until no other process makes a cache in this folder; where the system has such locks."""
    parent.mkdir(parents=True, exist_ok=True)
    with open(parent / ".lock", "a") as stream:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _sweep(parent: Path) -> None:
    """Remove what a process left that was killed while it made a cache."""
    for path in parent.iterdir():
        if PARTIAL.fullmatch(path.name) and path.is_dir() and not _is_alive(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    """Whether the process that makes this folder may still run; on another machine, for a day."""
    with contextlib.suppress(RimError, KeyError, TypeError):
        owner = read_json(folder / "owner.json")
        if owner["machine"] == platform.node():
            with contextlib.suppress(psutil.Error):
                return psutil.Process(owner["process"]).create_time() == owner["started"]
            return False
    with contextlib.suppress(OSError):
        return time.time() - folder.stat().st_mtime < DAY
    return True


def _fill(
    folder: Path,
    refmatte: RefMatte,
    names: list[str],
    mask_ids: list[list[str]],
    size: int,
    trimaps: int | None,
    progress: bool,
    workers: int,
) -> None:
    """Decode everything into the arrays, in several processes: reading a file is mostly work inside Python's lock."""
    owner = psutil.Process()
    started = owner.create_time()
    write_json(folder / "owner.json", {"process": owner.pid, "started": started, "machine": platform.node()})
    count = sum(map(len, mask_ids))
    shapes = {"images": (len(names), size, size, 3), "mattes": (count, size, size)}
    if trimaps is not None:
        shapes["trimaps"] = shapes["mattes"]
    arrays = {name: _new_array(folder / f"{name}.npy", shape) for name, shape in shapes.items()}
    firsts = np.concatenate([[0], np.cumsum([len(group) for group in mask_ids])])
    layout, starts = refmatte.layout, range(0, len(names), IMAGES)

    def part(start: int) -> Any:
        some = range(start, min(start + IMAGES, len(names)))
        paths = [(layout.image(names[number]), list(map(layout.mask, mask_ids[number]))) for number in some]
        return delayed(_decode)(start, paths, size, trimaps)

    # A few files are read sooner than processes start.
    parts = Parallel(n_jobs=workers if len(starts) > 4 else 1, return_as="generator_unordered")(map(part, starts))
    with tqdm(total=len(names), desc=f"images at {size} px", unit="image", disable=not progress) as bar:
        for start, images, mattes, classes in parts:
            first = firsts[start]
            arrays["images"][start : start + len(images)] = images
            arrays["mattes"][first : first + len(mattes)] = mattes
            if trimaps is not None:
                arrays["trimaps"][first : first + len(mattes)] = classes
            bar.update(len(images))
    for array in arrays.values():
        array.flush()


def _new_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):  # the blocks now: a map of a file with holes dies where the disk is full
        with open(path, "r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, path.stat().st_size))
    return array


def _decode(
    start: int, paths: list[tuple[Path, list[Path]]], size: int, trimaps: int | None
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray | None]:
    images, mattes, classes = [], [], []
    for image, masks in paths:
        files = Files(image, masks, size, trimaps or 1, at_image=True)
        images.append(files.image())
        for which in range(len(masks)):
            mattes.append(files.matte(which))
            if trimaps is not None:
                classes.append(files.trimap(which))
    return start, np.stack(images), np.stack(mattes), np.stack(classes) if classes else None


def _rendered(refmatte: RefMatte) -> list[list[str | int]]:
    """The folders' times: a data set that was rendered again may have the same labels as before."""
    folders = [refmatte.layout.images, refmatte.layout.masks]
    return sorted([folder.name, folder.stat().st_mtime_ns] for folder in folders if folder.is_dir())
