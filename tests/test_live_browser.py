"""The live page in headless Chromium, as a reader uses it: an image, sentences, what is shown and told."""

import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from course import live
from rimlib.repository import repository

pytestmark = [pytest.mark.book, pytest.mark.browser]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The address of the built page."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here; the live page needs it")
    root = tmp_path_factory.mktemp("pages")
    shutil.copytree(live.build(), root / "live")
    handler = functools.partial(live._Handler, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/live/index.html"
    server.shutdown()


@pytest.fixture(scope="module")
def driver():
    """A function that asks chromedriver: (method, path, body)."""
    program = shutil.which("chromedriver")
    if program is None:
        message = "no chromedriver here: apt-get install chromium-driver"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
        return json.load(urllib.request.urlopen(request, timeout=60))["value"]

    for _ in range(100):
        try:
            ask("GET", "/status")
            break
        except OSError:
            time.sleep(0.1)
    yield ask
    process.terminate()


@pytest.fixture(params=[390, 1280])
def run(request, driver, page):
    """A function that runs a script on the page and returns its value, in a window of that width."""
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
    session = f"/session/{driver('POST', '/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver("POST", f"{session}/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
    driver("POST", f"{session}/url", {"url": page})
    yield lambda code, *given: driver("POST", f"{session}/execute/sync", {"script": code, "args": given})
    logged = driver("POST", f"{session}/se/log", {"type": "browser"})
    driver("DELETE", session)
    assert [one for one in logged if one["level"] == "SEVERE"] == []


def until(run, state):
    """Wait for a state of the page, which it names itself."""
    for _ in range(600):
        if run("return document.body.dataset.state") == state:
            return
        time.sleep(0.1)
    pytest.fail(f"never {state}: {run('return document.body.innerText')}")


def ask(run, sentence):
    """Type a sentence; what the page then tells."""
    code = """document.body.dataset.state = 'asked'; document.getElementById('sentence').value = arguments[0];
    document.getElementById('form').requestSubmit()"""
    run(code, sentence)
    until(run, "done")
    return run("return document.getElementById('status').textContent")


def test_a_reader_asks_and_sees(run):
    until(run, "ready")
    assert ask(run, "the upper black rat").startswith("Found “the upper black rat”")
    light = """const c = document.getElementById(arguments[0]); const d = c.getContext('2d').getImageData(0, 0, c.width,
    c.height).data; let upper = 0, lower = 0; const k = arguments[1];
    for (let i = k; i < d.length; i += 4) { if (i < d.length / 2) upper += d[i]; else lower += d[i]; }
    return [upper, lower]"""
    for canvas, channel in (("matte", 0), ("cutout", 3)):
        upper, lower = run(light, canvas, channel)
        assert upper > 10 * max(lower, 1)
    assert ask(run, "the purple locomotive").startswith("Nothing in this image fits “the purple locomotive”")
    assert run(light, "matte", 0) == [0, 0]
    run("document.getElementById('blur').click()")
    assert "“<b>a rat</b>”" in ask(run, "<b>a rat</b>") and run("return document.querySelector('.history b')") is None
    assert run("return document.querySelectorAll('#history li').length") == 3
    assert run("return document.documentElement.scrollWidth - innerWidth") <= 0
    run("document.querySelectorAll('#history button')[2].click()")
    assert run(light, "matte", 0)[0] > 0


def test_the_page_is_below_its_bound_in_size():
    if not (repository() / "_build" / "live" / "ort").is_dir():
        pytest.skip("the live page has not been built: make live")
    assert live.size(live.folder())["altogether"] < 30
