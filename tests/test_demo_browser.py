"""The demo in headless Chromium, by Voilà and in JupyterLab: a reader types, chooses, uploads, and sees."""

import contextlib
import functools
import inspect
import os
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
from browser import Page, chromedriver, free_port
from PIL import Image
from test_demo import HalfPredictor

from rimlib.cli.demo import command, notebook
from rimlib.io.files import write_json
from rimlib.repository import repository

pytestmark = pytest.mark.browser
CODE = f"""import numpy as np
from rimlib.demo import Demo
from rimlib.entities import drawn
from rimlib.errors import RimError
from rimlib.examples import Example
from rimlib.prediction.result import Result

{inspect.getsource(HalfPredictor)}
scenes = [Example(f"scene {{n}}", np.full((24, 32 + 8 * n, 3), 90, np.uint8), ("left", "right")) for n in range(2)]
Demo(HalfPredictor(), drawn.load(size=32, variants=1), scenes).widget"""
RUN_ALL = """const app = window.jupyterapp;
if (!app || !document.querySelector('.jp-Notebook') || !document.body.innerText.includes('| Idle')) return false;
app.commands.execute('notebook:run-all-cells'); return true"""
LINE = "return document.querySelector('[role=status], [role=alert]')?.textContent ?? ''"
SAYS = "return (document.querySelector('[role=status], [role=alert]')?.textContent ?? '').includes(arguments[0])"
IMAGES = "return [...document.querySelectorAll('img')].map((one) => one.offsetWidth > 100 ? one.naturalWidth : 0)"
# The control's own field for files is no part of the page; pressed, it is made one, in place of the system's window.
UPLOAD = """HTMLInputElement.prototype.click = function () { this.id = 'sent'; document.body.append(this); };
document.querySelector('.widget-upload').click()"""
BOX = "input[placeholder^='the left dog']"


@contextlib.contextmanager
def served(kind, folder):
    """The address of the demo."""
    port = free_port()
    options = [f"--port={port}", "--no-browser"]
    if kind == "voila":
        line, address = command(folder, False, options, CODE), f"http://127.0.0.1:{port}/"
    else:
        write_json(folder / "demo.ipynb", notebook(CODE))
        options += ["--allow-root", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
        line = [*command(folder, True, options)]
        line[3] = str(folder / "demo.ipynb")
        address = f"http://127.0.0.1:{port}/lab/tree/demo.ipynb"
    environment = os.environ | {"PYTHONPATH": str(repository())}
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            line, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for _ in range(600):
                assert server.poll() is None, (folder / "log").read_text()[-2000:]
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


@pytest.mark.parametrize("kind", ["voila", "jupyterlab"])
def test_a_reader_types_and_sees(kind, tmp_path):
    pytest.importorskip(kind)
    Image.fromarray(np.full((30, 50, 3), (10, 200, 30), np.uint8)).save(tmp_path / "green.png")
    (tmp_path / "notes.png").write_text("no image")
    with served(kind, tmp_path) as address, chromedriver() as driver, contextlib.closing(Page(driver, address)) as page:
        if kind == "jupyterlab":
            page.until(RUN_ALL, seconds=120)
        says = functools.partial(page.until, SAYS)
        says("“left”: 50 % of the image", seconds=120)
        widths = f"{IMAGES}.filter((width) => width === arguments[0]).length === 4"
        page.until(widths, 32)
        page.run("document.querySelector(arguments[0]).select()", BOX)
        page.type(BOX, "<b>right</b>\ue007")  # and Enter
        says("“<b>right</b>”: 50 % of the image")
        assert page.run("return document.querySelector('[role=status] b')") is None
        history = """return [...document.querySelectorAll('button')].map((one) => one.textContent)
        .filter((text) => text.includes('(1.00)'))"""
        assert page.run(history) == ["<b>right</b> (1.00)", "left (1.00)"]
        press = """for (const one of document.querySelectorAll('button')) if (one.textContent.trim() === arguments[0])
        { one.click(); return true }"""
        page.until(press, "highlight")
        page.until(press, "Make PNG files")
        page.until("return document.querySelectorAll('a[download]').length === 3")
        page.run(UPLOAD)
        page.type("#sent", str(tmp_path / "notes.png"))
        says("notes.png: is not an image")
        page.type("#sent", str(tmp_path / "green.png"))
        says("Type a sentence and press Enter.")
        page.until(widths, 50)
        assert "Traceback" not in page.run("return document.body.innerText")
        if folder := os.environ.get("RIMLIB_SCREENSHOTS"):
            page.run("document.querySelector(arguments[0]).scrollIntoView()", BOX)
            page.screenshot(f"{folder}/demo-{kind}.png")
