"""The readers of the public data sets, on tiny files in the real layouts."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from rimlib.entities import sources
from rimlib.entities.sources import aim500, art, names, public, sim
from rimlib.errors import RimError
from rimlib.io.images import size_of

DISC = np.clip(6 - np.hypot(*(np.mgrid[:12, :16] - [[[6]], [[8]]])), 0, 1)  # soft edge, shape (12, 16)


def put(path, mode="RGB", alpha=DISC, size=None):
    """An image (RGB), a matte (L) or a cut-out (RGBA) at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = np.full((*alpha.shape, 3), 120, np.uint8)
    levels = np.rint(alpha * 255).astype(np.uint8)
    image = Image.fromarray({"RGB": color, "L": levels, "RGBA": np.dstack([color, levels])}[mode])
    (image if size is None else image.resize(size)).save(path)
    return path


def make(root, source_name):
    """Two or so of everything that the layout of a data set has; returns the folder to read."""

    def couple(mattes, images, names, ending=".jpg", matte_ending=".png"):
        for name in names:
            put(root / mattes / f"{name}{matte_ending}", "L")
            put(root / images / f"{name}{ending}")

    if source_name == "am2k":
        couple("AM-2k/train/mask", "AM-2k/train/original", ["m_00a1b2c3", "m_00a1b2c4"])
        put(root / "AM-2k/train/fg/m_00a1b2c3.png")
        put(root / "AM-2k/train/fg/m_00a1b2c4.png")
        couple("AM-2k/validation/mask", "AM-2k/validation/original", ["m_00a1b2c5"])
        put(root / "AM-2k/validation/trimap/m_00a1b2c5.png", "L")
    elif source_name == "p3m10k":
        couple("P3M-10k/train/mask", "P3M-10k/train/blurred_image", ["p_1", "p_2"])
        couple("P3M-10k/validation/P3M-500-P/mask", "P3M-10k/validation/P3M-500-P/blurred_image", ["p_3"])
        couple("P3M-10k/validation/P3M-500-NP/mask", "P3M-10k/validation/P3M-500-NP/original_image", ["p_4"])
    elif source_name == "aim500":
        categories = ["portrait", "animal", "transparent", "plant", "furniture", "toy", "fruit"]
        couple("AIM-500/mask", "AIM-500/original", [f"o_{number}" for number in range(7)])
        (root / "AIM-500/aim_category_type.json").write_text(
            json.dumps(
                {f"o_{number}": {"type": "SO", "category": category} for number, category in enumerate(categories)}
            )
        )
    elif source_name == "sim":
        for name, stems in {
            "fire": ["fire-1", "fire-2"],
            "hair_easy": ["model-1"],
            "fur": ["retriever-348572_1920 (1)"],
            "sharp": ["man-wearing-yellow-jacket", "fire-1"],
        }.items():
            couple(f"SIMD/{name}/alpha", f"SIMD/{name}/fg", stems, matte_ending=".jpg")
        (root / "SIMD" / sim.TEST_LIST).write_text("fire:fire-2.jpg:2008_1.jpg\nfire:fire-2.jpg:2008_2.jpg\n")
    elif source_name == "dim":
        base = "Combined_Dataset/Training_set"
        couple(f"{base}/Adobe-licensed images/alpha", f"{base}/Adobe-licensed images/fg", ["feather", "same"])
        couple(f"{base}/Other/alpha", f"{base}/Other/fg", ["girl-beautiful-young", "same"])
        couple(
            "Combined_Dataset/Test_set/Adobe-licensed images/alpha",
            "Combined_Dataset/Test_set/Adobe-licensed images/fg",
            ["bulb"],
        )
    elif source_name == "hatt":
        couple("Distinctions-646/Train/GT", "Distinctions-646/Train/FG", ["0001", "0002"])
        couple("Distinctions-646/Test/GT", "Distinctions-646/Test/FG", ["0003"])
    elif source_name == "bg20k":
        for part, name in (("train", "h_1"), ("train", "h_2"), ("testval", "h_3"), ("train_denoise", "h_1")):
            put(root / "BG-20k" / part / f"{name}.jpg")
    elif source_name == "folder":
        put(root / "fox" / "one.png", "RGBA")
        put(root / "owl-2.png", "RGBA")
        put(root / "test" / "red fox" / "three.png", "RGBA")
        put(root / "backgrounds" / "wood.jpg")
    return root


