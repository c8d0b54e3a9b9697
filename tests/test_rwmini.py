"""RW-mini: it is whole, its sentences and credits are in order, and its mattes follow from its trimaps."""

import shutil
from collections import defaultdict

import numpy as np
import pytest

from rimlib import show
from rimlib.entities import rwmini
from rimlib.errors import RimError
from rimlib.io import files, images
from tools import build_rwmini, trimaps

LABELS = rwmini.labels()
OF_IMAGE = defaultdict(list)
for mask_id, row in LABELS.items():
    OF_IMAGE[row["image_name"]].append(mask_id)


def test_there_are_enough_images_with_two_or_three_entities_each():
    counted = rwmini.stats()
    assert counted["images"] >= 6 and counted["entities"] >= 14
    assert {len(mask_ids) for mask_ids in OF_IMAGE.values()} <= {2, 3}
    assert counted["people"] >= 2 and counted["animals"] >= 2 and counted["things"] >= 2
    assert counted["bytes"] < 2_600_000


def test_the_folders_hold_what_the_labels_name_and_nothing_else():
    assert (
        {path.stem for path in (rwmini.FOLDER / "image").iterdir()}
        == set(OF_IMAGE)
        == {row["name"] for row in rwmini.selection()}
    )
    assert {path.stem for path in (rwmini.FOLDER / "mask").iterdir()} == set(LABELS)
    assert {path.stem for path in (rwmini.FOLDER / "trimaps").iterdir()} == set(LABELS)


@pytest.mark.parametrize("name", OF_IMAGE)
def test_mattes_have_their_images_size_and_never_sum_above_one(name):
    height, width = images.read_image(rwmini.FOLDER / "image" / f"{name}.jpg").shape[:2]
    assert max(height, width) <= 1024
    alphas = [images.read_matte(rwmini.FOLDER / "mask" / f"{mask_id}.png") for mask_id in OF_IMAGE[name]]
    assert all(alpha.shape == (height, width) for alpha in alphas)
    assert sum(alphas).max() <= 1 + 2 / 255
    for alpha in alphas:
        assert 0.005 < alpha.mean() < 0.6
        assert 0.0005 < ((alpha > 0.02) & (alpha < 0.98)).mean()  # soft edges, not a mask of two values


def test_four_sentences_each_and_none_twice_in_an_image():
    for mask_ids in OF_IMAGE.values():
        sentences = [sentence for mask_id in mask_ids for sentence in LABELS[mask_id]["expressions"]]
        assert len(sentences) == 4 * len(mask_ids) == len({sentence.lower() for sentence in sentences})
    for row in LABELS.values():
        assert row["kinds"] == ["basic", "absolute", "relative", "free"]
        assert row["entity_kind"] in ("person", "animal", "thing")
        for sentence in row["expressions"]:
            assert (
                sentence == " ".join(sentence.split())
                and sentence.startswith("the ")
                and 4 <= len(sentence.split()) <= 20
            )
            assert "the the" not in sentence and "  " not in sentence and not sentence.endswith(".")


def test_absolute_sentences_agree_with_where_the_matte_lies():
    for mask_id, row in LABELS.items():
        alpha = images.read_matte(rwmini.FOLDER / "mask" / f"{mask_id}.png")
        across, down = (
            np.average(np.arange(alpha.shape[axis]), weights=alpha.sum(axis=1 - axis)) / alpha.shape[axis]
            for axis in (1, 0)
        )
        words = set(row["expressions"][1].replace(",", "").split())
        if not {"left", "right"} <= words:
            assert not words & {"left", "leftmost"} or across < 0.5, (mask_id, words, across)
            assert not words & {"right", "rightmost"} or across > 0.5, (mask_id, words, across)
        assert not words & {"top", "upper"} or down < 0.5, (mask_id, words, down)
        assert not words & {"bottom", "lower"} or down > 0.5, (mask_id, words, down)


def test_each_target_has_one_scored_expression():
    scored = files.read_json(rwmini.FOLDER / rwmini.EVALUATED)
    assert scored == {mask_id: row["eval_index"] for mask_id, row in LABELS.items()}
    assert set(scored.values()) == {0, 1, 2, 3}  # all four kinds are scored


def test_credits_name_every_image_and_only_open_licences():
    credits = (rwmini.FOLDER / "CREDITS.md").read_text(encoding="utf-8")
    for row in rwmini.selection():
        assert f"| {row['name']} | {row['credit']} | {row['licence']} |" in credits
        assert (
            row["licence"].startswith(("CC0", "CC-BY-", "GPL-", "public-domain"))
            and "NC" not in row["licence"]
            and "ND" not in row["licence"]
        )
        assert row["changes"]


def test_hashes_hold_and_a_changed_file_is_named(tmp_path):
    assert rwmini.verify() == []
    (tmp_path / "one.csv").write_text("name\n")
    (tmp_path / "two.csv").write_text("name\n")
    build_rwmini.seal(tmp_path)
    build_rwmini.seal(tmp_path)  # the manifest isn't a part of itself
    assert rwmini.verify(tmp_path) == []
    (tmp_path / "one.csv").write_text("other\n")
    (tmp_path / "two.csv").unlink()
    assert rwmini.verify(tmp_path) == [str(tmp_path / "one.csv"), str(tmp_path / "two.csv")]


