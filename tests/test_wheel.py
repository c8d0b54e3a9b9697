"""The wheel alone: what is in it, and that its core works where no extra is installed."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.utils import canonicalize_name
from small import benchmark

from rimlib.io.images import write_image
from rimlib.repository import repository

ROOT = repository()

# Runs the `rim` command where only the core's packages can be imported.
WITHOUT_EXTRAS = """
import sys
from importlib.machinery import PathFinder

class Blocked(PathFinder):  # as if not installed: some packages look for others without importing them
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {blocked!r} else super().find_spec(name, path, target)

sys.meta_path[:] = [Blocked if finder is PathFinder else finder for finder in sys.meta_path]
sys.path.insert(0, {wheel!r})
import rimlib
assert rimlib.__file__.startswith({wheel!r}), rimlib.__file__
from rimlib.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    built = folder / "build"  # nothing is left in the clone
    environment = {**os.environ, "PIP_CONFIG_SETTINGS": "", "TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-m", "pip", *options], check=True, env=environment)
    (path,) = folder.glob("rimlib-*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(built)
    return built


@pytest.fixture(scope="module")
def blocked() -> set[str]:
    """Top-level modules of this environment that the core does not bring."""
    core = set(benchmark("size").core_packages()) | {"rimlib"}
    homes = packages_distributions()
    return {module for module, names in homes.items() if not core & {canonicalize_name(name) for name in names}}


def run(wheel, blocked, folder, *arguments):
    code = WITHOUT_EXTRAS.format(blocked=blocked, wheel=str(wheel))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel):
    assert {path.name.partition("-")[0] for path in wheel.iterdir()} == {"rimlib"}
    inside = {str(path.relative_to(wheel / "rimlib")) for path in (wheel / "rimlib").rglob("*") if path.is_file()}
    assert {"py.typed", "profiles/tiny.yaml", "starter/pool.json", "checkpoints/clipmat-tiny.safetensors"} <= inside


def test_the_extras_are_really_out_of_reach(blocked):
    assert {"transformers", "matplotlib", "jupyterlab", "nltk", "webcolors", "wordcloud", "dask", "pytest"} <= blocked
    assert not {"torch", "cv2", "PIL", "numpy", "open_clip", "safetensors", "pydantic", "yaml"} & blocked


def test_rim_matte_works_with_the_core_alone(wheel, blocked, tmp_path):
    write_image(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    done = run(wheel, blocked, tmp_path, "matte", "photo.png", "the dog", "-o", "dog.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dog.png").is_file()


@pytest.mark.parametrize(
    "arguments, extra",
    [
        (["build", "--profile", "tiny", "-o", "data"], "data"),
        (["plan", "--paper"], "data"),
        (["train-baseline", "--baseline", "mdetr", "--data", "data", "--out", "run"], "baselines"),
        (["demo"], "course"),
    ],
)
def test_a_command_without_its_extra_names_what_to_install(wheel, blocked, tmp_path, arguments, extra):
    done = run(wheel, blocked, tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert f"pip install 'rimlib[{extra}]'" in line
    assert not list(tmp_path.iterdir())
