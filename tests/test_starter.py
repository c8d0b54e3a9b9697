"""The shipped pool: its size, its honesty, and what is done to a picture before it ships."""

import csv
import json

import numpy as np
import pytest

from rimlib import cli
from rimlib.entities import starter
from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.entity import Entity
from rimlib.errors import RimError
from rimlib.io import images


@pytest.fixture(scope="module")
def pool():
    return starter.load()


def test_it_is_large_enough_and_small_enough(capsys):
    assert cli.main(["pool", "stats", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    least = {
        "entities": 150,
        "categories": 70,
        "people": 45,
        "persons": 14,
        "animals": 60,
        "things": 45,
        "transparent": 10,
        "backgrounds": 40,
    }
    assert all(counts[name] >= number for name, number in least.items()), counts
    assert counts["bytes"] < 12e6 and counts["test_entities"] > 0
    assert set(counts) == {*least, "test_entities", "bytes"}


def test_every_file_is_the_one_that_was_recorded():
    assert starter.verify() == []


def test_verify_finds_a_changed_file(tmp_path):
    folder = tmp_path / "pool"
    (folder / "entities").mkdir(parents=True)
    index = {"entities": [{"name": "one", "sha256": "0"}], "backgrounds": []}
    (folder / "pool.json").write_text(json.dumps(index))
    assert starter.verify(folder) == [str(folder / "entities" / "one.webp")]


def test_nothing_lies_in_the_pool_that_is_not_credited(pool):
    for part, names in (
        ("entities", [entity.name for entity in pool.entities]),
        ("backgrounds", [item.name for item in pool.backgrounds]),
    ):
        assert sorted(path.stem for path in (starter.FOLDER / part).iterdir()) == sorted(names)
    for item in [*pool.entities, *pool.backgrounds]:
        assert item.source and item.path and item.licence and item.credit, item.name
    credits = (starter.FOLDER / "CREDITS.md").read_text()
    assert all(f"| {item.name} |" in credits for item in [*pool.entities, *pool.backgrounds])


def test_the_split_keeps_test_entities_and_persons_unseen(pool):
    of_category = {}
    for entity in pool.entities:
        of_category.setdefault(entity.category, []).append(entity)
    for category, members in of_category.items():
        if category != "human":
            assert sum(entity.split == "test" for entity in members) == (1 if len(members) >= 3 else 0), category
    persons = {split: {entity.person for entity in pool.of("person", split)} for split in ("train", "test")}
    assert persons["test"] and not persons["train"] & persons["test"]


def test_nearly_every_person_has_a_face_box(pool):
    """Two pictures show no face; the blur itself is tested below."""
    with open(starter.FOLDER / "selection.csv", newline="") as handle:
        faces = {row["name"]: row["faces"] for row in csv.DictReader(handle) if row["kind"] == "person"}
    assert sum(bool(boxes) for boxes in faces.values()) >= 50
    assert set(faces) == {entity.name for entity in pool.of("person")}


def test_blur_leaves_few_colours_and_touches_nothing_else():
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    blurred = blur_faces(picture, [(10, 10, 40, 50)])
    assert np.array_equal(picture[:, 45:], blurred[:, 45:]) and np.array_equal(picture[:9], blurred[:9])
    rough = lambda array: np.abs(np.diff(array[20:40, 18:32].astype(float), axis=1)).mean()
    assert rough(blurred) < rough(picture) / 8


def test_clean_drops_specks_crops_and_softens_a_hard_edge():
    alpha = np.zeros((60, 80), np.float32)
    alpha[20:50, 30:60] = 1
    alpha[2, 2] = 1  # a speck
    foreground = np.full((60, 80, 3), 255, np.uint8)  # the old background is white …
    foreground[21:49, 31:59] = (200, 0, 0)  # … and its last pixel is inside the mask
    color, matte = clean_cutout(foreground, alpha, 384)
    assert max(matte.shape) <= 32
    assert 0 < ((matte > 0.05) & (matte < 0.95)).mean()
    assert np.abs(color[matte > 0.02].astype(int) - (200, 0, 0)).max() < 3, "no white rim is left"


def test_clean_refuses_an_empty_matte():
    with pytest.raises(RimError, match="empty"):
        clean_cutout(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), 384)


def test_color_counts_what_is_visible_only():
    foreground = np.full((40, 40, 3), (0, 0, 255), np.uint8)
    foreground[:10] = (250, 128, 114)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:10] = 1
    assert color_name(dominant_color(foreground, alpha)) == "salmon"


def test_entities_refuse_what_no_sentence_could_say():
    with pytest.raises(RimError, match="'nobody'.*gender"):
        Entity("nobody", "person", "human", "red", age_group="adult", clothes="coat")
    with pytest.raises(RimError, match="kind"):
        Entity("x", "plant", "tree", "green")


def test_rebuild_names_the_package_that_is_missing(tmp_path):
    with pytest.raises(RimError, match="apt-get install scratch"):
        starter.rebuild(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out-*"))


def test_contact_sheet(tmp_path):
    starter.show(tmp_path / "sheet.png")
    assert images.read_image(tmp_path / "sheet.png").shape[1] == 20 * 96
