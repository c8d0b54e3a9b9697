"""Run records, which every number in the book comes from.

A record holds what was run (settings, seed, command), on what (data, source, versions, device), what it cost
(seconds of each stage, peak memory) and what came out (metrics). It is one JSON file.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rimlib import provenance
from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.profile import Profile
from rimlib.settings import flat

Record = dict[str, Any]
OTHERS = ("clip", "refiner", "baselines")  # sections that do not touch a training of CLIPMat


class Stages:
    """A stopwatch for the stages of a run: `with stages("forward"): …` adds to `stages.seconds["forward"]`.

    An accelerator works on after a call returns: its seconds are those of the stage that waits for it.

    >>> stages = Stages()
    >>> with stages("data"):
    ...     pass
    >>> list(stages.seconds)
    ['data']
    """

    def __init__(self, seconds: dict[str, float] | None = None):
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the `with` block as the stage `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def new(kind: str, profile: Profile, **facts: Any) -> Record:
    """Begin a record of `kind`, such as "train"; `facts` are anything else, such as data={"fingerprint": …}."""
    return {
        "kind": kind,
        "profile": profile.name,
        "seed": profile.seed,
        "settings": profile.to_dict(),
        "command": provenance.this_command(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": provenance.git_state(),
        "source": provenance.source_hash(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        **facts,
    }


def finish(record: Record, stages: Stages, metrics: Record, device: Any = None, **facts: Any) -> Record:
    """Complete a record: seconds of each stage, peak memory, metrics, the torch device. Changes and returns it."""
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    record["seconds"] = {name: round(value, 3) for name, value in stages.seconds.items()}
    if device is not None:
        import torch

        record |= {"device": provenance.device_name(device), "threads": torch.get_num_threads()}
    record |= {"peak_memory_bytes": provenance.peak_memory(device), "metrics": metrics, **facts}
    return record


def write(path: str | Path, record: Record) -> Path:
    """Store a record, whole or not at all. Raises RimError."""
    return write_json(path, record)


def read(path: str | Path, profile: Profile) -> Record:
    """A stored record of a training of `profile`. A setting that is newer than the record had its default then.

    Raises:
        RimError: it is one of other settings; the first in which they differ is named.
    """
    record = read_json(path)
    if (changed := changed_since(record, profile)) is not None:
        name, there, here = changed
        what = f"{path}: not a run of profile {profile.name} as it is now"
        raise RimError(
            f"{what}: {name} is {there!r} there and {here!r} here; record such a run anew", path=path, setting=name
        )
    return record


def changed_since(record: Record, profile: Profile, others: Sequence[str] = OTHERS) -> tuple[str, Any, Any] | None:
    """The first setting of a record that is another one in `profile`, as `difference` has it.

    A setting that is newer than the record had its default then; the sections `others` are left out.
    """
    recorded, wanted = flat(record.get("settings") or {}), flat(profile.to_dict())
    recorded = {name: value for name, value in flat(Profile().to_dict()).items() if name in wanted} | recorded
    ours = {name: value for name, value in wanted.items() if name.split(".")[0] not in others}
    theirs = {name: value for name, value in recorded.items() if name.split(".")[0] not in others}
    return difference(theirs, ours)


def difference(there: Record, here: Record) -> tuple[str, Any, Any] | None:
    """The first setting, by its dotted name, in which two nested trees of settings differ, and both values.

    >>> difference({"train": {"lr": 0.1, "ema": 0}}, {"train": {"lr": 0.2, "ema": 0}})
    ('train.lr', 0.1, 0.2)
    """
    one, other = flat(there), flat(here)
    for name in sorted(one.keys() | other.keys()):
        values = one.get(name, "missing"), other.get(name, "missing")
        if values[0] != values[1]:
            return name, *values
    return None
