"""The images and mattes of a data set at the model's size, decoded once and kept beside the data."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.io.files import read_json, replace_folder, write_json
from rimlib.io.images import read_image, read_matte, resize
from rimlib.refmatte.dataset import RefMatte

FILES = 64  # that a process reads at a time


def shrunk_arrays(
    refmatte: RefMatte, names: list[str], mask_ids: list[str], size: int, cache: bool, progress: bool, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 (N, S, S, 3), and mattes, uint8 (M, S, S), from the data's `.cache` where they are there."""
    mark = hashlib.sha256(json.dumps([size, names, mask_ids, _rendered(refmatte)]).encode()).hexdigest()
    folder = Path(refmatte.root) / ".cache" / f"{refmatte.fingerprint[:16]}-{size}-{mark[:8]}"
    if cache and (folder / "index.json").exists() and read_json(folder / "index.json").get("mark") == mark:
        images, mattes = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "mattes"))
        return images, mattes
    shapes = (len(names), size, size, 3), (len(mask_ids), size, size)
    kept = cache and _has_room(folder, sum(math.prod(shape) for shape in shapes))
    with replace_folder(folder) if kept else nullcontext() as new:
        images, mattes = (
            _array(shape, new and new / name) for shape, name in zip(shapes, ("images.npy", "mattes.npy"))
        )
        _decode(images, _small_image, [refmatte.layout.image(name) for name in names], progress, workers)
        _decode(mattes, _small_matte, [refmatte.layout.mask(name) for name in mask_ids], progress, workers)
        if new:
            write_json(new / "index.json", {"mark": mark, "size": size, "fingerprint": refmatte.fingerprint})
    return images, mattes


def _array(shape: tuple[int, ...], path: Path | None) -> np.ndarray:
    return np.lib.format.open_memmap(path, "w+", np.uint8, shape) if path else np.empty(shape, np.uint8)


def _has_room(folder: Path, count: int) -> bool:
    """Whether so many bytes can be written: a read-only or full disk is no reason to stop.

    Checked beforehand: writing past the end of the disk through a memory map kills the process.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return os.access(folder.parent, os.W_OK) and shutil.disk_usage(folder.parent).free > 1.02 * count + 2**26
    except OSError:
        return False


def _decode(
    array: np.ndarray, read: Callable[[Path, int], np.ndarray], paths: list[Path], progress: bool, workers: int
) -> None:
    """Fill an array, in several processes: reading an image is mostly work inside Python's lock."""
    starts = range(0, len(paths), FILES)
    work = (delayed(_part)(start, read, paths[start : start + FILES], array.shape[1]) for start in starts)
    # A few files are read sooner than processes start.
    parts = Parallel(n_jobs=workers if len(starts) > 4 else 1, return_as="generator_unordered")(work)
    name = read.__name__.removeprefix("_small_")
    with tqdm(total=len(paths), desc=f"{name}s at {array.shape[1]} px", unit="file", disable=not progress) as bar:
        for start, part in parts:
            array[start : start + len(part)] = part
            bar.update(len(part))


def _part(start: int, read: Callable[[Path, int], np.ndarray], paths: list[Path], size: int) -> tuple[int, np.ndarray]:
    return start, np.stack([read(path, size) for path in paths])


def _small_image(path: Path, size: int) -> np.ndarray:
    return resize(read_image(path), (size, size))


def _small_matte(path: Path, size: int) -> np.ndarray:
    return np.rint(np.clip(resize(read_matte(path), (size, size)), 0, 1) * 255).astype(np.uint8)


def _rendered(refmatte: RefMatte) -> list[list[str | int]]:
    """The folders' times: a data set that was rendered again may have the same labels as before."""
    folders = [Path(folder) for folder, _, _ in os.walk(refmatte.root) if Path(folder).name in ("img", "image", "mask")]
    return sorted([folder.relative_to(refmatte.root).as_posix(), folder.stat().st_mtime_ns] for folder in folders)
