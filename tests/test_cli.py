"""The `rim` command: quick help, one line for what cannot be used, quiet when its reader leaves."""

import json
import subprocess
import sys
import time

from rimlib import cli

RIM = [sys.executable, "-m", "rimlib.cli"]


def test_help_loads_nothing_heavy():
    code = "import sys, rimlib.cli\ntry: rimlib.cli.main(['--help'])\nexcept SystemExit: pass\nprint([m for m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'rimlib.cli'" in loaded
    for module in ("torch", "numpy", "cv2", "papermill", "PIL"):
        assert f"'{module}'" not in loaded


def test_help_is_quick():
    def seconds():
        started = time.perf_counter()
        subprocess.run([*RIM, "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.6


def test_an_error_is_one_line_and_status_2(capsys):
    assert cli.main(["notebook", "no_such_chapter"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rim: error: ") and error.count("\n") == 1


def test_an_unreadable_picture_is_refused_before_the_model_is_loaded(tmp_path, capsys):
    assert cli.main(["matte", str(tmp_path / "none.jpg"), "the dog"]) == 2
    assert "none.jpg" in capsys.readouterr().err


def test_an_interruption_is_status_130(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("course.chapters.run", interrupted)
    assert cli.main(["notebook", "00_start"]) == 130


def test_a_reader_that_leaves_is_no_error(tmp_path):
    code = (
        "import sys; from rimlib import cli; cli._notebook = lambda o: [print('x' * 99) for _ in range(9999)] and 0; "
    )
    code += "sys.exit(cli.main(['notebook', 'any']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_pool_stats_as_json(capsys):
    assert cli.main(["pool", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entities"] > 0
