"""What a result was made by: the code, the versions, the machine, the command."""

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rimlib

PACKAGES = ("numpy", "torch", "torchvision", "open_clip_torch", "opencv-python", "pillow", "safetensors")


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
    # A record is published: the home folder of whoever ran it does not belong in it.
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
