"""What makes a data set trustworthy: a manifest when it is complete, and a check against it.

`plan.json` holds what the data set was planned from. `manifest_<split>.json` lists every file with its size and sha256,
and is written last: a split with a manifest is complete, one without is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.refmatte.format import LABEL_FILES, image_path

WORK = ".build"  # what only an unfinished build needs
OWN = (WORK, ".cache", "plan.json")
Row = tuple[int, str]  # size in bytes and sha256 of a file


@dataclass
class Report:
    """What `check` found. Lists hold paths below the root."""

    splits: list[str] = field(default_factory=list)  # those that the data set is meant to have
    scenes: int = 0  # of the splits that are finished, as files and bytes
    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    corrupted: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)  # files that no manifest lists
    unfinished: dict[str, tuple[int, int]] = field(default_factory=dict)  # split → scenes done, scenes planned

    @property
    def complete(self) -> bool:
        """All splits finished, each file as it was written, and no others."""
        return not (self.unfinished or self.missing or self.corrupted or self.unexpected)

    def __str__(self) -> str:
        """One line for each file that is not as it should be, then one for the whole."""
        lines = [
            f"{path}: {state}" for state in ("missing", "corrupted", "unexpected") for path in getattr(self, state)
        ]
        for split, (done, total) in self.unfinished.items():
            lines.append(f"{split}: not finished, {_of_total(done, total)}; the same `rim build` resumes it")
        state = "complete and intact" if self.complete else "not finished" if self.unfinished else "corrupted"
        return "\n".join(
            [*lines, f"{state}: {', '.join(self.splits)}; {self.scenes} scenes, {self.files} files, {self.bytes} bytes"]
        )


def check(root: str | Path, splits: Iterable[str] | None = None, workers: int = 1, progress: bool = True) -> Report:
    """Compare a data set that `rim build` made with its manifests, byte for byte.

    Args:
        root: its folder.
        splits: those to check; all if None. Only with all of them is the root looked through too.
        workers: threads that read.
        progress: whether to show a bar.

    Raises:
        RimError: the folder has no plan, or not this split, or a manifest that cannot be read.
    """
    root = Path(root)
    stamp = stamp_of(root)
    if stamp is None:
        raise RimError(f"{root}: has no plan.json, so `rim build` did not make it and there are no hashes", path=root)
    planned = list(stamp["splits"])
    report = Report(splits=planned if splits is None else list(splits))
    for split in report.splits:
        if split not in planned:
            raise RimError(f"{root}: has no split {split!r}; it has: {', '.join(planned)}", path=root, setting="split")
        listed = read(root, split)
        if listed is None:
            report.unfinished[split] = finished(root, split)
            continue
        if listed["plan"] != stamp["splits"][split]:
            report.corrupted.append("plan.json")
        report.scenes += listed["scenes"]
        with ThreadPoolExecutor(max(1, workers)) as threads:
            states = threads.map(lambda item: _state(root / item[0], *item[1]), listed["files"].items())
            bar = tqdm(states, f"files of {split}", len(listed["files"]), unit="file", disable=not progress)
            for state, (path, (size, _)) in zip(bar, listed["files"].items()):
                report.files, report.bytes = report.files + 1, report.bytes + size
                if state:
                    getattr(report, state).append(path)
        report.unexpected += sorted(path for path in files_of(root, split) if path not in listed["files"])
    if splits is None:
        named = (of(root, split).name for split in planned for of in (manifest_path, *LABEL_FILES))
        report.unexpected += sorted({path.name for path in root.iterdir()} - {*OWN, *planned, *named})
    return report


def require_complete(root: str | Path, split: str) -> None:
    """Refuse a split that `rim build` began and did not finish. A data set that it did not make passes."""
    stamp = stamp_of(Path(root))
    if stamp and split in stamp["splits"] and not manifest_path(root, split).is_file():
        raise RimError(
            f"{root}: the split {split!r} is not finished, {_of_total(*finished(root, split))}; "
            f"`rim build` with the same profile and `--out {root}` resumes it",
            path=root,
            setting="split",
        )


def manifest_path(root: str | Path, split: str) -> Path:
    """Where the manifest of a split is."""
    return Path(root) / f"manifest_{split}.json"


def stamp_of(root: Path) -> dict | None:
    """`plan.json` of a data set that `rim build` made; None where there is none, or one of an early version."""
    if not (root / "plan.json").is_file():
        return None
    stamp = files.read_json(root / "plan.json")
    return stamp if isinstance(stamp, dict) and isinstance(stamp.get("splits"), dict) else None


def finished(root: str | Path, split: str) -> tuple[int, int]:
    """(scenes whose images are there, scenes planned); 0 for a number that is not known yet."""
    stamp = stamp_of(Path(root)) or {"splits": {}}
    images = image_path(Path(root), split, "*")  # the image of a scene is written last
    return sum(1 for _ in images.parent.glob(images.name)), (stamp["splits"].get(split) or {}).get("scenes", 0)


def read(root: Path, split: str) -> dict | None:
    """A split's manifest: plan, scenes, mattes, bytes, files {path: [bytes, sha256]}; None where there is none."""
    path = manifest_path(root, split)
    if not path.is_file():
        return None
    listed = files.read_json(path)
    if not isinstance(listed, dict) or {"plan", "scenes", "files"} - listed.keys():
        raise RimError(f"{path}: is no manifest; delete it, and `rim build` makes it again", path=path)
    for name in listed["files"]:
        if name.startswith("/") or ".." in Path(name).parts:
            raise RimError(f"{path}: lists {name!r}, which is not below its folder", path=path)
    return listed


def write(root: Path, split: str, plan: dict, rows: Iterable[tuple[str, Row]]) -> None:
    """Write a split's manifest, to the disk and in one step, when all files are there; each has a line of its own."""

    def pour(stream: BinaryIO) -> None:
        total = mattes = 0
        stream.write(f'{{"plan": {json.dumps(plan, sort_keys=True)},\n"files": {{'.encode())
        for number, (path, (size, digest)) in enumerate(rows):
            stream.write(f'{"," if number else ""}\n{json.dumps(path)}: [{size}, "{digest}"]'.encode())
            total, mattes = total + size, mattes + ("/mask/" in path)
        stream.write(f'}},\n"scenes": {plan["scenes"]}, "mattes": {mattes}, "bytes": {total}}}\n'.encode())

    files.write_atomically(manifest_path(root, split), pour)


def row_of(path: Path) -> Row:
    """Size and hash of a file."""
    return path.stat().st_size, files.sha256(path)


def has_size(path: Path, size: int) -> bool:
    """Is the file there, and of this size? Cheap; `check` compares contents."""
    try:
        return os.lstat(path).st_size == size
    except OSError:
        return False


def files_of(root: Path, split: str) -> Iterator[str]:
    """All files below a split's folder, as paths below the root."""
    for folder, _, names in os.walk(root / split):
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)


def _of_total(done: int, total: int) -> str:
    return f"{done} of {total or 'an unknown number of'} scenes are there"


def _state(path: Path, size: int, digest: str) -> str | None:
    if not path.is_file():
        return "missing"
    return None if row_of(path) == (size, digest) else "corrupted"