@pytest.mark.parametrize(
    "source_name, train, test",
    [
        ("am2k", 2, 1),
        ("p3m10k", 2, 2),
        ("aim500", 0, 5),
        ("sim", 2, 1),
        ("dim", 3, 1),
        ("hatt", 2, 1),
        ("folder", 2, 1),
    ],
)
def test_each_layout_gives_its_splits(tmp_path, source_name, train, test):
    source = sources.read(source_name, make(tmp_path, source_name), deep=True, least=0)
    assert [sum(item.split == split for item in source.cutouts) for split in ("train", "test")] == [train, test]
    assert not [line for line in source.report.odd if "cannot" in line or "pixels" in line], source.report.odd
    for cutout in source.cutouts:
        assert re.fullmatch("[a-z0-9-]+", cutout.name)
        image, foreground, alpha = sources.read_pixels(cutout)
        assert alpha.shape == (12, 16) and (image is not None or foreground is not None)
    assert len({cutout.name for cutout in source.cutouts}) == train + test


@pytest.mark.parametrize(
    "source_name, name", [("am2k", "AM-2k"), ("hatt", "Distinctions-646"), ("sim", "SIMD"), ("dim", "Combined_Dataset")]
)
def test_the_folder_itself_or_the_one_above_it(tmp_path, source_name, name):
    root = make(tmp_path, source_name)
    assert sources.read(source_name, root, least=0).cutouts == sources.read(source_name, root / name, least=0).cutouts


@pytest.mark.parametrize(
    "source_name, train, test",
    [
        ("am2k", 1800, 200),
        ("p3m10k", 9186, 977),
        ("aim500", None, 200),
        ("sim", 271, 41),
        ("dim", 224, 38),
        ("hatt", 210, 40),
    ],
)
def test_the_papers_counts_stand_beside_ours(tmp_path, source_name, train, test):
    """Paper: Table S1."""
    report = sources.read(source_name, make(tmp_path, source_name)).report
    paper = {count.part: count.paper for count in report.counts}
    assert (paper.get("usable for train"), paper["usable for test"]) == (train, test)
    assert not report.complete or source_name in ("sim", "dim")
    assert any(f"{test:,} used by the paper" in line for line in report.lines())


def test_the_papers_counts_add_up():
    """Paper: Sec. 3.3: people, animals, things: 9,186, 1,800, 813 in training, 977, 200, 211 in test; 108 move."""
    total = Counter()
    for layout in public.LAYOUTS.values():
        for part in layout.parts:
            total[layout.kind, part.split] += part.paper or 0
    assert total[("person", "train")] == 9186 and total[("person", "test")] == 977
    assert total[("animal", "train")] == 1800 and total[("animal", "test")] == 200
    assert total[("thing", "train")] + 108 == 813 and total[("thing", "test")] - 108 == 211
    assert sum(number for category, number in aim500.PUBLIC.items() if category not in aim500.LEFT_OUT) == 200


