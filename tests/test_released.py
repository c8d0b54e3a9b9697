"""The released folders, on tiny files in their layouts and in the forms that copies have."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from rimlib.errors import RimError
from rimlib.io import images
from rimlib.refmatte import released
from rimlib.refmatte.check import check

FOUR = ["the red cup", "the cup on the left", "the cup left of the plate", "my cup"]


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def add_image(folder, inner, name, masks=2, size=(8, 10)):
    images.write_image(folder / inner / f"{name}.jpg", np.zeros((*size, 3), np.uint8))
    for number in range(masks):
        images.write_matte(folder / "mask" / f"{name}_{number + 1}.png", np.zeros(size))
    return {
        f"{name}_{number + 1}": {"image_name": name, "expressions": list(FOUR), "anything": [1, 2]}
        for number in range(masks)
    }


@pytest.fixture
def rw100(tmp_path):
    root = tmp_path / "RefMatte_RW_100"
    rows = {**add_image(root, "image", "a1"), **add_image(root, "image", "b2", masks=3)}
    write(root / "refmatte_rw100_label.json", rows)
    write(root / "eval_index_expression.json", {"a1": 3, "b2": "1"})
    return root


@pytest.fixture
def refmatte(tmp_path):
    base = tmp_path / "RefMatte" / "RefMatte"
    for split in ("train", "test"):
        write(base / f"refmatte_{split}_label.json", add_image(base / split, "img", f"rim_{split}_00a1b2c3"))
    return base


@pytest.mark.parametrize("split", ["rw100", "test"])
@pytest.mark.parametrize("above", [False, True])
def test_the_real_world_set_opens(rw100, split, above):
    layout = released.locate(rw100.parent if above else rw100, split)
    assert layout.labels.name == "refmatte_rw100_label.json" and layout.image("a1") == rw100 / "image/a1.jpg"
    assert layout.mask("b2_3") == rw100 / "mask/b2_3.png" and layout.mask("b2_3").is_file()
    rows = released.read_rows(layout)
    assert len(rows) == 5 and rows["a1_1"]["eval_index"] == 3 and rows["b2_3"]["eval_index"] == 1
    assert rows["a1_1"]["anything"] == [1, 2], "unknown keys are kept"
    assert check(layout, sizes=True) == []


@pytest.mark.parametrize("place", [".", "..", "../..", "train"])
@pytest.mark.parametrize("labels", [".", "..", "train"])
def test_the_synthetic_set_opens_wherever_its_labels_lie(refmatte, place, labels):
    name = "refmatte_train_label.json"
    shutil.move(refmatte / name, refmatte / labels / "moved")
    (refmatte / labels / "moved").rename(refmatte / labels / name)
    layout = released.locate((refmatte / place).resolve(), "train")
    assert (
        layout.image("rim_train_00a1b2c3").is_file()
        and layout.mask("rim_train_00a1b2c3_2").is_file()
        and layout.eval_index == {}
    )
    assert "eval_index" not in released.read_rows(layout)["rim_train_00a1b2c3_1"] and check(layout) == []


def test_splits_are_kept_apart(refmatte, rw100):
    assert "rim_test_00a1b2c3_1" in released.read_rows(released.locate(refmatte, "test"))
    assert released.locate(rw100.parent, "test").labels.name == "refmatte_test_label.json", (
        "the synthetic test split comes first"
    )
    with pytest.raises(RimError, match="refmatte_seen_label.json: not found"):
        released.locate(refmatte, "seen")
    with pytest.raises(RimError, match="refmatte_train_label.json: not found"):
        released.locate(rw100, "train")


def test_an_index_by_entity_goes_before_one_by_image(rw100):
    write(rw100 / "eval_index_expression.json", {"a1": 3, "a1_2.png": 0, "b2.jpg": 2})
    rows = released.read_rows(released.locate(rw100, "rw100"))
    assert [rows[name]["eval_index"] for name in ("a1_1", "a1_2", "b2_1")] == [3, 0, 2]


def test_other_forms_of_an_entry_are_understood(rw100):
    write(
        rw100 / "refmatte_rw100_label.json",
        {
            "a1_1.png": {"image_name": "a1.jpg", "expressions": "just one"},
            "b2_2": {"image_name": "b2", "expressions": FOUR},
        },
    )
    write(rw100 / "eval_index_expression.json", {})
    rows = released.read_rows(released.locate(rw100, "rw100"))
    assert rows["a1_1"] == {"image_name": "a1", "expressions": ["just one"]} and rows["b2_2"]["image_name"] == "b2"


def test_images_may_have_other_endings(rw100):
    Image.open(rw100 / "image/a1.jpg").save(rw100 / "image/a1.png")
    (rw100 / "image/a1.jpg").unlink()
    layout = released.locate(rw100, "rw100")
    assert layout.image("a1").name == "a1.png" and check(layout, sizes=True) == []
    assert layout.image("none").name == "none.jpg", "reading it will raise that it is missing"


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "broken JSON"),
        ("[]", "found list"),
        ("{}", "one entry for each mask"),
        ("3", "found int"),
        ('{"a1_1": 3}', "'a1_1' must be an object"),
        ('{"a1_1": {"image_name": "a1"}}', "'a1_1' needs expressions"),
        ('{"a1_1": {"image_name": "a1", "expressions": [1]}}', "needs expressions"),
        ('{"a1_1": {"image_name": 5, "expressions": ["x"]}}', "no image_name"),
        ('{"a_1": {"expressions": ["x"]}}', "no image_name"),
        ('{"../a1_1": {"image_name": "a1", "expressions": ["x"]}}', "'../a1_1' is not a plain"),
        ('{"a1_1": {"image_name": "b/a1", "expressions": ["x"]}}', "'b/a1' is not a plain"),
        ('{"a1_1": {"image_name": "..", "expressions": ["x"]}}', "'..' is not a plain"),
        (
            '{"a1_1": {"image_name": "a", "expressions": ["x"]}, "a1_1.png":{"image_name": "a", "expressions": ["x"]}}',
            "was there before",
        ),
    ],
)
def test_a_broken_label_file_is_refused_by_entry(rw100, text, words):
    write(rw100 / "refmatte_rw100_label.json", text)
    write(rw100 / "eval_index_expression.json", {})
    with pytest.raises(RimError, match=words) as caught:
        released.read_rows(released.locate(rw100, "rw100"))
    assert "refmatte_rw100_label.json" in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "broken JSON"),
        ("[1]", "found list"),
        ('{"a1": "second"}', "'a1' must be the position"),
        ('{"a1": true}', "position"),
        ('{"a1": 4}', "'a1_1' is 4; it has 4"),
        ('{"a1": -1}', "is -1"),
    ],
)
def test_a_broken_index_is_refused_by_entry(rw100, text, words):
    write(rw100 / "eval_index_expression.json", text)
    with pytest.raises(RimError, match=words) as caught:
        released.read_rows(released.locate(rw100, "rw100"))
    assert "eval_index_expression.json" in str(caught.value)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda root: (root / "image/a1.jpg").unlink(), "image/a1.jpg: not found"),
        (lambda root: (root / "mask/a1_2.png").unlink(), "mask/a1_2.png: not found"),
        (
            lambda root: images.write_image(root / "image/c3.jpg", np.zeros((8, 8, 3), np.uint8)),
            "image/c3.jpg: an image without a mask",
        ),
        (
            lambda root: images.write_matte(root / "mask/c3_1.png", np.zeros((8, 8))),
            "mask/c3_1.png: a mask without an entry",
        ),
        (
            lambda root: images.write_matte(root / "mask/a1_2.png", np.zeros((9, 10))),
            "mask/a1_2.png: 9 x 10 pixels, its image a1 has 8 x 10",
        ),
        (lambda root: (root / "mask/a1_2.png").write_bytes(b"x"), "mask/a1_2.png: is not an image"),
    ],
)
def test_what_does_not_fit_together_is_named(rw100, damage, words):
    damage(rw100)
    lines = check(released.locate(rw100, "rw100"), sizes=True)
    assert lines and all(words in line or "for the mask a1_2" in line for line in lines)


def test_missing_folders_are_named(rw100, refmatte, tmp_path):
    shutil.rmtree(rw100 / "mask")
    with pytest.raises(RimError, match="RefMatte_RW_100/mask is missing"):
        released.locate(rw100, "rw100")
    shutil.rmtree(refmatte / "train/img")
    with pytest.raises(RimError, match="train/img is missing"):
        released.locate(refmatte, "train")
    assert released.read_rows(released.locate(refmatte, "train", need_images=False)), "sentences need no images"
    with pytest.raises(RimError, match="no such folder"):
        released.locate(tmp_path / "nowhere", "train")


def test_no_name_leads_out_of_the_folder(rw100):
    layout = released.locate(rw100, "rw100")
    for name in ("../image/a1", "a/b", "..", "", "a\\b"):
        for path_of in (layout.image, layout.mask):
            with pytest.raises(RimError, match="plain"):
                path_of(name)
    with pytest.raises(RimError, match="plain"):
        released.locate(rw100, "../test")


def test_names_of_other_systems_are_found(rw100):
    rows = add_image(rw100, "image", "beige\u0301 \u30ac", masks=1)  # as macOS writes it: letter and accent apart
    (rw100 / "image/beige\u0301 \u30ac.jpg").rename(rw100 / "image/beige\u0301 \u30ac.Jpeg")
    row = {"beig\u00e9 \u30ac_1": {**rows["beige\u0301 \u30ac_1"], "image_name": "beig\u00e9 \u30ac.jpg"}}
    table = json.loads((rw100 / "refmatte_rw100_label.json").read_text())
    write(rw100 / "refmatte_rw100_label.json", {**table, **row})
    layout = released.locate(rw100, "rw100")
    assert check(layout, sizes=True) == []
    assert layout.image("beig\u00e9 \u30ac").is_file() and layout.mask("beig\u00e9 \u30ac_1").is_file()


@pytest.mark.parametrize("dtype, white", [(np.uint8, 1), (np.uint16, 255)])
def test_masks_of_another_scale_are_named(rw100, dtype, white):
    for number in (1, 2):
        values = np.zeros((8, 10), dtype)
        values[2:6, 2:6] = white
        Image.fromarray(values).save(rw100 / f"mask/a1_{number}.png")
    wrong = check(released.locate(rw100, "rw100"), sizes=True)
    assert len(wrong) == 2 and all("stored in 0 and 1" in line and "mask/a1_" in line for line in wrong)
