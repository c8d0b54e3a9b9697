"""Which samples a step has: a permutation for each epoch, shared by devices, and prepared by processes."""

import os
import pickle
import signal
import time

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.training.batches import Batches, Key, Loader


def first(count, **options):
    batches = iter(Batches(**{"length": 5, "size": 4, "seed": 3, **options}))
    return [next(batches) for _ in range(count)]


class Numbers:
    """A sample is what follows from its key."""

    def __init__(self, bad=None, kill=None, pause=0.0):
        self.bad, self.kill, self.pause = bad, kill, pause

    def __getitem__(self, key):
        time.sleep(self.pause * (key.index % 2))
        if key.step == self.bad:
            raise RimError("a.png: not an image", path="a.png")
        if key.step == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.random.default_rng([1, key.epoch, key.index]).integers(1000)


def test_each_epoch_has_every_image_once_in_another_order():
    keys = [key for batch in first(5) for key in batch]  # 20 places, four epochs of five
    epochs = [[key.index for key in keys if key.epoch == epoch] for epoch in range(4)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs) and len({tuple(epoch) for epoch in epochs}) > 1
    assert [key.step for key in keys] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
    assert first(5) == first(5) != first(5, seed=4)


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_goes_on_within_an_epoch(step):
    assert first(5 - step, first=step) == first(5)[step:]
    sizes = {"size": lambda number: 2 + 2 * (number % 2)}
    assert first(5 - step, first=step, **sizes) == first(5, **sizes)[step:]


@pytest.mark.parametrize(("world", "parts"), [(2, 1), (1, 2), (2, 2), (4, 1)])
def test_devices_and_parts_share_a_step(world, parts):
    shares = [first(6 * parts, world=world, parts=parts, rank=rank) for rank in range(world)]
    for step, whole in enumerate(first(6)):
        mine = [share[step * parts : (step + 1) * parts] for share in shares]
        assert [key for share in mine for part in share for key in part] == whole


def test_a_step_that_cannot_be_shared_is_refused():
    with pytest.raises(RimError) as caught:
        Batches(5, 4, seed=1, world=3)
    assert caught.value.setting == "train.images"


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_neither_samples_nor_their_order(workers):
    with Loader(Numbers(pause=0.005), list, Batches(5, 4, seed=3), workers) as loader:
        found = [next(loader) for _ in range(6)]
    assert found == [[Numbers()[key] for key in batch] for batch in first(6)]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_data_is_one_line(workers):
    with Loader(Numbers(bad=2), list, Batches(5, 4, seed=3), workers) as loader:
        next(loader), next(loader)
        with pytest.raises(RimError) as caught:
            next(loader)
    assert caught.value.path == "a.png" and len(str(caught.value).splitlines()) == 1


def test_a_worker_that_is_killed_is_one_line():
    with pytest.raises(RimError) as caught, Loader(Numbers(kill=1), list, Batches(5, 4, seed=3), 1) as loader:
        for _ in range(3):
            next(loader)
    assert caught.value.setting == "train.workers"


def test_an_error_keeps_its_fields_between_processes():
    error = pickle.loads(pickle.dumps(RimError("a: b", path="a", setting="s")))
    assert (str(error), error.path, error.setting) == ("a: b", "a", "s")
    assert Key(1, 2, 3)._asdict() == {"epoch": 1, "index": 2, "step": 3}
