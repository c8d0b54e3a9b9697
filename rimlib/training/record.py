"""Run records, which every number in the book comes from.

A record holds what was run (settings, seed, command), on what (data, source, versions, device), what it cost
(seconds of each stage, peak memory) and what came out (metrics). It is one JSON file.
"""

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rimlib
from rimlib.errors import RimError
from rimlib.io.files import read_json, write_json
from rimlib.profile import Profile

OTHERS = ("clip", "refiner", "baselines")  # sections that do not touch a training of CLIPMat
PACKAGES = ("numpy", "torch", "torchvision", "open_clip_torch", "opencv-python", "pillow", "safetensors")


class Stages:
    """A stopwatch for the stages of a run: `with stages("forward"): …` adds to `stages.seconds["forward"]`.

    Args:
        wait: called before the clock is read at the end of a stage (an accelerator works on after the call returns).

    >>> stages = Stages()
    >>> with stages("data"):
    ...     pass
    >>> list(stages.seconds)
    ['data']
    """

    def __init__(self, wait: Callable[[], None] | None = None):
        self.seconds: dict[str, float] = {}
        self._wait = wait

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the `with` block as the stage `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            if self._wait is not None:
                self._wait()
            self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds that were measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def new(kind: str, profile: Profile | None, **facts: Any) -> dict[str, Any]:
    """Begin a record of `kind`, such as "train"; `facts` are anything else, such as data={"fingerprint": …}."""
    return {
        "kind": kind,
        "profile": profile.name if profile is not None else None,
        "seed": profile.seed if profile is not None else None,
        "settings": profile.to_dict() if profile is not None else None,
        "command": this_command(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": git_state(),
        "source": source_hash(),
        "versions": versions(),
        "machine": machine(),
        **facts,
    }


def finish(
    record: dict[str, Any],
    stages: Stages | None = None,
    metrics: dict[str, Any] | None = None,
    device: Any = None,
    **facts: Any,
) -> dict[str, Any]:
    """Complete a record: seconds of each stage, peak memory, metrics. Changes and returns `record`.

    `device` is the torch device that the run used, if any.
    """
    record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    if stages is not None:
        record["seconds"] = {name: round(value, 3) for name, value in stages.seconds.items()}
    if device is not None:
        record["device"] = device_name(device)
        import torch

        record["threads"] = torch.get_num_threads()
    record["peak_memory_bytes"] = peak_memory(device)
    record["metrics"] = metrics if metrics is not None else record.get("metrics", {})
    record.update(facts)
    return record


def write(path: str | Path, record: dict[str, Any]) -> Path:
    """Store a record, whole or not at all. Raises RimError."""
    return write_json(path, record)


def read(path: str | Path, profile: Profile) -> dict[str, Any]:
    """A stored record of a training of `profile`.

    Raises:
        RimError: it is one of other settings; the first in which they differ is named.
    """
    record = read_json(path)
    recorded, wanted = _flat(record.get("settings") or {}), _flat(profile.to_dict())
    for name in sorted(recorded.keys() | wanted.keys()):
        there, here = recorded.get(name, "missing"), wanted.get(name, "missing")
        if there != here and name.split(".")[0] not in OTHERS:
            found = f"{name} is {there!r} there and {here!r} here"
            what = f"{path}: not a run of profile {profile.name} as it is now"
            raise RimError(f"{what}: {found}; record such a run anew", path=path, setting=name)
    return record


def source_hash() -> str:
    """SHA-256 over rimlib's own .py and .yaml files, names included: the same code gives the same hash anywhere."""
    root = Path(rimlib.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for suffix in ("py", "yaml") for path in root.rglob(f"*.{suffix}")):
        # Line ends are a checkout's choice on Windows, not a difference of the code.
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def git_state() -> dict[str, Any] | None:
    """The commit that rimlib's source stands at, and whether it was changed since; None outside a git checkout."""
    root = Path(rimlib.__file__).resolve().parent

    def git(*words: str) -> str:
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 10, "check": True}
        return subprocess.run(["git", *words], cwd=root, **options).stdout.strip()

    try:
        # A copy installed into an environment may lie inside another project's repository, whose commit is another.
        if git("ls-files", "--error-unmatch", "__init__.py") == "":
            return None
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return None


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Of Python, rimlib and the packages that a result depends on; a package that is not installed is left out."""
    found = {"python": platform.python_version(), "rimlib": rimlib.__version__}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The system, the processor and how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.system(), "processor": _processor(), "cores": cores}


def device_name(device: Any) -> str:
    """A torch device in words, with the name of the card where it is one."""
    if not str(device).startswith("cuda"):
        return str(device)
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def peak_memory(device: Any = None) -> dict[str, int]:
    """The most memory that this process has held, in bytes, and on a CUDA device what torch has allocated there."""
    try:
        import resource

        # Linux counts kibibytes, macOS bytes.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    except ImportError:
        import psutil

        peak = psutil.Process().memory_info().peak_wset
    found = {"process": int(peak)}
    if str(device).startswith("cuda"):
        import torch

        found["device"] = torch.cuda.max_memory_allocated(device)
    return found


def this_command(words: list[str] | None = None) -> str:
    """The line that started this process (`words`; None: sys.argv), with no folder of the machine's own in it.

    >>> this_command(["/home/someone/bin/rim", "train", "--data", "/home/someone/data/refmatte"])
    'rim train --data refmatte'
    """
    first, *rest = (sys.argv if words is None else words) or [""]
    program = Path(first)
    words = [program.name]
    if program.suffix == ".py" and program.parent.parent.name == "rimlib":
        words = ["python", "-m", f"rimlib.{program.parent.name}.{program.stem}"]
    # A record is published: the home folder of whoever ran it is nobody's business.
    words += [Path(word).name if os.path.isabs(word) else word for word in rest]
    return shlex.join(words)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found
