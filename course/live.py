"""The live page: the model in a browser, without a server. Its sources are in `live/`, what is built in `_build/live`.

node and npm make it, by the lock file of `live/`. Where they are not, the book is built without it, with a page in its
place that names what is missing.
"""

import functools
import html
import http.server
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.io.files import write_atomically, write_json
from rimlib.repository import repository

MISSING = "npm is not here; on Debian and Ubuntu: apt-get install nodejs npm (version 18 or newer), then make live"
LONGEST = 60  # letters of a sentence to try, which stands on a button
PLACEHOLDER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The live page</title>
<p>The live page has not been built: {why}.</p><p><a href="../index.html">Referring Image Matting</a></p></html>
"""


def folder() -> Path:
    """Where the page is built."""
    return repository() / "_build" / "live"


def build() -> Path:
    """Build the page: the model, images to begin with, and what npm brings; returns its folder.

    Raises:
        RimError: node's npm is not here, or it failed.
    """
    npm, source, target = shutil.which("npm"), repository() / "live", folder()
    if npm is None:
        raise RimError(f"the live page: {MISSING}", path=source)
    lock, installed = source / "package-lock.json", source / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], source)
        installed.touch()
    _model(target / "model")
    _samples(target / "samples")
    _run([npm, "run", "--silent", "build", "--", str(target)], source)
    return target


def into_the_book() -> Path:
    """Put the page into `_build/html/live`: built, or a line about what is missing for it."""
    try:
        return copied(build())
    except RimError as error:
        print(f"{error}; the book has no live page", flush=True)
        return write_atomically(_in_the_book() / "index.html", PLACEHOLDER.format(why=html.escape(str(error))))


def copied(built: Path) -> Path:
    """Copy the built page into the book; returns its first file."""
    return Path(shutil.copytree(built, _in_the_book(), dirs_exist_ok=True)) / "index.html"


def serve(port: int = 8000) -> None:
    """Serve the book on this machine alone until it is interrupted. Raises RimError where it has not been built."""
    pages = repository() / "_build" / "html"
    start = "" if (pages / "index.html").is_file() else "live/index.html"
    if not (pages / (start or "index.html")).is_file():
        raise RimError(f"{pages}: nothing has been built; run make book, or make live for the live page", path=pages)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Handler, directory=str(pages)))
    except OSError as error:
        reason = f"cannot be used ({error.strerror}); name another: make serve PORT={port + 1}"
        raise RimError(f"port {port}: {reason}", setting="port") from None
    print(f"http://127.0.0.1:{server.server_port}/{start} (Ctrl+C ends it)", flush=True)
    with server:
        server.serve_forever()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Names the types that browsers insist on, whatever the machine's own table has; prints nothing."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Not a line for each file."""


def _in_the_book() -> Path:
    return repository() / "_build" / "html" / "live"


def _model(target: Path) -> None:
    """Export the shipped model, where what is there is older than it or than the code that exports."""
    from rimlib.clipmat.pretrained import shipped_file

    written, package = target / "model.json", repository() / "rimlib"
    sources = [shipped_file(), package / "sentences.py", *package.glob("export/*.py"), *package.glob("clipmat/*.py")]
    if written.is_file() and written.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return
    from rimlib.clipmat.model import CLIPMat
    from rimlib.export.write import write

    write(CLIPMat.shipped(), target)
    os.utime(written, (time.time(),) * 2)  # it was written before the graphs


def _samples(target: Path) -> None:
    """The scenes that the demo begins with, look-alikes first, and their shorter sentences."""
    if (target / "samples.json").is_file():
        return
    from rimlib.examples import SCENES, examples
    from rimlib.refmatte.build import open_pool

    rows = []
    scenes = sorted(SCENES, key=lambda scene: scene[1] != "alike")
    for number, one in enumerate(examples(open_pool("starter"), scenes)):
        path = images.write_image(target / f"{number}.jpg", one.image)
        sentences = [text for text in dict.fromkeys(one.sentences) if len(text) <= LONGEST]
        rows.append({"file": path.name, "name": one.name, "sentences": sentences[:6]})
    write_json(target / "samples.json", rows)


def _run(command: list[str], where: Path) -> None:
    done = subprocess.run(command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise RimError(f"the live page: {' '.join(['npm', *command[1:]])} failed in {where}", path=where)


def size(target: Path) -> dict[str, float]:
    """Megabytes of each folder and of all, as they are downloaded."""
    found = {"page": 0.0}
    for path in target.rglob("*"):
        if path.is_file():
            part = path.relative_to(target).parts
            name = part[0] if len(part) > 1 else "page"
            found[name] = found.get(name, 0.0) + path.stat().st_size / 1e6
    return found | {"altogether": sum(found.values())}
