"""The book as a reader sees it: it builds without a warning, and headless Chromium finds every page whole."""

import html
import io
import json
import os
import re
import shutil
import subprocess

import pytest

from course import build, chapters

PAGES = [
    "intro",
    *(f"chapters/{name}" for name in chapters.names()),
    "photographs",
    "real_refmatte",
    "protocol",
    "notation",
    "glossary",
    "datasheet",
    "model_card",
    "troubleshooting",
    "status",
    "references",
]

# Runs in the page when it is loaded and leaves what it finds in an element that --dump-dom prints.
PROBE = """<script>addEventListener("load", () => setTimeout(() => {
  const main = document.querySelector("main"), all = (what) => [...main.querySelectorAll(what)];
  const prose = main.cloneNode(true);
  prose.querySelectorAll("pre, code, script").forEach((part) => part.remove());
  const found = {
    title: document.querySelector("h1")?.innerText,
    words: main.innerText.split(/\\s+/).length,
    chapters: document.querySelectorAll("nav a.reference.internal").length,
    images: all("img").length,
    broken: all("img").filter((i) => !i.naturalWidth).map((i) => i.src),
    nameless: all("img").filter((i) => !i.alt.trim() || /^\\.\\.|\\.(png|svg|jpe?g)$/.test(i.alt)).map((i) => i.src),
    errors: all(".output.traceback, .traceback").length,
    rawMath: /\\\\\\(|\\\\\\[|\\$\\$/.test(prose.textContent),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  const note = document.createElement("pre");
  note.id = "probe";
  note.textContent = JSON.stringify(found);
  document.body.append(note);
}, 200))</script>"""


@pytest.fixture(scope="session")
def pages():
    """The folder of the built pages. Chapters that this session has run already are not run again."""
    if not chapters.names():
        pytest.skip("there are no chapters yet")
    build.execute()
    log = io.StringIO()
    try:
        return build.build(log)
    except Exception:
        print(log.getvalue()[-8000:])
        raise


@pytest.fixture(scope="session")
def chromium():
    """The browser's program. Without one the test is skipped, and fails where CI=true."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if path := shutil.which(name):
            return path
    message = "no Chromium here: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def look(chromium, page, tmp_path, width=1280) -> dict:
    """What the probe finds on a page in a window of that width."""
    copy = page.with_name(f".probe-{page.name}")
    copy.write_text(page.read_text(encoding="utf-8").replace("</head>", f"{PROBE}</head>", 1), encoding="utf-8")
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path}",
        f"--window-size={width},1400",
        "--virtual-time-budget=20000",
        "--enable-logging=stderr",
        "--dump-dom",
        copy.as_uri(),
    ]
    try:
        seen = subprocess.run(command, capture_output=True, text=True, timeout=180)
    finally:
        copy.unlink()
    found = re.search(r'<pre id="probe"[^>]*>(.*?)</pre>', seen.stdout, re.DOTALL)
    assert found, f"{page.name} did not come up: {seen.stderr[-2000:]}"
    uncaught = re.findall(r'CONSOLE.*?"(Uncaught .*?)"', seen.stderr)
    return {**json.loads(html.unescape(found.group(1))), "uncaught": uncaught}


@pytest.mark.book
def test_the_book_builds_without_a_warning(pages):
    assert {str(path.relative_to(pages).with_suffix("")) for path in pages.rglob("*.html")} >= set(PAGES)


@pytest.mark.book
def test_the_status_page_has_a_row_for_each_chapter(pages):
    text = (pages / "status.html").read_text(encoding="utf-8")
    for name in chapters.names():
        assert f"chapters/{name}.html" in text


@pytest.mark.book
@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_reader_sees_the_whole_page(name, pages, chromium, tmp_path):
    found = look(chromium, pages / f"{name}.html", tmp_path)
    assert found["title"] and found["words"] > 30
    assert found["chapters"] >= len(PAGES) - 1, "the list of chapters is not there"
    assert found["broken"] == [], "images that do not load"
    assert found["nameless"] == [], "images without an alternative text"
    assert found["errors"] == 0, "a traceback is on the page"
    assert not found["rawMath"], "a formula is shown as its source"
    assert found["overflow"] <= 0, "the page is wider than the window"
    assert found["uncaught"] == [], "a script of the page fails"


@pytest.mark.book
@pytest.mark.browser
def test_the_first_page_fits_a_telephone(pages, chromium, tmp_path):
    found = look(chromium, pages / "intro.html", tmp_path, width=500)
    assert found["images"] >= 1 and found["overflow"] <= 0
