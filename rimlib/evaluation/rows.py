"""The rows of an evaluation on disk: appended image by image, so that an interrupted one goes on, shared by processes.

Beside a record `NAME.json` lie `NAME.rows.jsonl`, one JSON object a line for each matte scored, and `NAME.about.json`,
what was evaluated on what. Each of several processes appends to a file of its own, `NAME.rows-2-of-8.jsonl`; whoever
finds all images scored joins them. The images are dealt out by their number alone, so no process waits for another,
and a later run with another number of processes goes on from all the files.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from rimlib.errors import RimError
from rimlib.io import files

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Row = dict[str, Any]


def share_of(names: list[str], rank: int, world: int) -> list[str]:
    """The images of one of several processes: every `world`-th.

    >>> share_of(["a", "b", "c", "d", "e"], 1, 2)
    ['b', 'd']
    """
    if not 0 <= rank < world:
        raise RimError(f"process {rank} of {world}: they are counted from 0", setting="rank")
    return names[rank::world]


def process() -> tuple[int, int]:
    """(rank, world): which of how many processes this is, by torch's group, torchrun or SLURM; (0, 1) for one alone."""
    import torch.distributed as group

    if group.is_available() and group.is_initialized():
        return group.get_rank(), group.get_world_size()
    for rank, world in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if os.environ.get(rank, "").isdecimal() and os.environ.get(world, "").isdecimal():
            return int(os.environ[rank]), int(os.environ[world])
    return 0, 1


class Rows:
    """The rows beside a record.

    Args:
        record: path of the record, which need not exist.
        about: plain values of what is evaluated on what; rows of another are not continued.
        rank, world: which of how many processes this is.
        fresh: begin anew.

    Raises:
        RimError: rows of something else lie there, or another process writes them now.
    """

    def __init__(self, record: str | Path, about: dict[str, Any], rank: int = 0, world: int = 1, fresh: bool = False):
        record = Path(record)
        self.folder, self.stem = record.parent, record.with_suffix("").name
        self.path = self.folder / f"{self.stem}.rows.jsonl"
        self.own = self.path if world == 1 else self.folder / f"{self.stem}.rows-{rank + 1}-of-{world}.jsonl"
        self._about, self._stream = self.folder / f"{self.stem}.about.json", None  # type: Path, BinaryIO | None
        if fresh:
            others = {self.folder / f"{self.stem}.rows-{n + 1}-of-{world}.jsonl" for n in range(world)} - {self.own}
            for path in {*self._parts()} - others:  # the other processes of this run begin anew with their own
                path.unlink(missing_ok=True)
        elif self._about.exists():
            self._compare(files.read_json(self._about), about)
        elif record.exists():
            what = "a record lies here whose rows do not: of another evaluation, or of another version"
            raise RimError(f"{record}: {what}; give another --out, or --fresh to replace it", path=record)
        files.write_json(self._about, about)
        self._last = time.perf_counter()

    def read(self, expected: Callable[[str], int], names: Iterable[str]) -> dict[str, list[Row]]:
        """Rows by image, of those images of `names` that have all that are expected, in the order of `names`."""
        wanted, found = list(names), self._read()
        return {name: rows for name in wanted if len(rows := found.get(name, [])) == expected(name) > 0}

    def append(self, rows: list[Row]) -> None:
        """Add the rows of an image, with the seconds since the last one. Raises RimError, also where another writes."""
        now = time.perf_counter()
        seconds = round((now - self._last) / len(rows), 4)
        self._last = now
        try:
            if self._stream is None:
                self._stream = self._open()
            self._stream.write(b"".join(json.dumps({**row, "seconds": seconds}).encode() + b"\n" for row in rows))
            self._stream.flush()
        except OSError as error:
            raise RimError(f"{self.own}: cannot be written: {files.reason(error)}", path=self.own) from error

    def join(self, rows: dict[str, list[Row]]) -> None:
        """Put all rows into one file, each once, when every image has its own.

        A process that was killed between two rows of an image left the first of them; the image was scored again.
        """
        self.close()
        if self._parts() != [self.path] or len(_parse(self.path)) != sum(map(len, rows.values())):
            text = "".join(json.dumps(row) + "\n" for some in rows.values() for row in some)
            files.write_atomically(self.path, text)
            for path in self._parts():
                if path != self.path:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        stream = open(self.own, "a+b")
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                raise RimError(
                    f"{self.own}: another process writes these rows now; give another --out", path=self.own
                ) from None
            except OSError:
                pass  # a file system without locks
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)  # a line that was cut off when its writer was killed
        return stream

    def _parts(self) -> list[Path]:
        found = self.folder.glob("*.jsonl") if self.folder.is_dir() else ()
        start = f"{self.stem}.rows"
        return sorted(path for path in found if path.name[len(start) :][:1] in ".-" and path.name.startswith(start))

    def _read(self) -> dict[str, list[Row]]:
        for _ in range(3):  # another process may join the files meanwhile
            found: dict[str, dict[tuple, Row]] = defaultdict(dict)
            try:
                for path in self._parts():
                    for row in _parse(path):
                        key = row["mask_id"], row["sentence_number"], row["refined"]
                        found[row["image"]][key] = row
                return {name: list(rows.values()) for name, rows in found.items()}
            except FileNotFoundError:
                continue
        raise RimError(f"{self.path}: files of rows vanish while they are read", path=self.path)

    def _compare(self, there: Any, here: dict[str, Any]) -> None:
        there = there if isinstance(there, dict) else {}
        for name in (*here, *there):
            found, wanted = there.get(name, "missing"), json.loads(json.dumps(here.get(name, "missing")))
            if found != wanted:
                what = f"rows of another evaluation lie here ({name} is {found!r} there and {wanted!r} here)"
                raise RimError(
                    f"{self._about}: {what}; give another --out, or --fresh to begin anew",
                    path=self._about,
                    setting=name,
                )


def _parse(path: Path) -> list[Row]:
    """The whole lines of a file of rows; a last one without an end was cut off, or is being written."""
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            row = json.loads(line)
            row["image"], row["mask_id"], row["sentence_number"], row["refined"]
        except (ValueError, TypeError, KeyError) as error:
            what = f"no row of an evaluation ({type(error).__name__}); delete the file, or give --fresh"
            raise RimError(f"{path}, line {number}: {what}", path=path) from None
        rows.append(row)
    return rows
