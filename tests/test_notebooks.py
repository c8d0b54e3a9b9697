"""The chapters: both halves of a pair have the same text, each chapter has its fixed parts, and each one runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from course import build, chapters
from rimlib.errors import RimError
from rimlib.repository import repository

FOLDER = repository() / "notebooks"
CHAPTERS = chapters.names()

every_chapter = pytest.mark.parametrize("name", CHAPTERS)


def cells_of(path: Path) -> list:
    return (jupytext.read(path) if path.suffix == ".py" else nbformat.read(path, as_version=4)).cells


def chapter(name: str) -> list:
    return cells_of(FOLDER / f"{name}.ipynb")


def titles(cells) -> list[str]:
    return [
        title
        for cell in cells
        if cell.cell_type == "markdown"
        for title in re.findall(r"^#+ +(.+)$", cell.source, re.M)
    ]


def section(cells, title: str) -> tuple[str, list]:
    """The prose of a second-level section, and its code cells."""
    prose, code, inside = [], [], False
    for cell in cells:
        if cell.cell_type == "code":
            code += [cell] * inside
            continue
        # A cell may end one section and begin the next.
        for part in re.split(r"^(?=##? )", cell.source, flags=re.M):
            if heading := re.match(r"##? +(.+)$", part, re.M):
                inside = heading.group(1).strip() == title
            prose += [part] * inside
    return "\n".join(prose), code


def test_each_notebook_has_both_halves():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in FOLDER.glob("*.py")}


@every_chapter
def test_both_halves_hold_the_same_cells(name):
    left, right = chapter(name), cells_of(FOLDER / f"{name}.py")
    kept = ("tags", "mystnb")
    for number, (one, other) in enumerate(zip(left, right, strict=True), 1):
        assert one.cell_type == other.cell_type, f"cell {number}"
        assert one.source.rstrip() == other.source.rstrip(), (
            f"cell {number} differs: jupytext --sync notebooks/{name}.ipynb"
        )
        for key in kept:
            assert one.metadata.get(key) == other.metadata.get(key), f"cell {number}, {key}"


@every_chapter
def test_title_and_box(name):
    first = chapter(name)[0]
    assert first.cell_type == "markdown" and re.match(r"# \S", first.source), "the first cell is the title"
    assert len([title for title in titles(chapter(name)) if title]) > 3
    box = "".join(cell.source for cell in chapter(name)[:3] if cell.cell_type == "markdown").lower()
    assert "{admonition}" in box or ":::{" in box, "a box stands under the title"
    for word in ("device", "memory", "minutes", "inputs", "outputs"):
        assert word in box, f"the box does not state: {word}"
    assert re.search(r"paper|sec\.", box), "the opening does not name the place in the paper"


@every_chapter
def test_parameters_are_commented_literals(name):
    cells = [cell for cell in chapter(name) if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1, "one cell is tagged parameters"
    lines = [node for node in ast.parse(cells[0].source).body if not isinstance(node, ast.Expr)]
    known = chapters.parameters_of(FOLDER / f"{name}.ipynb")
    assert len(known) == len(lines) > 0, "only annotated literals belong into the parameters cell"
    for parameter in known.values():
        assert parameter["help"], f"{parameter['name']} has no comment"
        assert parameter["inferred_type_name"] in chapters.KINDS


@every_chapter
def test_fixed_endings(name):
    cells = chapter(name)
    order = [title.strip() for title in titles(cells) if title.strip() in ("Check", "Summary", "Exercises")]
    assert order == ["Check", "Summary", "Exercises"]
    _, checks = section(cells, "Check")
    assert any(isinstance(node, ast.Assert) for cell in checks for node in ast.walk(ast.parse(cell.source)))
    exercises, _ = section(cells, "Exercises")
    assert "{dropdown}" in exercises, "exercises have their answers in dropdowns"
    assert section(cells, "Summary")[0].split("\n", 1)[1].strip(), "the summary is empty"


@every_chapter
def test_only_check_cells_keep_outputs(name):
    for number, cell in enumerate(chapter(name), 1):
        if cell.cell_type == "code" and cell.outputs:
            assert "check" in cell.metadata.get("tags", []), (
                f"cell {number} keeps an output: jupytext --sync, then clear it"
            )


@every_chapter
def test_every_chapter_is_in_the_book(name):
    assert name in build.chapters()


@pytest.mark.notebook
@every_chapter
def test_runs(name, tmp_path, monkeypatch):
    # Another working directory than notebooks/ and the repository: a chapter finds its files from anywhere.
    monkeypatch.chdir(tmp_path)
    build.execute(only=[name])
    ran = build.folder() / f"{name}.ipynb"
    assert all(output.output_type != "error" for cell in cells_of(ran) for output in cell.get("outputs", []))


@pytest.mark.notebook
def test_kept_outputs_are_what_the_cells_still_give(tmp_path):
    """nbval runs the chapters that keep outputs of check cells, and compares what comes out with what is kept."""
    keep = [name for name in CHAPTERS if any(cell.get("outputs") for cell in chapter(name))]
    assert keep, "no chapter keeps the output of a check cell"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-cell-timeout=300",
        "-q",
        "-p",
        "no:cacheprovider",
        "--override-ini=addopts=",
        *(f"{name}.ipynb" for name in keep),
    ]
    for name in keep:  # jupytext leaves no execution counts, and nbval takes an output without one for a stale one
        copy = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        for cell in copy.cells:
            if cell.get("outputs"):
                cell.execution_count = 1
        nbformat.write(copy, tmp_path / f"{name}.ipynb")
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


# The runner itself, on a small notebook.


@pytest.fixture
def small(tmp_path):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
        cells=[
            nbformat.v4.new_code_cell(
                'word: str = "a"  # a word\ncount: int = 1  # how often', metadata={"tags": ["parameters"]}
            ),
            nbformat.v4.new_markdown_cell("## Work"),
            nbformat.v4.new_code_cell(
                "import os, sys, time\nfrom rimlib.errors import RimError\ntime.sleep(0.1)\n"
                "print('here', os.getcwd())\nprint(repr(word * count))\nprint('bar', file=sys.stderr)\n"
                "if word == 'refuse': raise RimError('word: refuse is no word')\nif word == 'fall': 1 / 0"
            ),
        ],
    )
    path = tmp_path / "small {name}.ipynb"
    nbformat.write(notebook, path)
    return path


def test_run_passes_parameters_and_streams(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = small.read_bytes()
    out = chapters.run(small, tmp_path / "new {folder}" / "out.ipynb", {"word": "007", "count": "2"})
    printed = capsys.readouterr()
    assert "'007007'" in printed.out and f"here {tmp_path}" in printed.out and "bar" in printed.err
    assert dict(chapters.seconds_by_section(out))["Work"] >= 0.1
    assert small.read_bytes() == before


def test_run_refuses_before_it_starts(small, tmp_path):
    for parameters, message in [
        ({"wurd": "b"}, "did you mean word"),
        ({"count": "two"}, "count: int is expected, found 'two'"),
    ]:
        with pytest.raises(RimError, match=message):
            chapters.run(small, tmp_path / "out.ipynb", parameters)
    with pytest.raises(RimError, match="never executed in place"):
        chapters.run(small, small)
    with pytest.raises(RimError, match="no such notebook"):
        chapters.run(tmp_path / "none.ipynb", tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_refusal_in_a_cell_is_one_line(small, tmp_path):
    with pytest.raises(RimError, match="^word: refuse is no word$"):
        chapters.run(small, tmp_path / "out.ipynb", {"word": "refuse"})


def test_another_error_keeps_its_traceback(small, tmp_path):
    with pytest.raises(chapters.NotebookError, match="ZeroDivisionError"):
        chapters.run(small, tmp_path / "out.ipynb", {"word": "fall"})


def test_a_chapter_is_found_by_its_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in CHAPTERS:
        assert chapters.find(name) == chapters.find(name.partition("_")[2]) == FOLDER / f"{name}.ipynb"
        with pytest.raises(RimError, match=f"did you mean {name}"):
            chapters.find(name + "x")
