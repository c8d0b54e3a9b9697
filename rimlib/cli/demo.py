"""The command `demo`: the page of `rimlib.demo` by itself, served by Voilà, or its chapter in JupyterLab."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rimlib.errors import require

# An upload reaches the kernel as one message; beyond Tornado's 10 MiB the connection would close without a word.
LARGE_MESSAGES = "tornado_settings={'websocket_max_message_size': 268435456}"
PAGE = """from rimlib.demo import Demo
Demo().widget"""


def add_command(commands: argparse._SubParsersAction, add: Callable) -> None:
    """Add `demo`."""
    parser = add(commands, "demo", _demo, "open the demo: type a sentence, get a matte")
    parser.add_argument("--lab", action="store_true", help="its chapter in JupyterLab instead of the page alone")
    text = "for Voilà or JupyterLab, after --: rim demo -- --no-browser"
    parser.add_argument("options", nargs="*", metavar="OPTION", help=text)


def _demo(options: argparse.Namespace) -> int:
    import subprocess
    import tempfile

    for module in ("ipywidgets", "jupyterlab" if options.lab else "voila"):
        require(module, "course")
    with tempfile.TemporaryDirectory(prefix="rim-demo-") as folder:
        try:
            return subprocess.run(command(Path(folder), options.lab, options.options)).returncode
        except KeyboardInterrupt:
            return 0  # the usual way to close it


def command(folder: Path, lab: bool, options: list[str], code: str = PAGE) -> list[str]:
    """What serves the demo; the page's notebook is written to a folder, one cell of `code`."""
    from rimlib.io.files import write_json
    from rimlib.repository import repository

    if lab:
        chapter = repository() / "notebooks" / "07_demo.ipynb"
        return [sys.executable, "-m", "jupyterlab", str(chapter), f"--ServerApp.{LARGE_MESSAGES}", *options]
    page = write_json(folder / "demo.ipynb", notebook(code))
    return [sys.executable, "-m", "voila", str(page), f"--Voila.{LARGE_MESSAGES}", *options]


def notebook(code: str) -> dict:
    """A notebook of one cell, as JSON."""
    from nbformat import v4

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "title": "Referring image matting"}
    return v4.new_notebook(cells=[v4.new_code_cell(code)], metadata=metadata)