def test_shipped_faces_are_blurred():
    boxes = [
        (row["name"], [int(number) for number in box.split()])
        for row in rwmini.selection()
        if row["faces"]
        for box in row["faces"].split(";")
    ]
    assert len(boxes) >= 6
    for name, (left, top, right, bottom) in boxes:
        grey = images.read_image(rwmini.FOLDER / "image" / f"{name}.jpg").mean(axis=2)
        across, down = (right - left) // 4, (bottom - top) // 4
        face = grey[top + down : bottom - down, left + across : right - across]
        assert np.abs(np.diff(face, 2, axis=1)).mean() < 5.5, name  # smooth: no eyes, no mouth


def test_the_matting_of_a_trimap_gives_the_shipped_matte():
    name, mask_id = "swans", "swans_1"
    image = images.read_image(rwmini.FOLDER / "image" / f"{name}.jpg")
    alpha = trimaps.matte(image, build_rwmini.load_trimaps(name)[mask_id])
    shipped = images.read_matte(rwmini.FOLDER / "mask" / f"{mask_id}.png")
    assert np.abs(alpha - shipped).mean() < 1e-4 and np.abs(alpha - shipped).max() < 0.1


def test_two_drawings_that_are_sure_of_one_pixel_are_refused(tmp_path):
    for name in ("image", "trimaps"):
        (tmp_path / name).mkdir()
    images.write_image(tmp_path / "image" / "a.jpg", np.zeros((20, 20, 3), np.uint8))
    square = {"band": 1, "outline": ["2,2 15,2 15,15 2,15"]}
    files.write_json(tmp_path / rwmini.LABELS, {"a_1": {"image_name": "a"}, "a_2": {"image_name": "a"}})
    for mask_id in ("a_1", "a_2"):
        files.write_json(tmp_path / "trimaps" / f"{mask_id}.json", square)
    with pytest.raises(RimError, match="a_1, a_2") as caught:
        build_rwmini.load_trimaps("a", tmp_path)
    assert caught.value.path == str(tmp_path / "trimaps")


def test_mattes_that_claim_one_pixel_share_it(monkeypatch):
    monkeypatch.setattr(trimaps, "matte", lambda image, trimap: trimap / np.float32(255))
    alphas = build_rwmini.mattes(
        np.zeros((1, 3, 3), np.uint8), {"a": np.array([[255, 128, 0]]), "b": np.array([[0, 255, 128]])}
    )
    assert np.isclose(sum(alphas.values()), [[1, 1, 128 / 255]], atol=1e-6).all()


def test_credits_and_manifest_are_what_the_builder_writes(tmp_path):
    text = (rwmini.FOLDER / "CREDITS.md").read_text(encoding="utf-8")
    assert build_rwmini.credits_text(rwmini.selection()) == text
    copy = shutil.copytree(rwmini.FOLDER, tmp_path / "copy")
    assert build_rwmini.seal(copy).read_bytes() == (rwmini.FOLDER / rwmini.MANIFEST).read_bytes()


def test_it_is_built_from_packages_and_drawings(tmp_path):
    rng = np.random.default_rng(0)
    photograph = np.kron(rng.integers(0, 255, (4, 6, 3), np.uint8), np.ones((20, 20, 1), np.uint8))  # (80, 120, 3)
    images.write_image(tmp_path / "packages/x_art/usr/a.png", photograph)
    folder = tmp_path / "tables"
    row = {"name": "a", "source": "art", "path": "usr/a.png", "inside": "", "rotate": "90", "crop": "0 0 0.5 1"}
    row |= {"longer_side": "60", "faces": "2 2 12 20", "licence": "CC0", "credit": "me", "origin": "x", "changes": "y"}
    files.write_atomically(folder / "selection.csv", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    label = {"image_name": "a", "entity_kind": "thing", "keyword": "ball", "expressions": ["the ball"]}
    files.write_json(folder / rwmini.LABELS, {"a_1": label})
    files.write_json(folder / rwmini.EVALUATED, {"a_1": 0})
    drawing = {"band": 2, "outline": ["8,10 20,10 20,40 8,40"]}
    files.write_json(folder / "trimaps" / "a_1.json", drawing)
    counted = build_rwmini.build(tmp_path / "packages", tmp_path / "out", folder)
    assert (counted["images"], counted["entities"], counted["things"]) == (1, 1, 1)
    assert rwmini.verify(tmp_path / "out") == []
    image = images.read_image(tmp_path / "out/image/a.jpg")
    expected = np.rot90(photograph)[:, :40]  # turned to 120 x 80, then its left half
    assert image.shape == (60, 20, 3), "half as large"
    difference = np.abs(image.astype(int) - images.resize(np.ascontiguousarray(expected), (60, 20)))
    assert difference[25:].mean() < 12 and difference[3:19, 3:11].mean() > 12, "only the face is blurred"
    alpha = images.read_matte(tmp_path / "out/mask/a_1.png")
    assert alpha[25, 14] == 1 and alpha[25, 2] == 0 and alpha[50].max() == 0
    assert "| a | me | CC0 | art | a.png | <x> | y |" in (tmp_path / "out/CREDITS.md").read_text()


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(RimError, match="apt-get install gcompris-qt-data"):
        build_rwmini.build(tmp_path / "nothing", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_sheet_has_a_row_for_each_image():
    sheet = show.rwmini_sheet(height=24)
    assert sheet.shape[0] == len(OF_IMAGE) * 28 and sheet.std() > 20
