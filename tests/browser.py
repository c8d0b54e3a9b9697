"""Headless Chromium by chromedriver's own protocol: pages are opened, read, typed into and looked at."""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of a reference


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def chromedriver():
    """A function that asks chromedriver: (method, path, body)."""
    program = shutil.which("chromedriver")
    if program is None:
        message = "no chromedriver here: apt-get install chromium-driver"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    port = free_port()
    process = subprocess.Popen([program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
        return json.load(urllib.request.urlopen(request, timeout=120))["value"]

    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                ask("GET", "/status")
                break
            time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait()


class Page:
    """A page in a window of a width, height 900."""

    def __init__(self, driver, address, width=1280):
        self.driver = driver
        wanted = {"goog:chromeOptions": {"args": ARGUMENTS}, "goog:loggingPrefs": {"browser": "ALL"}}
        self.at = f"/session/{driver('POST', '/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.ask("goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
        self.ask("url", {"url": address})

    def ask(self, path, body):
        return self.driver("POST", f"{self.at}/{path}", body)

    def run(self, code, *given):
        """The value of a script."""
        return self.ask("execute/sync", {"script": code, "args": given})

    def type(self, css, text):
        """Type into an element, as keys; a file's path into one that takes files."""
        element = self.ask("element", {"using": "css selector", "value": css})[ELEMENT]
        self.ask(f"element/{element}/value", {"text": text})

    def until(self, code, *given, seconds=60):
        """The value of a script, once it is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(code, *given):
                return value
            time.sleep(0.1)
        pytest.fail(f"never true: {code} {given}: {self.run('return document.body.innerText')[:2000]}")

    def screenshot(self, path):
        Path(path).write_bytes(base64.b64decode(self.driver("GET", f"{self.at}/screenshot")))

    def errors(self):
        logged = self.ask("se/log", {"type": "browser"})
        return [one["message"] for one in logged if one["level"] == "SEVERE"]

    def close(self):
        self.driver("DELETE", self.at)
