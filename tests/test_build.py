"""The build: the same bytes however it is made or stopped, nothing outside its folder, and no half data sets."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import psutil
import pytest
from small import SMALL, bytes_of

from rimlib.entities import starter
from rimlib.entities.pool import PixelCache, Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import load
from rimlib.refmatte import build, format, manifest, plan, render, workers
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.jobs import RenderJob
from rimlib.refmatte.layout import Placement

CHANGED = (
    "height width groups_train images_per_group_train extra_train groups_test images_per_group_test extra_test".split()
)


@pytest.fixture(scope="module")
def pool():
    return starter.load()


@pytest.fixture(scope="module")
def root(pool, tmp_path_factory):
    return build.build(SMALL, tmp_path_factory.mktemp("data") / "set", pool=pool, progress=False)


def pool_like(pool, read_cutout=None, **changes):
    """The same entities and backgrounds, with nothing decoded, read by another function."""
    read_cutout = read_cutout or (lambda entity: pool.cutout(entity.name, keep=False))
    sizes = {entity.name: pool.size(entity.name) for entity in pool.entities}
    entities = changes.pop("entities", pool.entities)
    return Pool(entities, pool.backgrounds, read_cutout, lambda item: pool.background(item.name), sizes, **changes)


def test_two_processes_write_the_same_bytes_as_one(pool, root, tmp_path):
    other = build.build(SMALL, tmp_path / "other", workers=2, pool=pool, progress=False)
    assert bytes_of(other) == bytes_of(root)


def test_resume_renders_only_what_is_missing(pool, root, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken, ignore=shutil.ignore_patterns(".cache"))
    format.label_path(broken, "train").unlink()
    gone = RefMatte(root, "train").image_names[2]
    format.image_path(broken, "train", gone).unlink()
    with pytest.raises(RimError, match="refmatte_train_label.json"):
        RefMatte(broken, "train")  # a stopped one never looks complete
    before = {path: path.stat().st_mtime_ns for path in broken.rglob("*.jpg")}
    assert bytes_of(build.build(SMALL, broken, pool=pool, progress=False)) == bytes_of(root)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items()), "what was there was not made again"


def stopped(pool, root, monkeypatch, after):
    """A build that ends, as if killed, when so many scenes were written; what is in place then stays in place."""

    def kill(*task):
        nonlocal after
        written = []
        for job in task[1]:
            after -= 1
            if after < 0:
                raise KeyboardInterrupt
            written.append(write(task[0], job, *task[2:]))
        return written

    write = workers.write
    with monkeypatch.context() as patched:
        patched.setattr(workers, "render_chunk", kill)
        with pytest.raises(KeyboardInterrupt):
            build.build(SMALL, root, pool=pool, progress=False)


@pytest.mark.parametrize("after", [0, 1, 4, 7, 8, 10, 12])
def test_resume_after_a_stop_anywhere_gives_the_same_bytes(pool, root, tmp_path, monkeypatch, after):
    stopped(pool, tmp_path, monkeypatch, after)
    build.build(SMALL, tmp_path, pool=pool, progress=False)
    assert bytes_of(tmp_path) == bytes_of(root)


def test_files_cut_short_by_a_power_cut_are_rendered_again(pool, root, tmp_path, monkeypatch):
    stopped(pool, tmp_path, monkeypatch, 6)
    images, masks = (sorted((tmp_path / "train" / kind).iterdir()) for kind in ("img", "mask"))
    assert len(images) == 6, "every scene that was written counts, whatever chunk it is of"
    images[0].write_bytes(b"")
    images[1].write_bytes(images[1].read_bytes()[:-1])
    masks[-1].write_bytes(masks[-1].read_bytes()[:-9])
    whole = {path: path.stat().st_mtime_ns for path in images[3:5]}
    (tmp_path / "train" / "mask" / ".0123456789abcdef.part").write_bytes(b"half")  # what kill -9 leaves
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"half")
    build.build(SMALL, tmp_path, pool=pool, progress=False)
    assert bytes_of(tmp_path) == bytes_of(root)
    kept = [path for path, time in whole.items() if path.stat().st_mtime_ns == time]
    assert kept, "whole scenes are not rendered again"


def test_another_plan_is_refused_and_nothing_is_changed(pool, root, monkeypatch):
    before = bytes_of(root)
    other = pool.only([entity.name for entity in pool.entities[1:]], [item.name for item in pool.backgrounds])
    for settings, of in ((replace(SMALL, seed=9), pool), (SMALL, other)):
        with pytest.raises(RimError, match="another plan") as caught:
            build.build(settings, root, pool=of, progress=False)
        assert caught.value.path == str(root)
    monkeypatch.setattr(plan, "version", lambda settings: 7)
    with pytest.raises(RimError, match="version of the engine"):  # same settings, same pool
        build.build(SMALL, root, pool=pool, progress=False)
    assert bytes_of(root) == before


def test_folders_of_the_first_version_are_still_accepted(pool, root, tmp_path):
    """`plan.json` had no version of the engine, and a hash of the first scenes."""
    old = shutil.copytree(root, tmp_path / "old")
    stamp = files.read_json(old / "plan.json")
    del stamp["engine"]
    for row in stamp["splits"].values():
        row["head"] = "0" * 64
    files.write_json(old / "plan.json", stamp)
    next((old / "train" / "mask").iterdir()).unlink()
    build.build(SMALL, old, pool=pool, progress=False)
    images = {path: data for path, data in bytes_of(root).items() if "/" in path}
    assert {path: data for path, data in bytes_of(old).items() if "/" in path} == images


def test_look_alikes_of_an_older_engine_are_refused(pool, root, tmp_path):
    """Their folder may be complete, so that nothing of it would be planned again."""
    old = shutil.copytree(root, tmp_path / "old")
    stamp = files.read_json(old / "plan.json")
    assert stamp["engine"] == 1, "one without look-alikes is not touched by it"
    alike = replace(SMALL, lookalikes=0.5)
    stamp["settings"] = hashlib.sha256(repr(alike).encode()).hexdigest()
    files.write_json(old / "plan.json", stamp)
    with pytest.raises(RimError, match="another version of the engine"):
        build.build(alike, old, pool=pool, progress=False)


@pytest.mark.parametrize(
    "change", [{"background": "bg-green-meadow"}, {"evaluated": (3, 2, 1)}], ids=["pixels", "labels"]
)
def test_an_engine_that_changes_late_scenes_only_is_refused_too(pool, tmp_path, monkeypatch, change):
    stopped(pool, tmp_path, monkeypatch, 1)
    before, scenes = bytes_of(tmp_path), plan.scenes
    changed = lambda *rest: (
        replace(scene, **change) if number == 5 else scene for number, scene in enumerate(scenes(*rest))
    )
    monkeypatch.setattr(plan, "scenes", changed)
    with pytest.raises(RimError, match="another plan"):
        build.build(SMALL, tmp_path, pool=pool, progress=False)
    assert {path for path in bytes_of(tmp_path) if "/img/" in path} == {path for path in before if "/img/" in path}


def test_a_folder_where_nothing_was_planned_yet_takes_another_plan(pool, root, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(RimError, match="no words"):
        patched.setattr(plan, "scenes", lambda *rest: (_ for _ in ()).throw(RimError("pool: no words")))
        build.build(replace(SMALL, seed=9), tmp_path, pool=pool, progress=False)
    assert bytes_of(build.build(SMALL, tmp_path, pool=pool, progress=False)) == bytes_of(root)


@pytest.mark.parametrize("name", ["photo.jpg", "plan.json"])
def test_a_folder_that_holds_something_else_is_refused(pool, tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(RimError) as caught:
        build.build(SMALL, tmp_path, pool=pool, progress=False)
    assert caught.value.path == str(tmp_path) and [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_is_written_outside_the_folder(pool, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set" / "train").mkdir(parents=True)
    (tmp_path / "set" / "train" / "img").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "plan.json").write_text(json.dumps({"splits": {}}))
    with pytest.raises(RimError, match="is a link that leads out") as caught:
        build.build(SMALL, tmp_path / "set", pool=pool, progress=False)
    assert caught.value.path == str(tmp_path / "set" / "train" / "img")
    for name in (".build", "plan.json", "refmatte_train_label.json"):
        shutil.rmtree(tmp_path / "set")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "plan.json").write_text("{}")
        (tmp_path / "set" / name).unlink(missing_ok=True)
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(RimError, match=f"{name}: is a link that leads out|another plan|holds something else"):
            build.build(SMALL, tmp_path / "set", pool=pool, progress=False)
    scenes = plan.scenes
    for name in ("../elsewhere/x", "/x", "a b", "a'b", ""):
        with monkeypatch.context() as patched:
            renamed = lambda *rest, name=name: (replace(scene, name=name) for scene in scenes(*rest))
            patched.setattr(plan, "scenes", renamed)
            with pytest.raises(RimError, match="files are named by it"):
                build.build(SMALL, tmp_path / "other", pool=pool, progress=False)
    with monkeypatch.context() as patched:
        patched.setattr(plan, "scenes", lambda *rest: (replace(scene, name="same") for scene in scenes(*rest)))
        with pytest.raises(RimError) as caught:
            build.build(SMALL, tmp_path / "other", pool=pool, progress=False)
        assert caught.value.setting == "data.seed"
    with pytest.raises(RimError) as caught:
        build.build(SMALL, tmp_path / "third", splits=("../elsewhere",), pool=pool, progress=False)
    assert caught.value.setting == "split"
    assert not list((tmp_path / "elsewhere").iterdir()) and not (tmp_path / "third").exists()


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "a.png").symlink_to(tmp_path / "outside")
    render.store(tmp_path / "a.png", b"new")
    assert (tmp_path / "outside").read_text() == "mine" and (tmp_path / "a.png").read_bytes() == b"new"


def test_a_second_build_in_the_folder_is_refused_while_the_first_is_writing(pool, tmp_path, monkeypatch):
    def meanwhile(*task):
        with pytest.raises(RimError, match="another process is writing into this folder") as caught:
            build.build(SMALL, tmp_path, pool=pool, progress=False)
        assert caught.value.path == str(tmp_path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(workers, "render_chunk", meanwhile)
        build.build(SMALL, tmp_path, pool=pool, progress=False)
    (tmp_path / ".build" / "lock").write_text("")  # a lock file that a killed process left
    build.build(SMALL, tmp_path, pool=pool, progress=False)
    assert not (tmp_path / ".build").exists()


def test_entities_and_backgrounds_that_cannot_be_used_are_named(pool, tmp_path, capsys):
    part = pool.only(["fox-red-standing", "koala-on-log"], ["bg-green-meadow"])
    size = part.background("bg-green-meadow").shape[:2]
    places = (Placement(0, 0, 50, 40), Placement(60, 0, 50, 40))
    job = RenderJob("a", "bg-green-meadow", ("fox-red-standing", "koala-on-log"), places, (False, False))
    with pytest.raises(RimError, match="bg-green-meadow.*would be enlarged 2.1 times"):
        render.write(part, job, tmp_path, "train", (int(size[0] * 2.1), 200))
    written = render.write(part, job, tmp_path, "train", (int(size[0] * 1.5), 200))
    assert written.enlarged == pytest.approx(1.5, abs=0.01)
    empty = pool_like(part, lambda entity: (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)))
    with pytest.raises(RimError, match="fox-red-standing.*alpha is empty"):
        render.write(empty, job, tmp_path, "train", (100, 200))
    settings = replace(SMALL, height=size[0] + 40)
    build.build(settings, tmp_path / "set", splits=("seen",), pool=pool, progress=False)
    assert capsys.readouterr().err.count("was enlarged") == 1, "one note for the whole build"


def test_a_group_decodes_each_of_its_entities_once(pool, tmp_path):
    read = Counter()

    def counted(entity):
        read.update([entity.name])
        return pool.cutout(entity.name, keep=False)

    settings = replace(SMALL, images_per_group_train=20, extra_train=0)
    build.build(settings, tmp_path, splits=("train",), pool=pool_like(pool, counted), progress=False)
    assert set(read.values()) == {1} and len(read) <= 7


def test_memory_does_not_grow_with_the_number_of_scenes(tmp_path):
    peaks = []
    for extra in (12, 12, 46):  # the first one loads what is loaded once
        pool = starter.load()
        small = Pool(
            pool.entities, pool.backgrounds, pool.cutout_readers, pool.background_readers, cache=PixelCache(10**6)
        )
        settings = replace(SMALL, groups_train=0, extra_train=extra, height=180, width=240)
        tracemalloc.start()
        build.build(settings, tmp_path / f"{len(peaks)}", splits=("train",), pool=small, progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 1_000_000, "34 scenes more are 8 MB of pixels more"


KILLED = """
import sys, time
from rimlib import profile
from rimlib.refmatte import build, workers
write = workers.write
workers.write = lambda *task: time.sleep(0.02) or write(*task)      # so that there is time to kill it
changes = {f"data__{name}": int(value) for name, value in (item.split("=") for item in sys.argv[3:])}
build.build(profile.load("tiny", **changes).data, sys.argv[1], workers=int(sys.argv[2]), progress=False)
"""


@pytest.mark.parametrize("signal_name, processes", [("SIGKILL", 1), ("SIGTERM", 1), ("SIGKILL", 2)])
def test_a_killed_process_leaves_what_the_next_one_finishes(pool, root, tmp_path, signal_name, processes):
    changes = [f"{name}={getattr(SMALL, name)}" for name in CHANGED]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "set", str(processes), *changes], start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "set").glob("*/img/*.jpg"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    its_workers = psutil.Process(process.pid).children()
    os.kill(process.pid, getattr(signal, signal_name))
    process.wait()
    with pytest.raises(RimError, match="not finished"):
        manifest.require_complete(tmp_path / "set", "train")
    assert not manifest.check(tmp_path / "set", progress=False).complete
    build.build(SMALL, tmp_path / "set", pool=pool, progress=False)
    assert bytes_of(tmp_path / "set") == bytes_of(root)
    assert len(its_workers) >= 2 or processes == 1
    assert not psutil.wait_procs(its_workers, timeout=10)[1], "its workers end with it"


def test_what_is_read_back_is_what_was_planned(pool, root):
    reader = RefMatte(root, "train")
    scenes = {scene.name: scene for scene in plan.plan(pool, SMALL, "train")}
    assert set(reader.image_names) == set(scenes)
    name = reader.image_names[0]
    image, mattes = render.render(pool, scenes[name], (SMALL.height, SMALL.width))
    assert np.abs(reader.image(name).astype(int) - image).mean() < 6  # JPEG
    for target, alpha in zip(reader.targets_of(name), mattes):
        assert np.abs(reader.matte(target.mask_id) - alpha).max() <= 0.5 / 255 + 1e-6
        assert len(target.expressions) == 4 and target.evaluated in target.expressions
    clear = RefMatte(root, "train", "keyword")
    assert all(
        len({target.keyword for target in clear.targets_of(image)}) == len(clear.targets_of(image))
        for image in clear.image_names
    )


@pytest.mark.parametrize(
    "labels, words",
    [
        ('{"a_1": ', "line 1"),
        ("[]", "one entry for each mask"),
        ("{}", "one entry for each mask"),
        ({"a_1": {"expressions": ["x"]}}, "a_1"),
        ({"a_1": {"image_name": "a", "expressions": []}}, "needs expressions"),
        ({"../a_1": {"image_name": "a", "expressions": ["x"]}}, "plain file name"),
    ],
)
def test_broken_label_files_are_named(tmp_path, labels, words):
    format.label_path(tmp_path, "train").write_text(labels if isinstance(labels, str) else json.dumps(labels))
    with pytest.raises(RimError, match="refmatte_train_label.json") as caught:
        RefMatte(tmp_path, "train")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_released_labels_are_read_too(tmp_path):
    """The released file has a string where a list is expected in places, and keys of its own."""
    format.label_path(tmp_path, "train").write_text(
        json.dumps({"rim_train_0_1": {"image_name": "rim_train_0", "expressions": "the cat", "rel": 3}})
    )
    (target,) = RefMatte(tmp_path, "train").targets
    assert target.expressions == ("the cat",) and target.extra == {"rel": 3} and target.evaluated == "the cat"


def test_a_folder_that_cannot_be_made_is_named(pool, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RimError) as caught:
        build.build(SMALL, tmp_path / "file" / "set", pool=pool, progress=False)
    assert caught.value.path == str(tmp_path / "file" / "set")


def test_a_full_disk_stops_the_build_with_one_line_and_it_is_resumed_later(pool, root, tmp_path, monkeypatch):
    written, whole = [], files._write_beside

    def fills_up(target, *rest):
        written.append(target)
        if len(written) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(target, *rest)

    monkeypatch.setattr(files, "_write_beside", fills_up)
    with pytest.raises(RimError, match="the disk is full") as caught:
        build.build(SMALL, tmp_path / "set", pool=pool, progress=False)
    assert str(written[-1]) in str(caught.value) and "\n" not in str(caught.value)
    assert not list((tmp_path / "set").rglob("*.part")) and not list((tmp_path / "set").glob("*_label.json"))
    monkeypatch.undo()
    assert bytes_of(build.build(SMALL, tmp_path / "set", pool=pool, progress=False)) == bytes_of(root)


def test_a_category_without_synonyms_is_named_once_and_built(pool, tmp_path, capsys):
    odd = replace(pool.of("thing", "train")[0], category="astrolabe")
    entities = [odd if entity.name == odd.name else entity for entity in pool.entities]
    settings = replace(SMALL, groups_train=0, extra_train=2)
    other = pool_like(pool, entities=entities)
    build.build(settings, tmp_path / "set", splits=("train",), pool=other, progress=False)
    notes = [line for line in capsys.readouterr().err.splitlines() if "synonyms" in line]
    assert len(notes) == 1 and "'astrolabe'" in notes[0] and odd.name in notes[0] and "categories.json" in notes[0]


def test_a_refmatte_of_the_readers_own_is_opened_as_it_is(make_scenes, tmp_path):
    profile = replace(load("tiny"), data=SMALL)
    own = make_scenes(tmp_path / "own", 2)
    before = bytes_of(own)
    assert build.build_or_open(profile, own) == (own, ("train",)) and bytes_of(own) == before
    with pytest.raises(RimError, match="it has train, and none of seen, test"):
        build.build_or_open(profile, own, ("seen", "test"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with pytest.raises(RimError, match="no refmatte_<split>_label.json here"):
        build.build_or_open(profile, tmp_path / "other")
    for _ in range(2):  # made, and used again
        made, splits = build.build_or_open(profile, tmp_path / "made", ("test",), progress=False)
        assert splits == ("test",) and RefMatte(made, "test").image_names
