"""The pool: sizes without pixels, small parts of it, pickling, and a limit on what is kept."""

import pickle

import numpy as np
import pytest

from rimlib.entities import starter
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import PixelCache, Pool
from rimlib.errors import RimError

READ = []


def read_cutout(entity):
    READ.append(entity.name)
    return np.zeros((10, 20, 3), np.uint8), np.ones((10, 20), np.float32)  # 1400 bytes


def read_background(background):
    READ.append(background.name)
    return np.zeros((20, 30, 3), np.uint8)  # 1800 bytes


def make(sizes=None, keep_bytes=10_000, names=("a", "b", "c")):
    READ.clear()
    return Pool(
        [Entity(name, "thing", "ball", "red") for name in names],
        [Background("x"), Background("y")],
        read_cutout,
        read_background,
        sizes,
        cache=PixelCache(keep_bytes),
    )


def test_a_recorded_size_needs_no_pixels_and_another_is_read_once():
    pool = make({"a": (10, 20)})
    assert pool.size("a") == (10, 20) and READ == []
    assert pool.size("b") == pool.size("b") == (10, 20) and READ == ["b"]
    with pytest.raises(RimError, match="no entity 'd'"):
        make({"d": (1, 1)}).size("d")


def test_the_shipped_pool_records_its_sizes(monkeypatch):
    pool = starter.load()
    for entity in pool.entities[::40]:
        assert pool.size(entity.name) == starter.load().cutout(entity.name)[1].shape
    assert pool.cache.bytes == 0


def test_the_least_recently_used_goes_first_when_the_limit_is_reached():
    pool = make(keep_bytes=3000)  # two cut-outs
    for name in ("a", "b", "a", "c", "a", "b"):
        pool.cutout(name)
        assert pool.cache.bytes <= 3000
    assert READ == ["a", "b", "c", "b"], "b went for c, since a had been read again"
    pool.background("x")
    assert pool.cache.bytes == 1800, "1800 and 1400 are more than the limit: both cut-outs went"


def test_one_thing_larger_than_the_limit_is_kept_until_the_next():
    pool = make(keep_bytes=100)
    assert pool.cutout("a") is pool.cutout("a") and READ == ["a"]
    pool.cutout("b")
    assert pool.cache.bytes == 1400 and pool.cutout("b") is pool.cutout("b") and READ == ["a", "b"]


def test_a_part_holds_what_was_selected_and_shares_the_pixels():
    pool = make({"a": (10, 20)})
    part = pool.only(["c", "a", "c"], ["y"])
    assert [item.name for item in part.entities] == ["c", "a"] and [item.name for item in part.backgrounds] == ["y"]
    assert part.cutout("a") is pool.cutout("a") and READ == ["a"]
    with pytest.raises(RimError, match="no entity 'b'"):
        part.cutout("b")
    with pytest.raises(RimError, match="no background 'z'"):
        pool.only([], ["z"])


def test_a_pickled_pool_is_small_and_copies_share_what_they_read():
    pool = make()
    pool.cutout("a"), pool.background("x")
    stored = pickle.dumps(pool.only(["a"], ["x"]))
    assert len(stored) < 1400
    READ.clear()
    one, two = pickle.loads(stored), pickle.loads(pickle.dumps(pool))
    one.cutout("a"), two.cutout("a"), two.cutout("b")
    assert READ == ["a", "b"]
    assert one.fingerprint() == pool.only(["a"], ["x"]).fingerprint()


def test_a_cache_of_its_own_is_shared_with_no_other_pool():
    pool = make()
    pool.cutout("a")
    fresh = Pool(pool.entities, pool.backgrounds, read_cutout, read_background, cache=PixelCache(3000))
    READ.clear()
    fresh.cutout("a"), pool.cutout("a")
    assert READ == ["a"] and fresh.fingerprint() == pool.fingerprint()
    here, fresh = pickle.loads(pickle.dumps(pool)), pickle.loads(pickle.dumps(fresh))
    READ.clear()
    here.cutout("a"), fresh.cutout("a")
    assert READ == ["a", "a"] and fresh.cache.limit == 3000


def test_a_pool_without_readers_can_be_planned_with_and_has_no_pixels():
    pool = Pool([Entity("a", "thing", "ball", "red")], [Background("x")], sizes={"a": (3, 4)})
    assert pool.only(["a"], ["x"]).size("a") == (3, 4)
    for read in (lambda: pool.cutout("a"), lambda: pool.cutout("a", keep=False), lambda: pool.background("x")):
        with pytest.raises(RimError, match="no pixels"):
            read()


def test_the_fingerprint_covers_rows_and_digests_but_not_what_was_read():
    pool = make()
    before = pool.fingerprint()
    pool.cutout("a")
    assert pool.fingerprint() == before != make(names=("a", "b", "d")).fingerprint()
    digested = Pool(pool.entities, pool.backgrounds, read_cutout, read_background, digests={"a": "00"})
    assert digested.fingerprint() != before


def test_two_pools_add_up_with_sizes_and_readers():
    both = make({"a": (10, 20)}).add(
        Pool([Entity("d", "thing", "ball", "red")], [], read_cutout, read_background, {"d": (3, 4)})
    )
    assert len(both) == 4 and both.size("d") == (3, 4) and both.size("a") == (10, 20) and READ == []
    assert both.cutout("d")[1].shape == (10, 20)
    with pytest.raises(RimError, match="used 2 times"):
        make().add(make())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\0b"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(RimError, match="not a plain name") as caught:
        make(names=("a", name))
    assert "\n" not in str(caught.value)
    assert len(make(names=('it\'s a "ball"', "ä"))) == 2


def test_threads_may_share_a_pool():
    from concurrent.futures import ThreadPoolExecutor

    pool = make(keep_bytes=3000)
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda number: pool.cutout("abc"[number % 3]), range(3000)))) == 3000
    assert pool.cache.bytes == 2800
