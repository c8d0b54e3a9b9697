"""Who renders: this process, several on this machine, or those of a Dask cluster. The result is the same.

A task is a handful of scenes and a small pool of what they use; any worker may do it, twice does no harm, and none
waits for another. So a worker that dies costs its tasks' time and nothing else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.refmatte.jobs import RenderJob
from rimlib.refmatte.render import Written, one_thread, write

SECONDS = 20  # to find a Dask scheduler, and a worker of it

Task = tuple[Pool, list[RenderJob], Path, str, tuple[int, int]]  # pool, jobs, root, split, canvas


def render_all(tasks: Iterable[Task], workers: int = 1, dask: str | None = None) -> Iterator[list[Written]]:
    """Do each task; what it wrote comes back in any order, as it gets ready. Tasks are drawn as they are needed.

    Args:
        tasks: what to render.
        workers: processes on this machine, -1 for as many as it has cores.
        dask: address of a Dask scheduler such as `tcp://10.0.0.1:8786`; `workers` does not count then.

    Raises:
        RimError: what a task raises, a worker process that was killed, or a cluster that cannot be used.
    """
    if dask is not None:
        yield from _on_cluster(tasks, dask)
    elif workers == 1:
        yield from (render_chunk(*task) for task in tasks)
    else:
        yield from _in_processes(tasks, workers)


def render_chunk(pool: Pool, jobs: list[RenderJob], root: Path, split: str, canvas: tuple[int, int]) -> list[Written]:
    """One task, on one thread."""
    with one_thread():
        return [write(pool, job, root, split, canvas) for job in jobs]


def _in_processes(tasks: Iterable[Task], workers: int) -> Iterator[list[Written]]:
    run = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    try:
        yield from run(delayed(_render_chunk_of)(os.getpid(), *task) for task in tasks)
    except TerminatedWorkerError:
        raise RimError(
            "build: a worker process was killed, perhaps for want of memory; run it again, with fewer --workers, to "
            "resume it",
            setting="workers",
        ) from None


def _render_chunk_of(parent: int, *task: *Task) -> list[Written]:
    """`render_chunk` in a process that ends with its parent: joblib's would wait for minutes for more to do."""
    if not any(thread.name == "parent" for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    return render_chunk(*task)


def _end_with(parent: int) -> None:
    # Polled: loky has no signal for a parent's death, and its processes have no `multiprocessing.parent_process`.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _on_cluster(tasks: Iterable[Task], address: str) -> Iterator[list[Written]]:
    try:
        from distributed import Client
    except ImportError:
        raise RimError(
            '--dask: the package distributed is not installed; pip install "rimlib[cluster]"', setting="dask"
        ) from None
    try:
        client = Client(address, timeout=SECONDS)
        client.wait_for_workers(1, timeout=SECONDS)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        raise RimError(
            f"--dask {address}: no scheduler with workers answers ({error or type(error).__name__}); expected an "
            f"address such as tcp://10.0.0.1:8786, and workers that were started by `dask worker {address}`",
            setting="dask",
        ) from None
    with client, parallel_config(backend="dask", client=client):
        run = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)
        yield from run(delayed(render_chunk)(*task) for task in tasks)
