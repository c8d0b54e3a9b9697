"""A data set of a few small scenes, for the tests of what builds and reads one."""

from pathlib import Path

from rimlib.profile import load

SMALL = load(
    "tiny",
    data__height=96,
    data__width=128,
    data__groups_train=1,
    data__images_per_group_train=4,
    data__extra_train=3,
    data__groups_test=1,
    data__images_per_group_test=2,
    data__extra_test=1,
).data


def bytes_of(root: Path) -> dict[str, bytes]:
    """Each file of a data set; two builds are the same when these are."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }
