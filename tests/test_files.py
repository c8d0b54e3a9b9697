"""Files are written whole or not at all, and what goes wrong is one line that names the file."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.io.files import read_json, replace_folder, sha256, write_atomically, write_json
from rimlib.io.names import find_by_stem


def message(function, *arguments):
    """The text of the RimError that a call must raise: one line."""
    with pytest.raises(RimError) as caught:
        function(*arguments)
    text = str(caught.value)
    assert text and "\n" not in text
    return text


def test_writes_bytes_text_and_what_a_function_pours(tmp_path):
    assert write_atomically(tmp_path / "a", b"\x00\xff").read_bytes() == b"\x00\xff"
    assert write_atomically(str(tmp_path / "b"), "größer\n").read_bytes() == "größer\n".encode()
    assert write_atomically(tmp_path / "new/folder/c", lambda stream: stream.write(b"poured")).read_bytes() == b"poured"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "new"]


def test_replaces_and_keeps_permissions_and_links(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert target.read_text() == "new"
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    text = message(write_atomically, path, b"new")
    assert str(path) in text and "the disk is full" in text
    monkeypatch.undo()

    def pour(stream):
        stream.write(b"half of it")
        full()

    assert "the disk is full" in message(write_atomically, path, pour)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "matte.png"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # the system itself refuses the 10,001st byte
    try:
        text = message(write_atomically, path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(path) in text and "larger than is allowed" in text
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["matte.png"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_is_written_to_and_never_replaced():
    assert "/dev/full" in message(write_atomically, "/dev/full", b"x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    write_atomically("/dev/null", b"x" * 100_000)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_interruption_leaves_nothing(tmp_path):
    def interrupted(stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", interrupted)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def as_user():
    """Permissions do not bind root: where the tests run as root, act as nobody."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    # Not tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_read_only_folder_is_named(open_folder, request):
    open_folder.chmod(0o555)
    request.getfixturevalue("as_user")
    text = message(write_atomically, open_folder / "a.png", b"x")
    assert str(open_folder / "a.png") in text and "no permission" in text
    assert os.listdir(open_folder) == []


def test_a_write_protected_file_stays(open_folder):
    path = open_folder / "a.png"
    path.write_bytes(b"old")
    path.chmod(0o444)
    open_folder.chmod(0o777)
    # os.access checks the real user, so this needs a process of its own.
    program = (
        "import os, sys; sys.path[:] = eval(sys.argv[2]); from rimlib.io.files import write_atomically\n"
        "if not os.getuid(): os.setuid(65534)\n"
        "write_atomically(sys.argv[1], b'new')"
    )
    run = subprocess.run([sys.executable, "-c", program, path, repr(sys.path)], capture_output=True, text=True)
    assert "RimError" in run.stderr and "no permission" in run.stderr
    assert path.read_bytes() == b"old"


