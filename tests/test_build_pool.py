"""Cut-outs become a pool in the shipped format: complete or not there, computed once, nothing outside the folder."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rimlib.entities import corrections, cutout_cache, sources, starter
from rimlib.entities.annotate import Annotation
from rimlib.entities.auto_labels import Label, Reason
from rimlib.entities.build_pool import build
from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, Source
from rimlib.entities.sources.report import Report
from rimlib.errors import RimError
from rimlib.io import files, images

H, W = 24, 32
DISC = np.clip((8 - np.hypot(*(np.mgrid[:H, :W] - [[[12]], [[16]]]))) / 4 + 0.5, 0, 1)
WORDS = {"salient": True, "transparent": False, "gender": None, "age_group": None, "clothes": None}


def annotate(name, kind, foreground, alpha, given, labeller, weak_category):
    """A stand-in for the networks: it has colours, and categories only where the source gives a word."""
    assert foreground.dtype == np.uint8 and alpha.dtype == np.float32 and alpha.max() > 0
    category = given.get("category") or weak_category
    if category is None:
        raise RimError(f"{name}: its category is not known", setting="category")
    values = {**WORDS, "category": category, "color": given.get("color", "red")}
    if kind == "person":
        values |= {"gender": given.get("gender"), "age_group": given.get("age_group"), "clothes": given.get("clothes")}
    label = Label("category", None, "category: no weights for maskrcnn", Reason.NO_WEIGHTS)
    return Annotation(values, {"category": None, "color": "red"}, (label,))


@pytest.fixture
def source(tmp_path):
    """A source of six cut-outs: five photographs with mattes and one RGBA file; and two backgrounds."""
    folder = tmp_path / "source"
    folder.mkdir()
    y, x = np.mgrid[:H, :W]
    truth, ground = np.array([200, 40, 30]), np.stack([20 + x, 90 + y, 200 - x], axis=-1)
    image = np.rint(truth * DISC[..., None] + ground * (1 - DISC[..., None])).astype(np.uint8)
    cutouts = []
    for number, category in enumerate(("owl", "owl", "owl", "owl", "net")):
        images.write_image(folder / f"{number}.png", image)
        images.write_matte(folder / f"{number}-a.png", DISC)
        split = "test" if number in (3, 4) else "train"
        cutouts.append(
            CutoutFiles(
                f"set-{number}",
                "thing",
                split,
                "set",
                f"{number}-a.png",
                folder / f"{number}-a.png",
                image=folder / f"{number}.png",
                licence="CC0",
                credit="none",
                weak_category=category,
            )
        )
    images.write_cutout(folder / "5.png", np.full((H, W, 3), 70, np.uint8), DISC)
    cutouts.append(
        CutoutFiles("set-5", "thing", "train", "set", "5.png", None, foreground=folder / "5.png", weak_category="owl")
    )
    images.write_image(folder / "bg.jpg", ground.astype(np.uint8))
    images.write_image(folder / "bg.png", ground.astype(np.uint8))
    return Source(
        "set",
        Report("set", str(folder)),
        cutouts,
        [
            BackgroundFile("set-bg-1", "train", "set", "bg.jpg", folder / "bg.jpg", "wood"),
            BackgroundFile("set-bg-2", "test", "set", "bg.png", folder / "bg.png"),
        ],
    )


@pytest.fixture
def make(tmp_path, source):
    """`build` into tmp_path/pool with the options that these tests share."""

    def run(*more, out="pool", **options):
        options = {"foreground": "ml", "annotate": annotate, "progress": False, **options}
        return build([source, *more], tmp_path / out, **options)

    return run


def write_table(path, rows):
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


def computed(monkeypatch):
    """The names of the cut-outs whose pixels are computed from now on, as they come."""
    names, before = [], cutout_cache.read_pixels
    monkeypatch.setattr(cutout_cache, "read_pixels", lambda cutout: (names.append(cutout.name), before(cutout))[1])
    return names


def test_the_pool_opens_as_the_shipped_one_does(make, tmp_path):
    result = make()
    assert (result.entities, result.backgrounds, result.computed) == (6, 2, 8) and not result.left_out
    pool = starter.load(tmp_path / "pool")
    assert [entity.name for entity in pool.entities] == [f"set-{number}" for number in range(6)] and starter.verify(
        tmp_path / "pool"
    ) == []
    foreground, alpha = pool.cutout("set-0")
    assert foreground.shape[:2] == alpha.shape == pool.size("set-0") and max(alpha.shape) < W, (
        "cropped to what is visible"
    )
    assert np.array_equal(np.rint(alpha * 255), np.rint(DISC * 255)[np.ix_(DISC.max(1) > 0.002, DISC.max(0) > 0.002)])
    error = np.abs(foreground.astype(float) - (200, 40, 30))[alpha > 0.1].mean()
    assert error < 4, "the background is out of the foreground's colours"
    assert (
        pool.background("set-bg-1").shape == (H, W, 3)
        and (tmp_path / "pool/backgrounds/set-bg-1.jpg").read_bytes()[:2] == b"\xff\xd8"
    )
    row = files.read_json(tmp_path / "pool/pool.json")["entities"][0]
    assert (
        row["automatic"] == {"category": None, "color": "red"}
        and row["file"] == "set-0.png"
        and row["licence"] == "CC0"
    )
    assert "| set-0 | set | 0-a.png | CC0 | none |" in (tmp_path / "pool/CREDITS.md").read_text()
    assert result.unlabelled == {"category: no weights for maskrcnn": 6}


def test_jpeg_backgrounds_are_copied_and_others_stored_as_jpeg(make, tmp_path):
    make()
    assert (tmp_path / "pool/backgrounds/set-bg-1.jpg").read_bytes() == (tmp_path / "source/bg.jpg").read_bytes()
    assert Image.open(tmp_path / "pool/backgrounds/set-bg-2.jpg").format == "JPEG"


def test_long_tailed_categories_leave_the_test_split_unless_the_table_keeps_them(make, tmp_path):
    split = lambda folder: {
        row["name"]: row["split"] for row in files.read_json(tmp_path / folder / "pool.json")["entities"]
    }
    make(long_tail=2)
    assert split("pool")["set-3"] == "test" and split("pool")["set-4"] == "train", "one net only"
    make(long_tail=0)
    assert split("pool")["set-4"] == "test"
    make(long_tail=2, corrections=write_table(tmp_path / "t.csv", [{"name": "set-4", "split": "test"}]))
    assert split("pool")["set-4"] == "test"


def test_a_second_call_computes_nothing_and_a_new_table_no_pixels(make, tmp_path, monkeypatch):
    make()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "pool/entities").iterdir()}
    names = computed(monkeypatch)
    assert make().computed == 0
    result = make(
        corrections=write_table(
            tmp_path / "t.csv",
            [
                {"name": "set-1", "category": "barn owl", "color": "white", "keep": ""},
                {"name": "set-2", "keep": "0"},
                {"name": "unknown"},
            ],
        )
    )
    rows = {row["name"]: row for row in files.read_json(tmp_path / "pool/pool.json")["entities"]}
    assert (
        rows["set-1"]["category"] == "barn owl"
        and rows["set-1"]["color"] == "white"
        and rows["set-1"]["automatic"]["color"] == "red"
    )
    assert "set-2" not in rows and result.unused == ["unknown"]
    assert names == [] and before == {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / "pool/entities").iterdir()
    }


def test_a_changed_file_or_method_is_computed_again(make, tmp_path, monkeypatch):
    make()
    images.write_matte(tmp_path / "source/2-a.png", DISC * 0.5)
    names = computed(monkeypatch)
    make()
    assert names == ["set-2"]
    make(foreground="cf")
    assert sorted(names[1:]) == [f"set-{number}" for number in range(6)]


def test_an_interrupted_call_goes_on_and_leaves_no_pool_behind(make, tmp_path, monkeypatch):
    names, before = [], cutout_cache.read_pixels

    def stop(cutout):
        names.append(cutout.name)
        if len(names) == 4:
            raise KeyboardInterrupt
        return before(cutout)

    monkeypatch.setattr(cutout_cache, "read_pixels", stop)
    with pytest.raises(KeyboardInterrupt):
        make()
    assert not (tmp_path / "pool/pool.json").exists()
    (tmp_path / "pool/entities/.0123456789abcdef.part").write_bytes(b"half")
    make()
    assert len(names) == 4 + 3, "three were done, the fourth and the rest are made"
    assert starter.verify(tmp_path / "pool") == [] and not list((tmp_path / "pool").rglob("*.part"))


def test_what_was_complete_is_not_while_something_of_it_is_made_again(make, tmp_path, monkeypatch):
    make()
    images.write_matte(tmp_path / "source/2-a.png", DISC * 0.5)
    monkeypatch.setattr(cutout_cache, "read_pixels", lambda cutout: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make()
    assert not (tmp_path / "pool/pool.json").exists()


def test_a_full_disk_is_an_error_even_where_bad_files_are_skipped(make, monkeypatch, tmp_path):
    def full(path, data, durable=True):
        raise RimError(f"{path}: cannot be written: the disk is full")

    monkeypatch.setattr(cutout_cache.files, "write_atomically", full)
    with pytest.raises(RimError, match="disk is full"):
        make(skip_bad=True)
    assert not (tmp_path / "pool/pool.json").exists()


def test_two_workers_make_the_same_pool(make, tmp_path):
    make()
    make(out="other", workers=2)
    assert (tmp_path / "pool/pool.json").read_bytes() == (tmp_path / "other/pool.json").read_bytes()


@pytest.mark.parametrize(
    "damage, name",
    [
        (lambda folder: images.write_matte(folder / "1-a.png", np.zeros((H, W))), "1-a.png"),
        (lambda folder: images.write_matte(folder / "1-a.png", np.ones((H, W + 1))), "1.png"),
        (lambda folder: (folder / "1.png").write_bytes(b"no image"), "1.png"),
        (lambda folder: (folder / "1.png").unlink(), "1.png"),
        (lambda folder: (folder / "bg.jpg").write_bytes(b""), "bg.jpg"),
    ],
)
def test_a_bad_file_is_named_or_left_out(make, tmp_path, damage, name):
    damage(tmp_path / "source")
    with pytest.raises(RimError, match=f"^{tmp_path}/source/{name}: "):
        make()
    assert not (tmp_path / "pool/pool.json").exists()
    result = make(skip_bad=True)
    assert len(result.left_out) == 1 and f"source/{name}: " in result.left_out[0]
    assert (
        result.entities + result.backgrounds == 7
        and files.read_json(tmp_path / "pool/pool.json")["left_out"] == result.left_out
    )


def test_one_name_twice_is_refused_or_left_out(make, source):
    again = replace(source.cutouts[0], path="another.png")
    more = Source("more", Report("more", "x"), [again])
    with pytest.raises(RimError, match="^another.png: .*set-0.* 0-a.png"):
        make(more)
    result = make(more, skip_bad=True)
    assert result.entities == 6 and "another.png" in result.left_out[0]


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", "", "..", 'x"y'])
def test_no_name_leads_out_of_the_folder(make, source, tmp_path, name):
    more = Source("more", Report("more", "x"), [replace(source.cutouts[0], name=name)])
    with pytest.raises(RimError) as caught:
        make(more)
    assert caught.value.path == source.cutouts[0].path
    assert not (tmp_path / "pool").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(make, tmp_path):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/mine.txt").write_text("keep me")
    with pytest.raises(RimError) as caught:
        make()
    assert caught.value.path == str(tmp_path / "pool")
    assert [path.name for path in (tmp_path / "pool").iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(RimError) as caught:
        make(out="file")
    assert caught.value.path == str(tmp_path / "file")


def test_all_entities_that_lack_an_attribute_are_listed_at_once(make, tmp_path, source):
    source.cutouts[:3] = [replace(item, weak_category=None) for item in source.cutouts[:3]]
    with pytest.raises(RimError, match=r"^3 entities .*set-0: its category") as caught:
        make()
    assert caught.value.path == str(tmp_path / "pool/wanted.csv")
    with open(tmp_path / "pool/wanted.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["name"] for row in rows] == ["set-0", "set-1", "set-2"]
    for row in rows:
        row["category"] = "owl"
    assert make(corrections=write_table(tmp_path / "filled.csv", rows)).entities == 6
    result = make(skip_bad=True)
    assert result.entities == 3 and len(result.left_out) == 3


def test_keep_brings_back_what_a_filter_left_out(make, tmp_path, source):
    source.left_out = [source.cutouts.pop(0)]
    assert make().entities == 5
    assert make(corrections=write_table(tmp_path / "t.csv", [{"name": "set-0", "keep": "1"}])).entities == 6


def test_a_correction_that_no_entity_can_have_is_listed(make, tmp_path):
    table = write_table(
        tmp_path / "t.csv",
        [{"name": "set-0", "kind": "person", "gender": "woman", "age_group": "adult", "clothes": "coat"}],
    )
    with pytest.raises(RimError, match="set-0.*gender"):
        make(corrections=table)


@pytest.mark.parametrize(
    "text, line, column",
    [
        ("", "", None),
        ("name,colour\na,red\n", "", "colour"),
        ("name\na\na\n", ", line 3", "name"),
        ("name,keep\na,yes\n", ", line 2", "keep"),
        ("name,keep\n,1\n", ", line 2", "name"),
        ("name\na,b\n", ", line 2", None),
        (b"name\n\xff\n", "", None),
    ],
)
def test_a_broken_table_is_refused_by_line(tmp_path, text, line, column):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RimError, match=f"^{path}{line}: ") as caught:
        corrections.read(path)
    assert (caught.value.path, caught.value.setting) == (str(path), column)
    assert ("did you mean color?" in str(caught.value)) == (column == "colour")
    with pytest.raises(RimError) as caught:
        corrections.read(tmp_path / "none.csv")
    assert caught.value.path == str(tmp_path / "none.csv")


def test_empty_cells_and_remarks_are_ignored(tmp_path):
    (tmp_path / "t.csv").write_text("﻿name, color,note,keep\na,, blurred ,\nb, red,,0\n", encoding="utf-8")
    assert corrections.read(tmp_path / "t.csv") == {"a": {}, "b": {"color": "red", "keep": "0"}}


def test_an_empty_pool_is_refused(make, source, tmp_path):
    source.cutouts.clear(), source.backgrounds.clear()
    with pytest.raises(RimError) as caught:
        make()
    assert caught.value.path == str(tmp_path / "pool")
    assert not (tmp_path / "pool/pool.json").exists()
    with pytest.raises(RimError) as caught:
        make(foreground="closed")
    assert caught.value.setting == "foreground"


def test_given_foregrounds_are_taken_where_they_are(make, source, tmp_path):
    images.write_image(tmp_path / "source/fg.png", np.full((H, W, 3), 9, np.uint8))
    source.cutouts[0] = replace(source.cutouts[0], foreground=tmp_path / "source/fg.png")
    make(foreground="given")
    pool = starter.load(tmp_path / "pool")
    assert set(np.unique(pool.cutout("set-0")[0])) == {0, 9} and pool.cutout("set-1")[0].max() > 9


def test_faces_are_blurred_and_hard_edges_softened(make, source, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    images.write_cutout(tmp_path / "source/6.png", noise, (DISC > 0.5).astype(np.float32))
    rough = CutoutFiles(
        "set-6", "thing", "train", "set", "6.png", None, foreground=tmp_path / "source/6.png", weak_category="owl"
    )
    source.cutouts += [rough, replace(rough, name="set-7", faces=((8, 4, 24, 20),), clean=True)]
    make()
    pool = starter.load(tmp_path / "pool")
    change = lambda name: np.abs(np.diff(pool.cutout(name)[0][4:10, 4:10].astype(float), axis=1)).mean()
    assert change("set-7") < change("set-6") / 3
    assert set(np.unique(pool.cutout("set-6")[1])) == {0, 1} and len(np.unique(pool.cutout("set-7")[1])) > 2


def test_known_words_of_a_source_give_way_to_the_table(make, source, tmp_path):
    source.cutouts[0] = replace(source.cutouts[0], known={"category": "tawny owl", "wispy": "1", "person": "p01"})
    make()
    assert {
        key: json.loads((tmp_path / "pool/pool.json").read_text())["entities"][0][key]
        for key in ("category", "wispy", "person")
    } == {"category": "tawny owl", "wispy": True, "person": "p01"}
    make(corrections=write_table(tmp_path / "t.csv", [{"name": "set-0", "category": "barn owl"}]))
    assert json.loads((tmp_path / "pool/pool.json").read_text())["entities"][0]["category"] == "barn owl"


def test_load_refuses_a_file_that_is_not_the_entitys_own(make, tmp_path):
    make()
    index = files.read_json(tmp_path / "pool/pool.json")
    for name in ("../../secret.png", "set-1.png", "set-0.exe", 3):
        index["entities"][0]["file"] = name
        files.write_json(tmp_path / "pool/pool.json", index)
        with pytest.raises(RimError, match="set-0.png") as caught:
            starter.load(tmp_path / "pool")
        assert caught.value.path == str(tmp_path / "pool/pool.json")


@pytest.mark.parametrize("reason", [None, Reason.UNSURE, Reason.NOT_ASKED])
def test_only_what_lacked_weights_is_annotated_again(make, reason):
    annotated = []
    with_count = lambda *arguments: (annotated.append(arguments[0]), annotate(*arguments))[1]
    make(annotate=with_count)
    make(annotate=with_count)
    assert len(annotated) == 12
    label = Label("category", None, "category: whatever the message is, no weights or not", reason)
    result = make(annotate=lambda *arguments: replace(annotate(*arguments), labels=(label,)))
    assert sum(result.unlabelled.values()) == (6 if reason == Reason.NOT_ASKED else 0)
    again = make(annotate=lambda *arguments: pytest.fail("its label is known"))
    assert again.unlabelled == result.unlabelled


def test_it_takes_what_the_readers_read(tmp_path):
    """From a folder in AM-2k's layout to a pool, with H and W of the images' own."""
    for name in ("train/mask", "train/original", "validation/mask", "validation/original"):
        image = DISC if "mask" in name else np.full((H, W, 3), 90, np.uint8)
        (images.write_matte if "mask" in name else images.write_image)(
            tmp_path / "AM-2k" / name / f"m_{name[:2]}.png", image
        )
    table = write_table(
        tmp_path / "t.csv", [{"name": f"am2k-m-{name}", "category": "fox", "color": "gray"} for name in ("tr", "va")]
    )
    result = build(sources.open_all([f"am2k={tmp_path}"]), tmp_path / "pool", table, "ml", long_tail=0, progress=False)
    pool = starter.load(tmp_path / "pool")
    assert result.entities == 2 and {(item.kind, item.category, item.split) for item in pool.entities} == {
        ("animal", "fox", "train"),
        ("animal", "fox", "test"),
    }


KILLED = """
import sys
from rimlib.entities import sources
from rimlib.entities.build_pool import build
build(sources.open_all([f"folder={sys.argv[1]}"]), sys.argv[2], long_tail=0, progress=False)
"""


def test_killed_at_any_moment_it_goes_on_to_the_same_pool(tmp_path):
    """kill -9, several times, at different places."""
    many = tmp_path / "many"
    for number in range(40):
        (many / "owl").mkdir(parents=True, exist_ok=True)
        images.write_cutout(many / "owl" / f"{number}.png", np.full((H, W, 3), 5 * number, np.uint8), DISC)
    command = [sys.executable, "-c", KILLED, str(many)]
    for count in (3, 17, 30):
        process = subprocess.Popen([*command, str(tmp_path / "pool")])
        while process.poll() is None and len(list(tmp_path.glob("pool/entities/*.png"))) < count:
            time.sleep(0.002)
        process.kill()
        process.wait()
        index = tmp_path / "pool" / "pool.json"
        assert not index.exists() or len(files.read_json(index)["entities"]) == 40
    result = build(sources.open_all([f"folder={many}"]), tmp_path / "pool", long_tail=0, progress=False)
    assert result.computed < 40
    build(sources.open_all([f"folder={many}"]), tmp_path / "whole", long_tail=0, progress=False)
    assert (tmp_path / "pool/pool.json").read_bytes() == (tmp_path / "whole/pool.json").read_bytes() and starter.verify(
        tmp_path / "pool"
    ) == []
