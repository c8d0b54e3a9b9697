"""The `rim` command: quick help, one line for what cannot be used, quiet when its reader leaves."""

import importlib
import json
import os
import subprocess
import sys
import time

import pytest

from rimlib import cli

RIM = [sys.executable, "-m", "rimlib"]


def test_help_loads_nothing_heavy():
    code = "import sys, rimlib.cli\ntry: rimlib.cli.main(['--help'])\nexcept SystemExit: pass\nprint(list(sys.modules))"
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


def test_each_way_in_is_called_rim():
    for command in (
        RIM,
        [sys.executable, "-m", "rimlib.cli"],
        [sys.executable, "-c", "import sys, rimlib.cli; sys.exit(rimlib.cli.main())"],
    ):
        process = subprocess.run([*command, "no-such-command"], capture_output=True, text=True)
        assert process.returncode == 2 and process.stderr.startswith("usage: rim ")


@pytest.mark.parametrize("command", cli.TRAININGS)
def test_a_training_reads_its_own_options(command, monkeypatch):
    seen = []
    module = importlib.import_module(f"rimlib.training.{cli.TRAININGS[command][0]}")
    monkeypatch.setattr(module, "main", lambda arguments: seen.append(arguments) or 0)
    assert cli.main([command, "--help", "--out", "run"]) == 0 and seen == [["--help", "--out", "run"]]


def test_an_error_is_one_line_and_status_2(capsys):
    assert cli.main(["plan", "--profile", "no_such_profile"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rim: error: ") and error.count("\n") == 1


def test_an_unreadable_image_is_refused_before_the_model_is_loaded(tmp_path, capsys):
    assert cli.main(["matte", str(tmp_path / "none.jpg"), "the dog"]) == 2
    assert "none.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("lab", [False, True])
def test_the_demo_takes_large_uploads(monkeypatch, lab):
    """The server's own parser reads the setting, which is far above Tornado's 10 MiB."""
    app = pytest.importorskip("jupyter_server.serverapp" if lab else "voila.app")
    commands = []
    monkeypatch.setattr(
        subprocess, "run", lambda command: commands.append(command) or subprocess.CompletedProcess(command, 0)
    )
    assert cli.main(["demo", *(["--lab"] if lab else []), "--", "--no-browser"]) == 0
    server = app.ServerApp() if lab else app.Voila()
    server.parse_command_line([part for part in commands[0] if "tornado_settings" in part])
    assert server.tornado_settings["websocket_max_message_size"] >= 2**28 and commands[0][-1] == "--no-browser"


def test_an_interruption_is_status_130(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("rimlib.profile.load", interrupted)
    assert cli.main(["plan"]) == 130


def test_a_reader_that_leaves_is_no_error(tmp_path):
    code = "import sys; from rimlib import cli, profile; "
    code += "profile.load = lambda *_, **__: [print('x' * 99) for _ in range(9999)]; "
    code += "sys.exit(cli.main(['plan']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_pool_stats_as_json(capsys):
    assert cli.main(["pool", "stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entities"] > 0


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({}, ["passive", "1000"]),
        ({"OMP_WAIT_POLICY": "active"}, ["active", "None"]),
        ({"GOMP_SPINCOUNT": "7"}, ["passive", "7"]),
    ],
)
def test_threads_sleep_while_they_wait_unless_the_user_sets_otherwise(given, wanted):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in names} | given
    code = f"import os, sys, rimlib; print(*map(os.environ.get, {names}), 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [*wanted, "False"]
