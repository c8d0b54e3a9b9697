"""Building with the workers of a Dask cluster: what they write, and what happens when one is killed or none is up."""

import os
import signal
import sys
import threading
import time
from functools import cache

import pytest
from small import SMALL, bytes_of

from rimlib.entities import starter
from rimlib.entities.pool import Pool
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
        slow = slow_pool(pool)
        thread = threading.Thread(target=kill_one, args=(cluster, tmp_path / "set"))
        thread.start()
        build.build(
            settings, tmp_path / "set", splits=("train",), pool=slow, progress=False, dask=cluster.scheduler_address
        )
        thread.join()
        assert KILLED_PIDS, "a worker was killed while it was at work"
    made, expected = bytes_of(tmp_path / "set"), bytes_of(whole)
    del made["plan.json"], expected["plan.json"]  # holds the digests of the pool's files, which the slow one has not
    assert made == expected


KILLED_PIDS: list[int] = []


def kill_one(cluster, root):
    while len(list(root.glob("*/img/*.jpg"))) < 5:
        time.sleep(0.01)
    pid = next(iter(cluster.workers.values())).pid
    if len(list(root.glob("*/img/*.jpg"))) < 66:
        os.kill(pid, signal.SIGKILL)
        KILLED_PIDS.append(pid)


starter_pool = cache(starter.load)


def slow_background(background):
    time.sleep(0.05)
    return starter_pool().background(background.name)


def read_cutout(entity):
    return starter_pool().cutout(entity.name)


def slow_pool(pool):
    """The same pool for a plan, whose images take time to read, so that there is time to kill a worker."""
    sizes = {entity.name: pool.size(entity.name) for entity in pool.entities}
    return Pool(pool.entities, pool.backgrounds, read_cutout, slow_background, sizes)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_cannot_be_reached_is_named(pool, tmp_path, monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "SECONDS", 1)
    with pytest.raises(RimError, match=f"--dask {address}") as caught:
        build.build(SMALL, tmp_path, splits=("seen",), pool=pool, progress=False, dask=address)
    assert caught.value.setting == "dask"


def test_without_dask_the_package_to_install_is_named(pool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RimError, match=r'pip install "rimlib\[cluster\]"'):
        build.build(SMALL, tmp_path, splits=("seen",), pool=pool, progress=False, dask="tcp://127.0.0.1:9")


def test_files_that_a_worker_wrote_elsewhere_are_missed(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(
        workers, "write", lambda pool, job, *rest: render.Written(job.name, (("train/img/x.jpg", (1, "")),), 1.0)
    )
    with pytest.raises(RimError, match="must share this folder"):
        build.build(SMALL, tmp_path, splits=("train",), pool=pool, progress=False)
