"""environment.yml, pyproject.toml and requirements.lock name the same packages, in versions that fit each other."""

import ast
import itertools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rimlib.repository import repository

ROOT = repository()


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return by_name(map(Requirement, [*project["dependencies"], *itertools.chain(*extras)]))


def by_name(requirements) -> dict[str, Requirement]:
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def locked() -> list[tuple[Requirement, int]]:
    """Each entry of the lock with the number of its hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    entries = text.replace("\\\n", " ").splitlines()
    return [
        (Requirement(entry.split("--hash")[0]), entry.count("--hash=sha256:")) for entry in entries if entry.strip()
    ]


def test_the_conda_environment_lists_the_same_packages_and_ranges():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    listed = by_name(Requirement(line) for line in pip if line != "-e .")
    assert {name: str(r.specifier) for name, r in listed.items()} == {
        name: str(r.specifier) for name, r in declared().items()
    }
    assert pip[-1] == "-e ."


def test_everything_but_python_and_pip_comes_from_pip():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    names = [re.match(r"[\w-]+", entry).group() for entry in environment["dependencies"] if isinstance(entry, str)]
    assert names == ["python", "pip"]
    assert environment["channels"] == ["conda-forge"]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("platform, machine", [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")])
def test_the_lock_has_one_fitting_version_of_each_package(python, platform, machine):
    system = {"linux": "Linux", "darwin": "Darwin"}[platform]
    here = {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "sys_platform": platform,
        "extra": "",
        "platform_machine": machine,
        "platform_system": system,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    chosen = [r for r, _ in locked() if r.marker is None or r.marker.evaluate(here)]
    versions = by_name(chosen)
    assert len(versions) == len(chosen), "two versions of one package"
    for name, requirement in declared().items():
        assert name in versions, f"{name} is not locked"
        (pin,) = versions[name].specifier
        assert requirement.specifier.contains(pin.version, prereleases=True), (
            f"{name} {pin.version} is outside {requirement}"
        )


def test_the_lock_is_exact_and_hashed_and_names_no_place():
    for requirement, hashes in locked():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes > 0, f"{requirement} has no hash"
        assert requirement.url is None
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|@ /", text)


def test_torch_and_torchvision_are_locked_without_a_local_build():
    pins = {name: str(r.specifier) for name, r in by_name(r for r, _ in locked()).items()}
    assert "+" not in pins["torch"] + pins["torchvision"]


def test_python_is_the_same_in_both_lists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert project["requires-python"] in environment["dependencies"][0]
    assert sys.version_info >= (3, 11)


def imported(folder: str) -> dict[str, str]:
    """Top-level modules that the code of a folder imports, each with one file that does."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            found.update((name.split(".")[0], str(path.relative_to(ROOT))) for name in names)
    return found


OWN = {path.stem for folder in ("tests", "benchmarks") for path in (ROOT / folder).glob("*.py")}  # beside each other
# What a declared package always brings, in every version of our ranges.
BROUGHT = {
    "nbclient": "papermill",
    "docutils": "jupyter-book",
    "sphinx": "jupyter-book",
    "IPython": "ipykernel",
    "numba": "pymatting",
    "pydantic_core": "pydantic",
}


@pytest.mark.parametrize(
    "folder", ["rimlib", "course", "tools", "tests", "benchmarks", "book/_ext", "book/figures", "notebooks"]
)
def test_every_import_is_declared(folder):
    homes, names = packages_distributions(), declared()
    for module, path in imported(folder).items():
        if module in sys.stdlib_module_names or module in {"rimlib", "course", "tools", "tests", "__future__"} | OWN:
            continue
        if module in BROUGHT:
            assert canonicalize_name(BROUGHT[module]) in names
            continue
        packages = {canonicalize_name(name) for name in homes.get(module, [module])}
        assert packages & set(names), f"{path} imports {module}, which pyproject.toml does not declare"


def test_contributing_has_a_row_for_each_module_of_the_training():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.split("| File |")[1].split("\n\n")[0].splitlines()[1:]]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    modules = {path.stem for path in (ROOT / "rimlib/training").glob("*.py")} - {"__init__"}
    assert sorted(named) == sorted(modules)
