"""The images and mattes of a data set at the model's size, decoded once and kept beside the data."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.io.files import read_json, write_json
from rimlib.io.images import read_image, read_matte, resize
from rimlib.refmatte.dataset import RefMatte


def shrunk_arrays(
    refmatte: RefMatte, names: list[str], mask_ids: list[str], size: int, cache: bool, progress: bool, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 (N, S, S, 3), and mattes, uint8 (M, S, S), from the data's `.cache` where they are there.

    Args:
        refmatte: the data set.
        names: of the N images.
        mask_ids: of the M mattes.
        size: S, pixels.
        cache: keep them in the data set's folder, if there is room.
        progress: show a bar while decoding.
        workers: processes that decode.
    """
    shapes = {"images": (len(names), size, size, 3), "mattes": (len(mask_ids), size, size)}
    mark = hashlib.sha256(json.dumps([size, names, mask_ids, _files_mark(refmatte)]).encode()).hexdigest()
    folder = Path(refmatte.root) / ".cache" / f"{refmatte.fingerprint[:16]}-{size}-{mark[:8]}"
    if cache and (folder / "index.json").exists() and read_json(folder / "index.json").get("mark") == mark:
        images, mattes = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes)
        return images, mattes
    partial = _reserve(folder, sum(math.prod(shape) for shape in shapes.values())) if cache else None
    if partial is None:
        images, mattes = (np.empty(shape, np.uint8) for shape in shapes.values())
    else:
        images, mattes = (
            np.lib.format.open_memmap(partial / f"{name}.npy", "w+", np.uint8, shape) for name, shape in shapes.items()
        )
    try:
        _decode(refmatte, names, mask_ids, images, mattes, progress, workers)
        if partial is not None:
            write_json(partial / "index.json", {"mark": mark, "size": size, "fingerprint": refmatte.fingerprint})
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    except BaseException:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    return images, mattes


def _reserve(folder: Path, count: int) -> Path | None:
    """A temporary folder with room for so many bytes; None on a read-only or full disk, which is no reason to stop."""
    partial = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        # Checked beforehand: writing past the end of the disk through a memory map kills the process.
        if shutil.disk_usage(partial).free > 1.02 * count + 2**26:
            return partial
        shutil.rmtree(partial, ignore_errors=True)
    except OSError:
        pass
    return None


def _decode(
    refmatte: RefMatte,
    names: list[str],
    mask_ids: list[str],
    images: np.ndarray,
    mattes: np.ndarray,
    progress: bool,
    workers: int,
) -> None:
    """Fill the arrays, in several processes: reading an image is mostly work inside Python's lock."""
    size, files = images.shape[1], 64
    parts = (
        (images, _small_image, [refmatte.layout.image(name) for name in names]),
        (mattes, _small_matte, [refmatte.layout.mask(name) for name in mask_ids]),
    )
    jobs = [
        (array, read, paths[start : start + files], start)
        for array, read, paths in parts
        for start in range(0, len(paths), files)
    ]
    work = (delayed(_part)(number, read, paths, size) for number, (_, read, paths, _) in enumerate(jobs))
    # A few files are read sooner than processes start.
    done = Parallel(n_jobs=workers if len(jobs) > 8 else 1, return_as="generator_unordered")(work)
    with tqdm(total=len(names) + len(mask_ids), desc=f"samples at {size} px", unit="file", disable=not progress) as bar:
        for number, part in done:
            array, _, _, start = jobs[number]
            array[start : start + len(part)] = part
            bar.update(len(part))


def _part(number: int, read: Callable[[Path, int], np.ndarray], paths: list[Path], size: int) -> tuple[int, np.ndarray]:
    return number, np.stack([read(path, size) for path in paths])


def _small_image(path: Path, size: int) -> np.ndarray:
    return resize(read_image(path), (size, size))


def _small_matte(path: Path, size: int) -> np.ndarray:
    return np.rint(np.clip(resize(read_matte(path), (size, size)), 0, 1) * 255).astype(np.uint8)


def _files_mark(refmatte: RefMatte) -> list:
    """The folders' times: a data set that was rendered again may have the same labels as before."""
    found = []
    for folder, folders, _ in os.walk(refmatte.root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if Path(folder).name in ("img", "image", "mask"):
            found.append([Path(folder).relative_to(refmatte.root).as_posix(), os.stat(folder).st_mtime_ns])
    return sorted(found)
