"""How large is what somebody reads, and what somebody installs?

    python benchmarks/size.py

The last line is one JSON object: clipmat_lines and rimlib_lines (lines of Python in `rimlib/clipmat` and in all of
`rimlib`), longest (of the longest file), core_packages (third-party packages that `pip install rimlib` brings on a
machine without a GPU), core_mib (their size on disk, rimlib's own files included), circles (groups of modules that
import each other). Sizes are read from the environment that runs this, without what only a CUDA build of torch brings.
"""

import json
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import grimp
import networkx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CUDA_PACKAGE = re.compile(r"nvidia-|cuda-|triton$")
CUDA_FILE = re.compile(r"torch/lib/.*(cuda|cudnn|nvrtc|nvshmem|cupti)|torchvision/.*_C_cuda")
LONG = 250


def lines(folder: Path) -> dict[Path, int]:
    """The number of lines of each Python file below a folder."""
    return {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(folder.rglob("*.py"))}


def core_packages() -> dict[str, Distribution]:
    """What the core in pyproject.toml requires, and what that requires in turn, without the packages of CUDA."""
    found: dict[str, Distribution] = {}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = [(canonicalize_name(Requirement(line).name), frozenset({""})) for line in declared]
    seen = set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in seen or CUDA_PACKAGE.match(name):
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform
            continue
        for line in found[name].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append((canonicalize_name(requirement.name), frozenset(requirement.extras or {""})))
    return found


def size_of(package: Distribution) -> int:
    """Bytes of a distribution's files on disk, without those that only CUDA needs."""
    paths = [file for file in package.files or [] if not CUDA_FILE.search(str(file))]
    return sum(path.stat().st_size for path in (Path(str(file.locate())) for file in paths) if path.is_file())


def circles() -> list[list[str]]:
    """Groups of modules that import each other, wherever the imports stand."""
    graph = grimp.build_graph("rimlib")
    edges = ((module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module))
    groups = networkx.strongly_connected_components(networkx.DiGraph(edges))
    return sorted(sorted(group) for group in groups if len(group) > 1)


def main() -> None:
    """Print the numbers."""
    counted, packages, groups = lines(ROOT / "rimlib"), core_packages(), circles()
    shipped = sum(
        path.stat().st_size for path in (ROOT / "rimlib").rglob("*") if path.is_file() and path.suffix != ".pyc"
    )
    size = sum(map(size_of, packages.values())) + shipped
    long = {str(path.relative_to(ROOT)): count for path, count in counted.items() if count > LONG}
    for path, count in long.items():
        print(f"{count:5}  {path}")
    for group in groups:
        print("circle:", ", ".join(group))
    print("core:", ", ".join(sorted(packages)))
    clipmat = sum(count for path, count in counted.items() if path.parent.name == "clipmat")
    result = {"clipmat_lines": clipmat, "rimlib_lines": sum(counted.values()), "longest": max(counted.values())}
    print(
        json.dumps({**result, "core_packages": len(packages), "core_mib": round(size / 2**20), "circles": len(groups)})
    )


if __name__ == "__main__":
    main()
