"""The manifest and the check: whatever happens to a data set is found and named."""

import json
import shutil

import pytest

from rimlib.entities import starter
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.profile import load
from rimlib.refmatte import build, manifest

TINY = load(
    "tiny",
    data__height=64,
    data__width=80,
    data__groups_train=0,
    data__extra_train=2,
    data__groups_test=0,
    data__extra_test=1,
    data__no_target=1,
).data
SPLITS = ("train", "test")


@pytest.fixture(scope="module")
def pool():
    return starter.load()


@pytest.fixture(scope="module")
def whole(pool, tmp_path_factory):
    return build.build(TINY, tmp_path_factory.mktemp("manifest") / "set", splits=SPLITS, pool=pool, progress=False)


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "set")


def check(root, **options):
    return manifest.check(root, progress=False, **options)


def test_a_whole_data_set_is_complete_and_counted(whole):
    report = check(whole, workers=2)
    listed = [manifest.read(whole, split) for split in SPLITS]
    assert report.complete and report.splits == ["train", "test"] and report.scenes == 3
    on_disk = [
        path for path in whole.rglob("*") if path.is_file() and path.name != "plan.json" and "manifest" not in path.name
    ]
    assert report.files == len(on_disk) == sum(len(one["files"]) for one in listed)
    assert report.bytes == sum(path.stat().st_size for path in on_disk) == sum(one["bytes"] for one in listed)
    assert sum(one["mattes"] for one in listed) == len(list(whole.glob("*/mask/*.png")))
    assert "complete and intact" in str(report)
    for path, (size, digest) in listed[0]["files"].items():
        assert (whole / path).stat().st_size == size and files.sha256(whole / path) == digest
    assert {"refmatte_train_label.json", "refmatte_train_no_target.json"} <= listed[0]["files"].keys()


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "pattern", ["train/img/*.jpg", "test/mask/*.png", "refmatte_train_label.json", "refmatte_test_no_target.json"]
)
def test_one_flipped_bit_one_lost_file_and_one_strange_file_are_named(root, pattern):
    path = next(root.glob(pattern))
    name = path.relative_to(root).as_posix()
    flip_a_byte(path)
    report = check(root)
    assert report.corrupted == [name] and not report.complete and f"{name}: corrupted" in str(report).splitlines()
    path.unlink()
    report = check(root)
    assert report.missing == [name] and not report.complete and f"{name}: missing" in str(report).splitlines()
    strange = path.with_name("strange.txt")
    strange.write_text("x")
    report = check(root)
    assert report.unexpected == [strange.relative_to(root).as_posix()] and not report.complete


def test_a_split_that_is_not_finished_is_reported(pool, root):
    manifest.manifest_path(root, "test").unlink()
    assert check(root).unfinished == {"test": (1, 1)}, "an image that is there is a scene that is done"
    next((root / "test" / "img").iterdir()).unlink()
    report = check(root)
    assert report.unfinished == {"test": (0, 1)} and not report.complete and "not finished" in str(report)
    with pytest.raises(RimError, match="0 of 1 scenes") as caught:
        manifest.require_complete(root, "test")
    assert (caught.value.path, caught.value.setting) == (str(root), "split")
    manifest.require_complete(root, "train")
    assert check(root, splits=["train"]).complete
    build.build(TINY, root, splits=SPLITS, pool=pool, progress=False)
    assert check(root).complete
    manifest.require_complete(root, "test")


def test_a_split_that_is_required_and_never_begun_is_reported(pool, root):
    stamp = files.read_json(root / "plan.json")
    stamp["splits"]["seen"] = None
    files.write_json(root / "plan.json", stamp)
    assert check(root).unfinished == {"seen": (0, 0)} and "unknown" in str(check(root))
    with pytest.raises(RimError, match="not finished"):
        manifest.require_complete(root, "seen")


def test_a_build_repairs_what_is_lost_and_the_bytes_are_the_same(pool, whole, root):
    for pattern in ("train/img/*.jpg", "test/mask/*.png", "refmatte_test_label.json"):
        next(root.glob(pattern)).unlink()
    build.build(TINY, root, splits=SPLITS, pool=pool, progress=False)
    assert check(root).complete
    for path in whole.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (root / path.relative_to(whole)).read_bytes()


def test_a_repair_does_not_certify_a_file_that_is_corrupted(pool, root):
    """What is there keeps the hash that it was written with; only what is rendered again gets a new one."""
    corrupted, *_, lost = sorted((root / "train" / "mask").iterdir())  # of two scenes
    flip_a_byte(corrupted)
    lost.unlink()
    build.build(TINY, root, splits=SPLITS, pool=pool, progress=False)
    assert lost.is_file() and check(root).corrupted == [corrupted.relative_to(root).as_posix()]


def test_a_manifest_of_another_plan_is_reported(root):
    stamp = files.read_json(root / "plan.json")
    stamp["splits"]["train"]["plan"] = "0" * 64
    files.write_json(root / "plan.json", stamp)
    assert check(root).corrupted == ["plan.json"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda root: (root / "plan.json").unlink(), "no plan.json"),
        (lambda root: (root / "plan.json").write_text("{"), "plan.json"),
        (lambda root: (root / "manifest_train.json").write_text('{"plan": '), "manifest_train.json"),
        (lambda root: (root / "manifest_train.json").write_text("[]"), "manifest_train.json: is no manifest"),
        (
            lambda root: (root / "manifest_train.json").write_text(
                json.dumps({"plan": {}, "scenes": 1, "files": {"../../etc/passwd": [1, ""]}})
            ),
            "not below its folder",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(root, change, words):
    change(root)
    with pytest.raises(RimError, match=words) as caught:
        check(root)
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)


def test_a_split_that_is_not_there_is_named(root):
    with pytest.raises(RimError, match="no split 'seen'; it has: train, test"):
        check(root, splits=["seen"])


def test_a_data_set_of_others_passes_unseen(scenes):
    manifest.require_complete(scenes, "train")
    with pytest.raises(RimError, match="did not make it"):
        check(scenes)
