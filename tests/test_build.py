"""Plan and build: the paper's proportions, the same bytes however they are made, and no half data sets."""

import json
import shutil

import numpy as np
import pytest

from rimlib.entities import starter
from rimlib.errors import RimError
from rimlib.profile import Data, load
from rimlib.refmatte import build, format, plan
from rimlib.refmatte.dataset import RefMatte

SMALL = load("tiny", data__height=96, data__width=128, data__groups_train=1, data__images_per_group_train=4, data__extra_train=3,
             data__groups_test=1, data__images_per_group_test=2, data__extra_test=1).data


@pytest.fixture(scope="module")
def pool():
    return starter.load()


@pytest.fixture(scope="module")
def root(pool, tmp_path_factory):
    return build.build(SMALL, tmp_path_factory.mktemp("data") / "set", pool=pool, progress=False)


def bytes_of(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file() and ".cache" not in path.parts}


def test_two_processes_make_the_same_bytes_as_one(pool, root, tmp_path):
    other = build.build(SMALL, tmp_path / "other", workers=2, pool=pool, progress=False)
    assert bytes_of(other) == bytes_of(root)


def test_a_build_that_was_stopped_goes_on(pool, root, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(root, broken, ignore=shutil.ignore_patterns(".cache"))
    format.label_path(broken, "train").unlink()
    gone = RefMatte(root, "train").image_names[2]
    format.image_path(broken, "train", gone).unlink()
    with pytest.raises(RimError, match="refmatte_train_label.json"):
        RefMatte(broken, "train")                      # a stopped one never looks complete
    assert bytes_of(build.build(SMALL, broken, pool=pool, progress=False)) == bytes_of(root)


def test_another_plan_is_refused_and_nothing_is_changed(pool, root):
    before = bytes_of(root)
    with pytest.raises(RimError, match="another plan"):
        build.build(Data(**{**vars(SMALL), "seed": 9}), root, pool=pool, progress=False)
    assert bytes_of(root) == before


def test_what_is_read_back_is_what_was_planned(pool, root):
    reader = RefMatte(root, "train")
    scenes = {scene.name: scene for scene in plan.plan(pool, SMALL, "train")}
    assert set(reader.image_names) == set(scenes)
    name = reader.image_names[0]
    picture, mattes = build.render(pool, scenes[name], (SMALL.height, SMALL.width))
    assert np.abs(reader.image(name).astype(int) - picture).mean() < 6      # JPEG
    for target, alpha in zip(reader.targets_of(name), mattes):
        assert np.abs(reader.matte(target.mask_id) - alpha).max() <= 0.5 / 255 + 1e-6
        assert len(target.expressions) == 4 and target.evaluated in target.expressions
    clear = RefMatte(root, "train", "keyword")
    assert all(len({target.keyword for target in clear.targets_of(image)}) == len(clear.targets_of(image)) for image in clear.image_names)


@pytest.mark.parametrize("labels, words", [
    ("{\"a_1\": ", "line 1"),
    ("[]", "one entry for each mask"),
    ({"a_1": {"expressions": ["x"]}}, "a_1"),
    ({"a_1": {"image_name": "a", "expressions": []}}, "needs expressions"),
    ({"../a_1": {"image_name": "a", "expressions": ["x"]}}, "plain file name"),
])
def test_broken_label_files_are_named(tmp_path, labels, words):
    format.label_path(tmp_path, "train").write_text(labels if isinstance(labels, str) else json.dumps(labels))
    with pytest.raises(RimError, match="refmatte_train_label.json") as caught:
        RefMatte(tmp_path, "train")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_released_labels_are_read_too(tmp_path):
    """The released file has a string where a list is expected in places, and keys of its own."""
    format.label_path(tmp_path, "train").write_text(json.dumps({"rim_train_0_1": {"image_name": "rim_train_0", "expressions": "the cat", "rel": 3}}))
    (target,) = RefMatte(tmp_path, "train").targets
    assert target.expressions == ("the cat",) and target.extra == {"rel": 3} and target.evaluated == "the cat"


def test_a_folder_that_cannot_be_made_is_named(pool, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RimError, match="file"):
        build.build(SMALL, tmp_path / "file" / "set", pool=pool, progress=False)


def test_a_full_disk_stops_the_build_with_one_line_and_it_goes_on_later(pool, root, tmp_path, monkeypatch):
    import errno

    from rimlib import files

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
