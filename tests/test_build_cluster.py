"""Building with the workers of a Dask cluster: what they write, and what happens when one is killed or none answers."""

import os
import signal
import sys
import threading
import time

import pytest
from small import SMALL, bytes_of

from rimlib.entities import starter
from rimlib.errors import RimError
from rimlib.profile import Data
from rimlib.refmatte import build, render, workers


@pytest.fixture(scope="module")
def pool():
    return starter.load()


def test_a_worker_of_a_dask_cluster_is_killed_and_the_result_is_the_same(pool, tmp_path):
    distributed = pytest.importorskip("distributed")
    settings = Data(**{**vars(SMALL), "images_per_group_train": 6, "extra_train": 60})
    whole = build.build(settings, tmp_path / "whole", splits=("train",), pool=pool, progress=False)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        slow = SlowPool(pool)
        thread = threading.Thread(target=kill_one, args=(cluster, tmp_path / "set"))
        thread.start()
        build.build(
            settings, tmp_path / "set", splits=("train",), pool=slow, progress=False, dask=cluster.scheduler_address
        )
        thread.join()
        assert KILLED_PIDS, "a worker was killed while it was at work"
    assert bytes_of(tmp_path / "set") == bytes_of(whole)


KILLED_PIDS: list[int] = []


def kill_one(cluster, root):
    while len(list(root.glob("*/img/*.jpg"))) < 5:
        time.sleep(0.01)
    pid = next(iter(cluster.workers.values())).pid
    if len(list(root.glob("*/img/*.jpg"))) < 66:
        os.kill(pid, signal.SIGKILL)
        KILLED_PIDS.append(pid)


def slow_background(background):
    time.sleep(0.05)
    return starter.load().background(background.name)


def SlowPool(pool):
    """The same pool for a plan, whose pictures take time to read, so that there is time to kill who reads them."""
    slow = pool.only([entity.name for entity in pool.entities], [item.name for item in pool.backgrounds])
    slow._background_readers = dict.fromkeys(slow._background_readers, slow_background)
    slow._mark, slow._kept = "slow", type(slow._kept)()
    return slow


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer_is_named(pool, tmp_path, monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "SECONDS", 1)
    with pytest.raises(RimError, match=f"--dask {address}: no scheduler answers"):
        build.build(SMALL, tmp_path, splits=("seen",), pool=pool, progress=False, dask=address)


def test_without_dask_the_package_to_install_is_named(pool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RimError, match=r'pip install "dask\[distributed\]"'):
        build.build(SMALL, tmp_path, splits=("seen",), pool=pool, progress=False, dask="tcp://127.0.0.1:9")


def test_files_that_a_worker_wrote_elsewhere_are_missed(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(
        workers, "write", lambda pool, order, *rest: render.Written(order.name, (("train/img/x.jpg", 1, ""),), 1.0)
    )
    with pytest.raises(RimError, match="must share this folder"):
        build.build(SMALL, tmp_path, splits=("train",), pool=pool, progress=False)
