"""What of the book is made again: a chapter whose inputs have changed, a page that has, all where all depend on it."""

import io
import subprocess

import nbformat
import pytest

from course import build, chapters, inputs
from rimlib.errors import RimError

CODE = """
import sys, os, pathlib, subprocess
root = pathlib.Path({root!r})
sys.path.insert(0, str(root))
from toy import used
print(used.VALUE + (root / "data.txt").read_text(), word, sorted(os.listdir(root / "records")))
(root / "runs").mkdir(exist_ok=True); (root / "runs" / "left.txt").write_text("made here")
print((root / "runs" / "left.txt").read_text())
subprocess.run([sys.executable, "-c", f"open({{str(root / 'child.txt')!r}}).read()"], check=True)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A repository with one chapter that has run, and what the first run said."""
    root = tmp_path_factory.mktemp("clone").resolve()
    for folder in ("notebooks", "book", "toy", "records"):
        (root / folder).mkdir()
    (root / "notebooks" / "jupytext.toml").touch()
    (root / "book" / "_toc.yml").write_text("parts: [{chapters: [{file: chapters/01_small}]}]")
    (root / "book" / "chapters.yml").write_text("01_small: {word: b}")
    for name, text in (("toy/__init__", ""), ("toy/used", "VALUE = 'v'"), ("toy/other", "")):
        (root / f"{name}.py").write_text(text)
    for name in ("data", "child", "records/one"):
        (root / f"{name}.txt").write_text(name)
    cells = [
        nbformat.v4.new_markdown_cell("# Small"),
        nbformat.v4.new_code_cell('word: str = "a"  # a word', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(CODE.format(root=str(root))),
    ]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=cells)
    nbformat.write(notebook, root / "notebooks" / "01_small.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        for module in (build, chapters, inputs):
            patch.setattr(module, "repository", lambda: root)
        log = io.StringIO()
        assert build.execute(log=log) == ["01_small"]
        yield root, log.getvalue()


def test_a_second_build_runs_nothing(ran):
    assert ran[1].startswith("01_small: has not run\n")
    log = io.StringIO()
    assert build.execute(log=log) == [] and log.getvalue() == "01_small: kept\n"


@pytest.mark.parametrize("name", ["toy/used.py", "data.txt", "child.txt"])
def test_a_chapter_runs_again_after_a_change_in_what_it_read(ran, name):
    path = ran[0] / name
    before = path.read_bytes()
    path.write_bytes(before + b"# more")
    assert build.stale("01_small") == f"{name} changed"
    path.unlink()
    assert build.stale("01_small") == f"{name} gone"
    path.write_bytes(before)
    assert build.stale("01_small") == ""


def test_a_chapter_is_kept_after_a_change_in_what_it_did_not_read(ran):
    (ran[0] / "toy" / "other.py").write_text("VALUE = 2")
    (ran[0] / "runs" / "left.txt").write_text("another")
    assert build.stale("01_small") == ""


def test_a_new_file_in_a_folder_that_was_listed_is_a_change(ran):
    new = ran[0] / "records" / "two.txt"
    new.touch()
    assert build.stale("01_small") == "records lists other files"
    new.unlink()


def test_another_parameter_is_a_change(ran):
    path = ran[0] / "book" / "chapters.yml"
    before = path.read_text()
    path.write_text("01_small: {word: c}")
    assert build.stale("01_small") == "parameters: word b is now c"
    path.write_text(before)


def test_new_prose_keeps_the_outputs_and_new_code_does_not(ran):
    source, copy = chapters.find("01_small"), build.folder() / "01_small.ipynb"
    before = source.read_bytes()
    notebook = chapters.read(source)
    notebook.cells[0].source = "# Larger"
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell("New."))
    nbformat.write(notebook, source)
    outputs = [cell.outputs for cell in chapters.read(copy).cells if cell.cell_type == "code"]
    assert build.execute(log=io.StringIO()) == []
    cells = chapters.read(copy).cells
    assert [cell.source for cell in cells if cell.cell_type == "markdown"] == ["# Larger", "New."]
    assert [cell.outputs for cell in cells if cell.cell_type == "code"] == outputs and outputs[-1]
    notebook.cells[-1].source += "\nprint(1)"
    nbformat.write(notebook, source)
    assert build.stale("01_small") == "its cells changed"
    source.write_bytes(before)


def test_all_pages_are_made_again_where_all_depend_on_a_change_and_after_a_failure(ran, monkeypatch):
    asked, status = [], [0]

    def sphinx(command, **_):
        asked.append("--all" in command)
        return subprocess.CompletedProcess(command, status[0], "WARNING: a word\n")

    monkeypatch.setattr(build.subprocess, "run", sphinx)
    monkeypatch.setattr(build, "status", lambda: None)
    style = ran[0] / "book" / "_static" / "rim.css"
    style.parent.mkdir()
    (ran[0] / "_config.yml").touch()
    for _ in range(2):
        build.build(io.StringIO())
    style.touch()
    build.build(io.StringIO())
    assert asked == [True, False, True]
    status[0] = 1
    for _ in range(2):
        with pytest.raises(RimError, match="a word"):
            build.build(io.StringIO())
    assert asked[3:] == [False, True]