@pytest.mark.parametrize(
    "source_name, missing",
    [
        ("am2k", "train/mask"),
        ("p3m10k", "validation/P3M-500-NP/original_image"),
        ("aim500", "original"),
        ("sim", "fire/fg"),
        ("dim", "Training_set/Other/alpha"),
        ("hatt", "Train/FG"),
        ("bg20k", "testval"),
    ],
)
def test_a_missing_part_is_named_with_its_place(tmp_path, source_name, missing):
    root = make(tmp_path, source_name)
    inner = next(path for path in root.iterdir() if path.is_dir())
    (inner / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(RimError) as caught:
        sources.read(source_name, root)
    assert caught.value.path == str(inner / missing)


def test_no_folder_and_no_such_source(tmp_path):
    for name in ("am2k", "folder"):
        with pytest.raises(RimError) as caught:
            sources.read(name, tmp_path / "nowhere")
        assert caught.value.path == str(tmp_path / "nowhere")
    with pytest.raises(RimError, match="did you mean am2k") as caught:
        sources.read("am-2k", tmp_path)
    assert caught.value.setting == "source"
    with pytest.raises(RimError, match="am2k=") as caught:
        sources.open_all(["am2k"])
    assert caught.value.setting == "source"
    with pytest.raises(RimError) as caught:
        sources.read("sim", tmp_path)
    assert caught.value.path == str(tmp_path)


def test_optional_foregrounds_may_be_missing(tmp_path):
    root = make(tmp_path, "am2k")
    (root / "AM-2k/train/fg").rename(tmp_path / "elsewhere")
    source = sources.read("am2k", root)
    assert all(cutout.foreground is None for cutout in source.cutouts) and "train/fg/" in source.report.missing[0]


def test_what_lacks_its_other_half_is_listed_by_file(tmp_path):
    root = make(tmp_path, "am2k")
    put(root / "AM-2k/train/mask/m_alone.png", "L")
    put(root / "AM-2k/validation/original/m_plain.jpg")
    source = sources.read("am2k", root)
    assert len(source.cutouts) == 3
    assert sorted(line.split(":")[0] for line in source.report.missing) == [
        "train/mask/m_alone.png",
        "train/mask/m_alone.png",
        "validation/original/m_plain.jpg",
    ]
    assert not source.report.complete


def test_odd_files_are_named(tmp_path):
    root = make(tmp_path, "am2k")
    train = root / "AM-2k/train"
    put(train / "original/m_00a1b2c3.jpg", size=(8, 8))
    (train / "mask/m_00a1b2c4.png").write_bytes(b"no image")
    put(root / "AM-2k/validation/mask/m_00a1b2c5.png", "L", np.zeros((12, 16)))
    for stem in ("a 'b'", "..c", "plain"):
        for part, mode in (("mask", "L"), ("original", "RGB"), ("fg", "RGB")):
            put(train / part / f"{stem}.png", mode)
    put(train / "mask/plain.jpg", "L")
    (train / "mask/Readme.txt").write_text("hello")
    (train / "mask/.DS_Store").write_text("")
    cheap, deep = sources.read("am2k", root).report, sources.read("am2k", root, deep=True).report
    text = "\n".join(cheap.odd)
    assert "train/original/m_00a1b2c3.jpg: 8 x 8 pixels" in text
    assert "train/mask/m_00a1b2c4.png: is not an image" in text
    assert "train/mask/a 'b'.png" in text and "called a-b here" in text and "train/mask/..c.png" in text
    assert "train/mask/Readme.txt: no image" in text and "DS_Store" not in text
    assert "has the name of plain.jpg" in text
    assert "empty" not in text and any("m_00a1b2c5.png: its alpha is empty" in line for line in deep.odd)


def test_a_deep_look_finds_mattes_that_cut_nothing_out(tmp_path):
    root = make(tmp_path, "hatt")
    put(root / "Distinctions-646/Train/GT/0001.png", "L", np.ones((12, 16)))
    put(root / "Distinctions-646/Train/GT/0002.png", "L", (DISC > 0.5).astype(float))
    odd = sources.read("hatt", root, deep=True).report.odd
    assert any("0001" in line and "1 everywhere" in line for line in odd) and any(
        "0002" in line and "hard mask" in line for line in odd
    )


def test_a_photograph_that_lies_on_its_side_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert size_of(tmp_path / "a.jpg") == (20, 10)


def test_people_and_small_images_are_left_out_of_dim_sim_and_hatt(tmp_path):
    dim = sources.read("dim", make(tmp_path / "dim", "dim"), least=0)
    assert [item.path for item in dim.left_out] == [
        "Training_set/Other/alpha/girl-beautiful-young.png"
    ] and "a person" in dim.report.left_out[0]
    sim_source = sources.read("sim", make(tmp_path / "sim", "sim"), least=0)
    assert {item.name for item in sim_source.left_out} == {
        "sim-hair-easy-model-1",
        "sim-sharp-man-wearing-yellow-jacket",
        "sim-sharp-fire-1",
    }
    assert not sources.read("hatt", make(tmp_path / "hatt", "hatt")).cutouts, "12 x 16 pixels are low resolution"
    assert len(sources.read("hatt", tmp_path / "hatt", least=12).cutouts) == 3


def test_aim500_leaves_out_portraits_and_animals_by_its_index(tmp_path):
    root = make(tmp_path, "aim500")
    source = sources.read("aim500", root)
    assert {item.weak_category for item in source.cutouts} == {None, "plant", "furniture", "toy", "fruit"}
    assert {item.group for item in source.left_out} == {"portrait", "animal"}
    index = root / "AIM-500/aim_category_type.json"
    index.write_text(json.dumps({"o_0.jpg": {"category": "plant"}, "../up": {"category": "plant"}}))
    report = sources.read("aim500", root).report
    assert any("'../up'" in line for line in report.missing) and sum("no category" in line for line in report.odd) == 6
    for broken in ("{", "[]", '{"o_0": {}}'):
        index.write_text(broken)
        with pytest.raises(RimError, match=f"^{index}"):
            sources.read("aim500", root)
    index.unlink()
    with pytest.raises(RimError) as caught:
        sources.read("aim500", root)
    assert caught.value.path == str(index)


def test_sim_takes_its_split_from_the_list_or_from_folders(tmp_path):
    root = make(tmp_path, "sim")
    source = sources.read("sim", root, least=0)
    assert [item.name for item in source.cutouts if item.split == "test"] == ["sim-fire-fire-2"]
    assert {item.weak_category for item in source.cutouts} == {"fire", None}
    listed = root / "SIMD" / sim.TEST_LIST
    listed.write_text("fire:fire-9.jpg:x.jpg\n")
    assert any("fire/fire-9" in line for line in sources.read("sim", root).report.odd)
    listed.write_text("fire\n")
    with pytest.raises(RimError, match="line 1") as caught:
        sources.read("sim", root)
    assert caught.value.path == str(listed)
    listed.unlink()
    assert "every image counts as a training image" in sources.read("sim", root).report.notes[0]
    (root / "SIMD/test").mkdir()
    (root / "SIMD/fire").rename(root / "SIMD/test/fire")
    assert {item.split for item in sources.read("sim", root, least=0).cutouts} == {"test"}


def test_names_are_safe_unique_and_do_not_depend_on_other_files(tmp_path):
    assert names.safe("../../etc/passwd") == "etc-passwd" and re.fullmatch("[a-z0-9-]+", names.safe("犬"))
    few = names.unique({"1/a.png": "x a", "2/a.png": "x a", "3": "b"})
    more = names.unique({"0/a.png": "x-A", "1/a.png": "x a", "2/a.png": "x a", "3": "b"})
    assert len(set(more.values())) == 4 and all(more[path] == name for path, name in few.items())
    dim = sources.read("dim", make(tmp_path, "dim"), least=0)
    assert sum(item.name.startswith("dim-same-") for item in dim.cutouts) == 2


def test_backgrounds(tmp_path):
    source = sources.read("bg20k", make(tmp_path, "bg20k"), deep=True)
    assert [(item.name, item.split) for item in source.backgrounds] == [
        ("bg20k-h-1", "train"),
        ("bg20k-h-2", "train"),
        ("bg20k-h-3", "test"),
    ]
    assert not sources.read("bg20k", tmp_path, least=100).backgrounds
    assert [(count.found, count.public) for count in source.report.counts] == [(2, 15000), (1, 5000)]


def test_a_folder_of_cutouts_takes_categories_from_names(tmp_path):
    source = sources.read("folder", make(tmp_path / "my pool", "folder"))
    assert {(item.name, item.weak_category, item.split) for item in source.cutouts} == {
        ("my-pool-fox-one", "fox", "train"),
        ("my-pool-owl-2", "owl", "train"),
        ("my-pool-test-red-fox-three", "red fox", "test"),
    }
    assert [item.name for item in source.backgrounds] == ["my-pool-bg-wood"] and not source.report.odd
    put(tmp_path / "people" / "woman" / "1.png", "RGBA")
    assert [(item.kind, item.weak_category) for item in sources.read("folder", tmp_path / "people").cutouts] == [
        ("person", "human")
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(RimError) as caught:
        sources.read("folder", tmp_path / "none")
    assert caught.value.path == str(tmp_path / "none")


def test_art_names_the_package_that_is_missing(tmp_path):
    with pytest.raises(RimError, match="apt-get install scratch"):
        sources.read("art", tmp_path)


def test_art_reads_the_tables_of_the_shipped_pool(tmp_path):
    head = "source,path,name,kind,category,salient,transparent,wispy,gender,age,clothes,color,person,faces,"
    head += "licence,credit,note\n"
    (tmp_path / "selection.csv").write_text(
        head
        + "stamps,usr/a.png,human-1,person,human,1,0,0,male,adult,coat,,p1,1 2 9 8;3 3.6 5 5,GPL,me,\n"
        + "stamps,usr/b.png,glass,thing,glass,1,1,0,,,,,,,GPL,me,\n"
    )
    (tmp_path / "backgrounds.csv").write_text(
        "source,path,name,category,licence,credit,note\nstamps,usr/c.jpg,bg-c,wood,GPL,me,\n"
    )
    (
        put(tmp_path / "packages/x_stamps/usr/a.png", "RGBA"),
        put(tmp_path / "packages/usr/b.png", "RGBA"),
        put(tmp_path / "packages/usr/c.jpg"),
    )
    source = art.read(tmp_path / "packages", deep=True, tables=tmp_path)
    person, glass = source.cutouts
    assert person.faces == ((1, 2, 9, 8), (3, 4, 5, 5)) and person.clean and not source.report.odd
    assert person.known == {
        "split": "train",
        "category": "human",
        "gender": "male",
        "age_group": "adult",
        "clothes": "coat",
        "salient": "1",
        "transparent": "0",
        "wispy": "0",
        "person": "p1",
    }
    assert (
        glass.known["transparent"] == "1"
        and source.backgrounds[0].category == "wood"
        and source.backgrounds[0].file.is_file()
    )
    assert not art.read(tmp_path / "packages", least=100, tables=tmp_path).cutouts


def test_files_that_two_sources_share_are_listed(tmp_path):
    for root, stem in ((tmp_path / "Combined_Dataset/Test_set/Adobe-licensed images", "dandelion"),):
        make(tmp_path, "dim"), make(tmp_path, "sim")
        put(root / "alpha" / f"{stem}.png", "L"), put(root / "fg" / f"{stem}.png")
    put(tmp_path / "SIMD/fire/alpha/dandelion.jpg", "L"), put(tmp_path / "SIMD/fire/fg/dandelion.jpg")
    lines = sources.shared_files(sources.open_all([f"dim={tmp_path}", f"sim={tmp_path}"], least=0))
    assert len(lines) == 1 and "dim-dandelion (test)" in lines[0] and "overlap" in lines[0]


def test_long_lists_are_cut_in_print_only():
    report = sources.Report("x", "y", odd=[str(number) for number in range(30)])
    assert report.lines(most=5)[-1].strip() == "odd: … and 25 more" and len(report.odd) == 30
