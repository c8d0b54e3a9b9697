"""The small cache of decoded images, and what happens where it cannot be."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rimlib.profile import Train
from rimlib.refmatte.dataset import RefMatte
from rimlib.training import cache, pixels
from rimlib.training.batches import Key
from rimlib.training.samples import Samples

SETTINGS = {"images": 2, "trimap_kernel": 5}


def open_samples(root, where="auto", **changes):
    return Samples(RefMatte(root), Train(**{**SETTINGS, "cache": str(where), **changes}), 32, workers=1)


def folders(where):
    return sorted(path.name for path in where.iterdir() if path.is_dir())


@pytest.mark.parametrize("at", ["model", "image"])
def test_a_sample_is_the_same_from_the_cache_and_from_the_files(make_scenes, tmp_path, at):
    root = make_scenes(tmp_path / "set", 3)
    cached, streamed = open_samples(root, trimap_at=at), open_samples(root, "never", trimap_at=at)
    assert cached.folder.parent == root / ".cache" and streamed.folder is None
    assert set(cached.arrays) == {"images", "mattes"} | ({"trimaps"} if at == "image" else set())
    for index in range(3):
        one, other = cached[Key(0, index, 0)], streamed[Key(0, index, 0)]
        assert one.texts == other.texts
        assert all(np.array_equal(one[field], other[field]) for field in (0, 2, 3))


def test_the_cache_is_used_and_a_new_rendering_refreshes_it(make_scenes, tmp_path, monkeypatch):
    root = make_scenes(tmp_path, 2)
    first = open_samples(root).arrays["images"]
    monkeypatch.setattr(pixels, "read_image", None)  # reading an image again would fail
    assert np.array_equal(open_samples(root).arrays["images"], first)
    assert isinstance(first, np.memmap), "nothing of it is in this process's own memory"
    monkeypatch.undo()
    time.sleep(0.01)
    names = sorted((root / "train" / "img").iterdir())
    names[0].rename(tmp_path / "swap")
    names[1].rename(names[0])
    (tmp_path / "swap").rename(names[1])
    assert np.array_equal(open_samples(root).arrays["images"], first[::-1])


def test_it_lies_where_the_user_says(make_scenes, tmp_path, monkeypatch):
    root = make_scenes(tmp_path / "set", 2)
    monkeypatch.setattr(cache, "LARGEST", 1)
    assert open_samples(root).folder is None, "too large to lie beside the data unasked"
    assert open_samples(root, tmp_path / "fast disk").folder.parent == tmp_path / "fast disk"
    assert not (root / ".cache").exists()


def test_a_folder_that_cannot_be_written_is_said_and_the_files_are_read(make_scenes, tmp_path, capsys):
    root = make_scenes(tmp_path, 1)
    (root / ".cache").write_text("a file where the folder would be")
    samples = open_samples(root)
    assert samples.folder is None and samples[Key(0, 0, 0)].image.shape == (32, 32, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{root / '.cache'}: no cache here (") and "decoded for each sample" in line


def test_a_disk_without_room_is_said_and_nothing_is_left(make_scenes, tmp_path, monkeypatch, capsys):
    root = make_scenes(tmp_path, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**26 + 100))
    assert open_samples(root).folder is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{root / '.cache'}: no cache here (it needs 0.0 GiB, 0.0 are free)")
    monkeypatch.undo()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)  # filled by others in the meantime
    assert open_samples(root).folder is None
    assert "the disk is full" in capsys.readouterr().err
    assert folders(root / ".cache") == []


KILLED = """
import os, signal, sys
from rimlib.training import cache
cache._decode = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.path.insert(0, sys.argv[2])
from test_cache import open_samples
open_samples(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_makes_is_not(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 2)
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root), here], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    (left,) = folders(root / ".cache")
    assert left.endswith(".part") and (root / ".cache" / left / "images.npy").exists()
    owner = json.loads((root / ".cache" / left / "owner.json").read_text())
    living = root / ".cache" / ".0123456789abcdef.part"
    living.mkdir()
    import psutil

    now = psutil.Process()
    (living / "owner.json").write_text(json.dumps({**owner, "process": now.pid, "started": now.create_time()}))
    made = open_samples(root).folder
    assert folders(root / ".cache") == sorted([living.name, made.name])
    os.utime(living, (0, 0))
    (living / "owner.json").write_text(json.dumps({**owner, "machine": "another"}))
    open_samples(root, trimap_at="image")
    assert living.name not in folders(root / ".cache"), "a day is long enough on another machine"


def test_two_processes_make_it_once(make_scenes, tmp_path):
    root = make_scenes(tmp_path, 2)
    code = "import sys; sys.path.insert(0, sys.argv[2]); from test_cache import open_samples; open_samples(sys.argv[1])"
    command = [sys.executable, "-c", code, str(root), str(Path(__file__).parent)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert len(folders(root / ".cache")) == 1
