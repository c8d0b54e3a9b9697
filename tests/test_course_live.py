"""`make live` and `make serve`: what is missing is named in one line, and the book is built without it."""

import shutil
import socket

import pytest

from course import __main__ as course
from course import live
from rimlib.errors import RimError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A repository without anything built, on a machine without npm."""
    monkeypatch.setattr(live, "repository", lambda: tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    return tmp_path


def test_without_npm_the_book_has_a_page_that_names_it(elsewhere, capsys):
    page = live.into_the_book()
    assert page == elsewhere / "_build" / "html" / "live" / "index.html"
    assert "npm is not here" in page.read_text(encoding="utf-8")
    (line,) = capsys.readouterr().out.splitlines()
    assert "npm is not here" in line and line.endswith("the book has no live page")


def test_without_npm_make_live_is_refused_in_one_line(elsewhere, capsys):
    assert course.main(["live"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("course: error: the live page: npm is not here")


def test_what_npm_refuses_is_one_line(elsewhere, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    (elsewhere / "live").mkdir()
    (elsewhere / "live" / "package-lock.json").write_text("{}")
    with pytest.raises(RimError, match="the live page: npm ci .* failed"):
        live.build()


def test_nothing_is_served_before_it_is_built_nor_at_a_port_that_is_taken(elsewhere):
    with pytest.raises(RimError, match="run make book"):
        live.serve()
    (elsewhere / "_build" / "html").mkdir(parents=True)
    (elsewhere / "_build" / "html" / "index.html").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RimError, match=f"port {port}: cannot be used"):
            live.serve(port)


def test_modules_have_the_type_that_browsers_insist_on():
    types = live._Handler.extensions_map
    assert types[".mjs"] == types[".js"] == "text/javascript" and types[".wasm"] == "application/wasm"
