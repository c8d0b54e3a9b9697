"""Run a chapter: one notebook from its first cell to its last, with parameters, by papermill.

`python -m course` and the tests all run chapters through `run`. What a chapter prints appears while it runs;
the executed copy, with its outputs and times, is written elsewhere: the notebook itself is never changed.
"""

import difflib
import re
import sys
from pathlib import Path
from typing import Any, TextIO

from rimlib.errors import RimError
from rimlib.io.files import write_atomically
from rimlib.repository import repository

KINDS = {"str": str, "int": int, "float": float, "bool": bool}  # what a parameters cell may be annotated with


class NotebookError(Exception):
    """A cell of a chapter failed for a reason that is no RimError; the message is the kernel's traceback."""


def names() -> list[str]:
    """The chapters' names in reading order, such as `00_start`."""
    return sorted(path.stem for path in (repository() / "notebooks").glob("[0-9]*.ipynb"))


def find(name_or_path: str | Path) -> Path:
    """The notebook file of a chapter.

    Args:
        name_or_path: a chapter's name (`04_train`), its name without the number (`train`), or a path to an .ipynb file.

    Raises:
        RimError: there is no such chapter; the message has the nearest name.
    """
    path = Path(name_or_path)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    if path.parent != Path("."):
        raise RimError(f"{path}: there is no such notebook", path=path)
    wanted, chapters = path.name.removesuffix(".ipynb"), names()
    matches = [name for name in chapters if wanted in (name, name.partition("_")[2])]
    if len(matches) != 1:
        # A close call decides between names with and without their numbers.
        known = {key: name for name in chapters for key in (name, name.partition("_")[2])}
        near = difflib.get_close_matches(wanted, known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else f"there are: {', '.join(chapters) or 'none yet'}"
        raise RimError(f"there is no chapter {wanted!r}; {hint}")
    return repository() / "notebooks" / f"{matches[0]}.ipynb"


def parameters_of(path: Path) -> dict[str, dict[str, str]]:
    """What papermill finds in the parameters cell: by name, each one's `inferred_type_name`, `default` and `help`."""
    import papermill

    return papermill.inspect_notebook(_literal(path))


def check_parameters(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The given parameters; text becomes what the parameter's annotation names, and stays text where that is `str`.

    Raises:
        RimError: a parameter that the chapter has not (with the nearest name), or text that does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    known = parameters_of(path) if given else {}
    values = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known) or 'none'}"
            raise RimError(f"{path.stem} has no parameter {name!r}; {hint}", path=path, setting=name)
        kind = known[name]["inferred_type_name"]
        try:
            values[name] = TypeAdapter(KINDS[kind]).validate_python(value) if isinstance(value, str) else value
        except (KeyError, ValidationError):
            raise RimError(f"{name}: {kind} is expected, found {value!r}", path=path, setting=name) from None
    return values


def run(
    name_or_path: str | Path,
    output: str | Path | None = None,
    parameters: dict[str, Any] | None = None,
    log: TextIO | None = None,
) -> Path:
    """Execute a chapter.

    The kernel works in the caller's folder, so a relative path means the same in a parameter as in the shell.

    Args:
        name_or_path: see `find`.
        output: the path of the executed copy; `runs/notebooks/NAME.ipynb` in the repository if None.
        parameters: values for names of the parameters cell.
        log: where the kernel's stdout and stderr go; this process's own if None.

    Returns:
        The path of the executed copy.

    Raises:
        RimError: an unknown name or parameter, or the RimError that stopped a cell.
        NotebookError: any other error in a cell, with its traceback. What ran until then is in the copy.
    """
    path = find(name_or_path)
    values = check_parameters(path, parameters or {})
    output = Path(output) if output is not None else repository() / "runs" / "notebooks" / path.name
    if output.suffix != ".ipynb":
        raise RimError(f"{output}: the executed copy is a notebook; a name ending in .ipynb is expected")
    if output.resolve() == path:
        raise RimError(f"{output}: a notebook is never executed in place; name another file")
    _folder(output.parent)

    import nbclient
    import papermill

    try:
        papermill.execute_notebook(
            *map(_literal, (path, output)),
            parameters=values,
            progress_bar=False,
            log_output=False,
            stdout_file=log or sys.stdout,
            stderr_file=log or sys.stderr,
            start_timeout=180,
            # Widgets are dead on a page; their state would be large and draws scripts from elsewhere.
            store_widget_state=False,
            # Its warning about a kernel's open port has nothing to do with the chapter.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except papermill.exceptions.PapermillExecutionError as error:
        if error.ename == RimError.__name__:
            raise RimError(error.evalue) from None
        raise NotebookError(
            f"{str(error).strip()}\n\n{path.name} stopped; the cells until then are in {output}"
        ) from None
    except nbclient.exceptions.DeadKernelError:
        raise NotebookError(
            f"{path.name} stopped: its process was ended from outside, most often for lack of memory"
        ) from None
    return output


def read(path: str | Path) -> Any:
    """The notebook in a file.

    Raises:
        RimError: the file is no notebook.
    """
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise RimError(f"{path}: cannot be read as a notebook: {error}", path=path) from error


def renew(path: Path, source: Any) -> None:
    """Give an executed copy the prose of its notebook, whose code is the same; outputs and times stay."""
    copy = read(path)
    before = [(cell.cell_type, cell.source) for cell in copy.cells]
    ran = [cell for cell in copy.cells if cell.cell_type == "code"]
    cells = []
    for cell in source.cells:
        if cell.cell_type == "code":
            cells.append(ran.pop(0))
            cells[-1].source = cell.source
            if "parameters" in cell.metadata.get("tags", []) and "injected-parameters" in _tags(ran):
                cells.append(ran.pop(0))
        else:
            cells.append(cell)
    if [(cell.cell_type, cell.source) for cell in cells] != before:
        import nbformat

        copy.cells = cells
        write_atomically(path, nbformat.writes(copy))


def seconds_by_section(path: str | Path) -> list[tuple[str, float]]:
    """How long each section of an executed notebook took: its second-level headings and their cells' seconds, in order.

    Sections whose cells took no time that shows (under 0.05 s) are left out.
    """
    sections: list[list] = [["start", 0.0]]
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            sections.extend([title.strip(), 0.0] for title in re.findall(r"^## +(.+)$", cell.source, re.MULTILINE))
        else:
            sections[-1][1] += cell.metadata.get("papermill", {}).get("duration") or 0.0
    return [(title, seconds) for title, seconds in sections if seconds >= 0.05]


def _tags(cells: list) -> list[str]:
    return cells[0].metadata.get("tags", []) if cells else []


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RimError(f"{path}: this folder cannot be made: {error.strerror}", path=path) from error


def _literal(path: Path) -> str:
    # papermill fills {names} in paths; a folder may be called that.
    return str(path).replace("{", "{{").replace("}", "}}")