def test_a_read_only_file_system_is_named(tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    text = message(write_atomically, tmp_path / "a", b"x")
    monkeypatch.undo()
    assert "the file system is read-only" in text
    assert os.listdir(tmp_path) == []


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert "it is a folder" in message(write_atomically, tmp_path, b"x")
    assert "a file, not a folder" in message(write_atomically, tmp_path / "file" / "a", b"x")
    assert "name is too long" in message(write_atomically, tmp_path / ("a" * 300), b"x")
    assert "not a path" in message(write_atomically, "a\0b", b"x")
    assert "not a path" in message(write_atomically, "", b"x")
    assert "found int" in message(write_atomically, 7, b"x")
    assert os.listdir(tmp_path) == ["file"]


def test_json_there_and_back(tmp_path):
    value = {"b": [1, 2.5, None], "a": {"ü": "text"}}
    path = write_json(tmp_path / "v.json", value)
    assert read_json(path) == value
    assert path.read_text(encoding="utf-8") == '{\n "b": [\n  1,\n  2.5,\n  null\n ],\n "a": {\n  "ü": "text"\n }\n}\n'


def test_json_takes_numpy_and_paths(tmp_path):
    path = write_json(
        tmp_path / "v.json", {"sad": np.float32(0.5), "n": np.int64(3), "row": np.arange(2), "at": Path("x")}
    )
    assert json.loads(path.read_text()) == {"sad": 0.5, "n": 3, "row": [0, 1], "at": "x"}


@pytest.mark.parametrize(
    "value", [{"a": float("nan")}, {"a": np.float64("inf")}, {"a": object()}, {(1, 2): 3}, {"a": "\ud800"}]
)
def test_json_refuses_what_it_cannot_hold(tmp_path, value):
    path = tmp_path / "v.json"
    path.write_text("old")
    assert str(path) in message(write_json, path, value)
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "data, words",
    [
        (b'{\n "a": 1,\n "b": }\n', ["line 3, column 7"]),
        (b"", ["line 1"]),
        (b'{"a": "\xff"}', ["byte 7", "UTF-8"]),
        (b"[" * 100_000, ["nested too deeply"]),
    ],
)
def test_broken_json_is_named_with_its_place(tmp_path, data, words):
    path = tmp_path / "broken.json"
    path.write_bytes(data)
    text = message(read_json, path)
    assert all(word in text for word in [str(path), *words])


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "v.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "v.json") == {"a": 1}


def test_missing_files_are_named(tmp_path):
    for function in (read_json, sha256):
        assert "there is no such file" in message(function, tmp_path / "missing")
        assert "a folder" in message(function, tmp_path)


def test_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_error_is_one_line_here_and_in_a_notebook():
    error = RimError("a\nb.png: is \r\n broken")
    assert str(error) == "a b.png: is broken"
    assert error._render_traceback_() == ["RimError: a b.png: is broken"]


def test_importing_rimlib_is_light():
    program = (
        "import sys; sys.path[:] = eval(sys.argv[1]); import rimlib, rimlib.io.files\n"
        "heavy = {'torch', 'cv2', 'open_clip', 'numpy', 'PIL', 'matplotlib', 'pymatting'} & set(sys.modules)\n"
        "import rimlib.io.images, rimlib.entities.drawn\n"
        "sys.exit(repr(heavy | {'torch'} & set(sys.modules)) if heavy or 'torch' in sys.modules else 0)"
    )
    run = subprocess.run([sys.executable, "-c", program, repr(sys.path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_folder_is_replaced_as_a_whole_or_stays(tmp_path):
    path = tmp_path / "new" / "set"
    with replace_folder(path) as new:
        (new / "a").write_text("1")
        assert not path.exists()
    with replace_folder(path) as new:
        (new / "b").write_text("2")
        assert [item.name for item in path.iterdir()] == ["a"]
    assert [item.name for item in path.iterdir()] == ["b"]
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error):
            with replace_folder(path) as new:
                (new / "c").write_text("3")
                raise error
    assert [item.name for item in path.iterdir()] == ["b"]
    assert [item.name for item in path.parent.iterdir()] == ["set"], "nothing is left beside it"


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "set"
    path.mkdir()
    (path / "a").write_text("1")
    rename = Path.rename

    def refuse(self, target):
        if self.name.endswith(".part"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RimError) as caught:
        with replace_folder(path) as new:
            (new / "b").write_text("2")
    assert caught.value.path == str(path)
    assert [str(item.relative_to(tmp_path)) for item in sorted(tmp_path.rglob("*"))] == ["set", "set/a"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "set").write_text("a file")
    with pytest.raises(RimError) as caught:
        with replace_folder(tmp_path / "set"):
            raise AssertionError("nothing is begun")
    assert caught.value.path == str(tmp_path / "set")
    assert (tmp_path / "set").read_text() == "a file"


def test_a_file_is_found_by_the_first_ending_that_is_there(tmp_path):
    (tmp_path / "b.png").touch()
    assert find_by_stem(tmp_path, "b", (".webp", ".png")) == tmp_path / "b.png"
    assert find_by_stem(tmp_path, "a", (".webp", ".png")) == tmp_path / "a.webp"
