"""Build the book: run every chapter, write the status page, then let Jupyter Book make the pages.

Jupyter Book itself executes nothing. Its cache looks at cells only, so a change in rimlib would leave old numbers on a
page; here every chapter is executed by papermill, and a number that never ran is a warning, which fails the build.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from course import chapters as runner
from course import inputs
from rimlib import provenance
from rimlib.errors import RimError
from rimlib.io.files import read_json, sha256, write_atomically, write_json
from rimlib.repository import repository

# Packages whose versions decide what a chapter shows.
_STAMPED = (
    "numpy",
    "pillow",
    "opencv-python",
    "torch",
    "torchvision",
    "open_clip_torch",
    "pymatting",
    "matplotlib",
    "papermill",
    "jupyter-book",
)


def folder() -> Path:
    """Where the executed chapters go: `book/chapters/` of the repository."""
    return repository() / "book" / "chapters"


def chapters() -> list[str]:
    """The chapters' names in the order of the table of contents, `book/_toc.yml`."""
    toc = _yaml(repository() / "book" / "_toc.yml")
    entries = [entry for part in toc.get("parts", []) for entry in part["chapters"]]
    return [entry["file"].removeprefix("chapters/") for entry in entries if entry["file"].startswith("chapters/")]


def parameters(name: str, profile: str = "tiny") -> dict:
    """The parameters of a chapter in the book: its row of `book/chapters.yml`, with `{profile}` filled in.

    The tests run the chapters with the same ones. A chapter without a row runs with its own defaults.
    """
    row = (_yaml(repository() / "book" / "chapters.yml") or {}).get(name) or {}
    return {key: value.replace("{profile}", profile) if isinstance(value, str) else value for key, value in row.items()}


def execute(
    profile: str = "tiny", only: list[str] | None = None, fresh: bool = False, log: TextIO | None = None
) -> list[str]:
    """Run chapters into `book/chapters/`, those whose inputs have changed since they ran, with a line for each.

    Args:
        profile: settings of the runs.
        only: names of the chapters to run, see `chapters.find`; all if None.
        fresh: run them whether anything has changed or not.
        log: where these lines and the chapters' output go; this process's own if None.

    Returns:
        The names of the chapters that were run.

    Raises:
        RimError, chapters.NotebookError: as of `chapters.run`, at the first chapter that fails.
    """
    ran = []
    for name in chapters() if only is None else [runner.find(name).stem for name in only]:
        source, target = runner.read(runner.find(name)), folder() / f"{name}.ipynb"
        kept, given = target.with_suffix(".inputs.json"), _given(name, profile)
        why = "asked for" if fresh else stale(name, profile)
        print(f"{name}: {why or 'kept'}", file=log or sys.stdout, flush=True)
        if not why:
            runner.renew(target, source)
            continue
        for path in (target, kept):
            path.unlink(missing_ok=True)
        # A chapter that was stopped half-way must not be taken for one that ran.
        started, unfinished = time.time(), folder() / "unfinished" / target.name
        with inputs.traced(unfinished.with_suffix(".reads")):
            runner.run(name, unfinished, given["parameters"], log)
        inputs.record(kept, unfinished.with_suffix(".reads"), source, given, started)
        unfinished.replace(target)
        ran.append(name)
    return ran


def stale(name: str, profile: str = "tiny") -> str:
    """Why a chapter has to run, in a few words; empty where its outputs are those of what is here now."""
    target = folder() / f"{name}.ipynb"
    if not target.is_file():
        return "has not run"
    source = runner.read(runner.find(name))
    return inputs.changed(target.with_suffix(".inputs.json"), source, _given(name, profile))


def status() -> Path:
    """Write `book/status.md`: the versions, and when and how long each chapter ran, read from the executed notebooks.

    Raises:
        RimError: a chapter has not run, or not to its end.
    """
    rows = []
    for name in chapters():
        run = _run(folder() / f"{name}.ipynb")
        if not run:
            raise RimError(f"chapter {name} has not run to its end; `python -m course book --only {name}` runs it")
        given = ", ".join(f"`{key}={value!r}`" for key, value in (run.get("parameters") or {}).items())
        rows.append(
            f"| [](chapters/{name}) | {run['end_time'][:16].replace('T', ' ')} | {run['duration']:.1f} | {given} |"
        )
    lines = [
        "# Status",
        "",
        "Each chapter of this book was executed, start to end, before the pages were made.",
        "This page is written by that build.",
        "",
        "## Chapters",
        "",
        "| Chapter | Ran (UTC) | Seconds | Parameters |",
        "|:--|:--|--:|:--|",
        *rows,
        "",
        "## Environment",
        "",
        "| What | Which |",
        "|:--|:--|",
        *(f"| {key} | {value} |" for key, value in _environment()),
        "",
    ]
    path, text = repository() / "book" / "status.md", "\n".join(lines)
    # A page that is written anew is read anew.
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    return path if same else write_atomically(path, text)


def build(log: TextIO | None = None) -> Path:
    """Make the pages from the executed chapters and return their folder, `_build/html`. Any warning is an error.

    Sphinx reads again what has changed, and everything where the last build failed or what stands behind all pages
    has changed: it would not tell a warning twice, and does not look into its extensions.

    Args:
        log: where the builder's output goes; this process's own if None.

    Raises:
        RimError: a chapter has not run, or the build failed.
    """
    root = repository()
    status()
    start = "from jupyter_book.cli.main import main; main()"
    options = ["build", "book", "--config", "_config.yml", "--path-output", ".", "-W", "-n", "--keep-going"]
    stamp, behind = root / "_build" / "behind.json", _behind()
    if not stamp.is_file() or read_json(stamp) != behind:
        options.append("--all")
    stamp.unlink(missing_ok=True)
    result = subprocess.run(
        [sys.executable, "-c", start, *options],
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)  # without the colours
    (log or sys.stdout).write(text)
    if result.returncode != 0:
        warnings = [line for line in text.splitlines() if "WARNING" in line or "ERROR" in line]
        raise RimError(f"the book has not been built: {warnings[0].strip() if warnings else 'see the lines above'}")
    write_json(stamp, behind)
    return root / "_build" / "html"


def _given(name: str, profile: str) -> dict[str, dict]:
    return {"parameters": parameters(name, profile), "packages": provenance.versions(_STAMPED)}


def _behind() -> dict[str, str]:
    """What all pages depend on: by name, a hash or a version."""
    root = repository()
    files = [root / "_config.yml", *(path for path in (root / "book").glob("*") if path.suffix in (".yml", ".bib"))]
    files += [path for name in ("_ext", "_static") for path in (root / "book" / name).rglob("*.*")]
    hashes = {str(path.relative_to(root)): sha256(path) for path in sorted(files) if path.suffix != ".pyc"}
    return hashes | provenance.versions(("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme"))


def _environment() -> list[tuple[str, str]]:
    found, state = provenance.versions(_STAMPED), provenance.git_state()
    commit = state["commit"][:12] + ("-dirty" if state["changed"] else "") if state else "unknown"
    rows = [("rimlib", found.pop("rimlib")), ("commit", commit), ("Python", found.pop("python")), *found.items()]
    machine = provenance.machine()
    rows.append(("system", f"{machine['system']}, {machine['processor']}, {machine['cores']} cores"))
    rows.append(("accelerator", _accelerator()))
    return rows


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def _run(path: Path) -> dict:
    return runner.read(path).metadata.get("papermill", {}) if path.is_file() else {}


def _yaml(path: Path):
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RimError(f"{path}: cannot be read: {error}") from error
