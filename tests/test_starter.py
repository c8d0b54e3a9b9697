"""The shipped pool: its size, its honesty, and what is done to an image before it ships."""

import csv
import json

import numpy as np
import pytest

from rimlib import cli, show
from rimlib.entities import starter
from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.color import color_name, dominant_color
from rimlib.entities.entity import Entity
from rimlib.errors import RimError
from rimlib.io import files, images
from tools import build_starter


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
    """Two images show no face; the blur itself is tested below."""
    with open(starter.FOLDER / "selection.csv", newline="") as handle:
        faces = {row["name"]: row["faces"] for row in csv.DictReader(handle) if row["kind"] == "person"}
    assert sum(bool(boxes) for boxes in faces.values()) >= 50
    assert set(faces) == {entity.name for entity in pool.of("person")}


def test_blur_leaves_few_colours_and_touches_nothing_else():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    blurred = blur_faces(image, [(10, 10, 40, 50)])
    assert np.array_equal(image[:, 45:], blurred[:, 45:]) and np.array_equal(image[:9], blurred[:9])
    rough = lambda array: np.abs(np.diff(array[20:40, 18:32].astype(float), axis=1)).mean()
    assert rough(blurred) < rough(image) / 8


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
    with pytest.raises(RimError):
        clean_cutout(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), 384)


def test_color_counts_what_is_visible_only():
    foreground = np.full((40, 40, 3), (0, 0, 255), np.uint8)
    foreground[:10] = (250, 128, 114)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:10] = 1
    assert color_name(dominant_color(foreground, alpha)) == "salmon"


def test_entities_refuse_what_no_sentence_could_contain():
    person = {"gender": "male", "age_group": "adult", "clothes": "coat"}
    for wrong in ({"gender": None}, {"age_group": "old"}, {"clothes": ""}, {"split": "val"}, {"category": ""}):
        with pytest.raises(RimError, match="'somebody'") as caught:
            Entity(**{"name": "somebody", "kind": "person", "category": "human", "color": "red", **person, **wrong})
        assert caught.value.setting == next(iter(wrong))
    with pytest.raises(RimError) as caught:
        Entity("x", "plant", "tree", "green")
    assert caught.value.setting == "kind"


def test_the_builder_names_the_package_that_is_missing(tmp_path):
    with pytest.raises(RimError, match="apt-get install scratch"):
        build_starter.build(tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_pool_is_built_from_packages_and_tables(tmp_path):
    head = "source,path,name,kind,category,salient,transparent,wispy,gender,age,clothes,color,person,faces,"
    head += "licence,credit\n"
    rows = "art,usr/a.png,human-1,person,human,1,0,0,male,adult,coat,teal,p1,20 20 60 60,GPL,me|you\n"
    rows += "art,usr/a.png,glass,thing,glass,0,1,0,,,,,,,GPL,me\n"
    files.write_atomically(tmp_path / "tables/selection.csv", head + rows)
    background = "source,path,name,category,shows,licence,credit\nart,usr/b.jpg,bg-b,wood,tree fox,GPL,me\n"
    files.write_atomically(tmp_path / "tables/backgrounds.csv", background)
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    alpha = np.zeros((80, 80), np.float32)
    alpha[4:76, 4:76] = 0.9
    images.write_cutout(tmp_path / "root/x_art/usr/a.png", noise, alpha)
    images.write_image(tmp_path / "root/usr/b.jpg", np.full((300, 600, 3), 80, np.uint8))
    pool = build_starter.build(tmp_path / "root", tmp_path / "out", tmp_path / "tables")
    assert starter.verify(tmp_path / "out") == [] and pool.size("glass") == (72, 72)
    person, glass = pool["human-1"], pool["glass"]
    assert (person.color, person.person, person.age_group, person.split) == ("teal", "p1", "adult", "train")
    assert (glass.salient, glass.transparent, glass.color) == (
        False,
        True,
        color_name(dominant_color(*pool.cutout("glass"))),
    )
    rough = {
        name: np.abs(np.diff(pool.cutout(name)[0][24:48, 24:48].astype(float), axis=1)).mean()
        for name in ("human-1", "glass")
    }
    assert rough["human-1"] < rough["glass"] / 3, "the face is blurred"
    assert pool.background("bg-b").shape == (240, 480, 3) and pool.backgrounds[0].shows == ("tree", "fox")
    assert pool.backgrounds[0].split == "test", "the first of six"
    assert "| human-1 | art | a.png | GPL | me/you |" in (tmp_path / "out/CREDITS.md").read_text()
    labels = build_starter.automatic_labels(tmp_path / "out")
    assert {row["column"]: row["corrected"] for row in labels if row["name"] == "human-1"} == {
        "color": "teal",
        "salient": None,
        "transparent": None,
    }


def test_the_shipped_credits_are_what_the_builder_writes():
    index = files.read_json(starter.FOLDER / "pool.json")
    text = build_starter.credits_text(index["entities"], index["backgrounds"])
    assert text == (starter.FOLDER / "CREDITS.md").read_text(encoding="utf-8")


def test_contact_sheet(tmp_path, capsys):
    assert cli.main(["pool", "show", str(tmp_path / "sheet.png")]) == 0
    assert images.read_image(tmp_path / "sheet.png").shape[1] == 20 * 96
    assert show.pool_sheet(starter.load().only(["koala-on-log"], []), columns=1).shape == (96, 96, 3)


def test_corrections_of_the_shipped_pool_are_those_of_its_index(pool):
    rows = build_starter.automatic_labels()
    assert len(rows) == 3 * len(pool) and {row["column"] for row in rows} == {"color", "salient", "transparent"}
    for row in rows:
        final = getattr(pool[row["name"]], row["column"])
        assert final == (row["automatic"] if row["corrected"] is None else row["corrected"])
        assert row["corrected"] is None or row["corrected"] != row["automatic"]
    corrected = [row for row in rows if row["corrected"] is not None]
    assert 0.02 < len(corrected) / len(rows) < 0.3
    assert {row["name"]: row["corrected"] for row in corrected if row["column"] == "transparent"}["fly-house"] is True
