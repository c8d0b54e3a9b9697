"""What makes a data set trustworthy: a journal while it grows, a manifest when it is complete, and a check against both.

`plan.json` says what the data set was planned from. `.build/journal_<split>.jsonl` has one line for each scene whose files are
in place. `manifest_<split>.json` lists every file with its size and sha256, and is written last: a split with a manifest is
complete, one without is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.refmatte.format import label_path, no_target_path

WORK = ".build"  # what only an unfinished build needs
OWN = (WORK, ".cache", "plan.json")


@dataclass
class Report:
    """What `check` found. Lists hold paths below the root.

    Attributes:
        splits: those that the data set was asked to have; unfinished: of these, (scenes done, scenes planned).
        missing, changed: files of the manifest; strange: files that no manifest knows.
    """

    splits: list[str] = field(default_factory=list)
    scenes: int = 0
    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    unfinished: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """All splits finished, each file as it was written, and no others."""
        return not (self.unfinished or self.missing or self.changed or self.strange)

    def __str__(self) -> str:
        """One line for each file that is not as it should be, then one for the whole."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for what, paths in (
            ("missing", self.missing),
            ("changed", self.changed),
            ("does not belong here", self.strange),
        ):
            yield from (f"{path}: {what}" for path in paths)
        for split, (done, total) in self.unfinished.items():
            yield f"{split}: not finished, {done} of {total or 'an unknown number of'} scenes; the same `rim build` goes on"
        state = "complete and unharmed" if self.complete else "not finished" if self.unfinished else "harmed"
        yield f"{state}: {', '.join(self.splits)}; {self.scenes} scenes, {self.files} files, {self.bytes} bytes"


def check(root: str | Path, splits: Iterable[str] | None = None, workers: int = 1, progress: bool = True) -> Report:
    """Compare a data set that `rim build` made with its manifests, byte for byte.

    Args:
        root: its folder.
        splits: those to check; all that were asked for when not given. Only with all of them is the root looked through too.
        workers: threads that read.

    Raises:
        RimError: the folder is not one of ours, a split that it does not have, or a manifest that cannot be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    root = Path(root)
    stamp = stamp_of(root)
    if stamp is None:
        raise RimError(f"{root}: has no plan.json, so `rim build` did not make it; there is nothing to compare it with")
    asked = list(stamp["splits"])
    report = Report(splits=asked if splits is None else list(splits))
    for split in report.splits:
        if split not in asked:
            raise RimError(f"{root}: has no split {split!r}; it has: {', '.join(asked)}")
        listed = read(root, split)
        if listed is None:
            report.unfinished[split] = finished(root, split)
            continue
        if listed["plan"] != stamp["splits"][split]:
            report.changed.append("plan.json")
        report.scenes += listed["scenes"]
        with ThreadPoolExecutor(max(1, workers)) as threads:
            found = threads.map(lambda item: (item[0], _state(root / item[0], *item[1])), listed["files"].items())
            for path, state in tqdm(
                found, total=len(listed["files"]), desc=f"files of {split}", unit="file", disable=not progress
            ):
                report.files, report.bytes = report.files + 1, report.bytes + listed["files"][path][0]
                if state:
                    getattr(report, state).append(path)
        report.strange += sorted(path for path in files_of(root, split) if path not in listed["files"])
    if splits is None:
        known = {
            *OWN,
            *asked,
            *(of(root, split).name for split in asked for of in (manifest_path, label_path, no_target_path)),
        }
        report.strange += sorted(path.name for path in root.iterdir() if path.name not in known)
    return report


def insist(root: str | Path, split: str) -> None:
    """Refuse a split that `rim build` began and did not finish. A data set that it did not make passes."""
    stamp = stamp_of(Path(root))
    if stamp and split in stamp["splits"] and not manifest_path(root, split).is_file():
        done, total = finished(root, split)
        raise RimError(
            f"{root}: the split {split!r} is not finished, {done} of {total or 'an unknown number of'} scenes are there; "
            f"`rim build` with the same profile and `--out {root}` goes on"
        )


def manifest_path(root: str | Path, split: str) -> Path:
    return Path(root) / f"manifest_{split}.json"


def journal_path(root: str | Path, split: str) -> Path:
    return Path(root) / WORK / f"journal_{split}.jsonl"


def stamp_of(root: Path) -> dict | None:
    """`plan.json` of a data set that `rim build` made; None where there is none, or one of an early version."""
    if not (root / "plan.json").is_file():
        return None
    stamp = files.read_json(root / "plan.json")
    return stamp if isinstance(stamp, dict) and isinstance(stamp.get("splits"), dict) else None


def finished(root: str | Path, split: str) -> tuple[int, int]:
    """(scenes that the journal knows, scenes planned); 0 for a number that is not known yet."""
    stamp = stamp_of(Path(root)) or {"splits": {}}
    return sum(1 for _ in read_journal(root, split)), (stamp["splits"].get(split) or {}).get("scenes", 0)


def read(root: Path, split: str) -> dict | None:
    """A split's manifest: plan, scenes, mattes, bytes, files {path: [bytes, sha256]}; None where there is none."""
    path = manifest_path(root, split)
    if not path.is_file():
        return None
    listed = files.read_json(path)
    if not isinstance(listed, dict) or {"plan", "scenes", "files"} - listed.keys():
        raise RimError(f"{path}: is no manifest; delete it, and `rim build` makes it again")
    for name in listed["files"]:
        if name.startswith("/") or ".." in Path(name).parts:
            raise RimError(f"{path}: names {name!r}, which is not below its folder")
    return listed


def write(root: Path, split: str, plan: dict, rows: Iterable[list]) -> None:
    """Write a split's manifest, to the disk and in one step; call it when all files are in place.

    plan: what `plan.json` says of the split; rows: (path, bytes, sha256) of each file, which gets a line of its own.
    """

    def pour(stream) -> None:
        total = mattes = 0
        stream.write(f'{{"plan": {json.dumps(plan, sort_keys=True)},\n"files": {{'.encode())
        for number, (path, size, digest) in enumerate(rows):
            stream.write(f'{"," if number else ""}\n{json.dumps(path)}: [{size}, "{digest}"]'.encode())
            total, mattes = total + size, mattes + ("/mask/" in path)
        stream.write(f'}},\n"scenes": {plan["scenes"]}, "mattes": {mattes}, "bytes": {total}}}\n'.encode())

    files.write_atomically(manifest_path(root, split), pour)


def read_journal(root: str | Path, split: str) -> Iterator[tuple[int, int, str, list[list]]]:
    """(start, end, scene, [[path, bytes, sha256], …]) of each line; what follows a torn or broken line is not believed."""
    end = 0
    try:
        with open(journal_path(root, split), "rb") as stream:
            for line in stream:
                try:
                    name, rows = json.loads(line if line.endswith(b"\n") else b"")
                except (ValueError, TypeError):
                    return
                start, end = end, end + len(line)
                yield start, end, name, rows
    except FileNotFoundError:
        return


def is_whole(root: Path, rows: Iterable[list]) -> bool:
    """Are all files there with their sizes? Cheap; `check` compares contents."""
    try:
        return all(os.lstat(root / path).st_size == size for path, size, _ in rows)
    except OSError:
        return False


def files_of(root: Path, split: str) -> Iterator[str]:
    """All files below a split's folder, as paths below the root."""
    for folder, _, names in os.walk(root / split):
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)


def _state(path: Path, size: int, digest: str) -> str | None:
    if not path.is_file():
        return "missing"
    return None if path.stat().st_size == size and files.sha256(path) == digest else "changed"
