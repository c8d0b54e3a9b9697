"""The options of `rim matte`: what they change, and one line for every value that cannot be used.

Without a model: a stand-in for the predictor finds a disc, whose side a word of the sentence gives.
"""

import json
import os
import re

import numpy as np
import pytest
from PIL import Image
from small import refused, runner
from test_metadata import P3, photograph

from rimlib import cli
from rimlib.cli import targets
from rimlib.errors import RimError
from rimlib.io import images, metadata
from rimlib.prediction.answer import Reason
from rimlib.prediction.result import Result
from rimlib.repository import repository

SIZE = (90, 120)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]
PLACES = {"left": (30, 45, 16), "right": (90, 45, 16), "both": (60, 45, 50), "small": (34, 45, 6)}
GREEN = np.full((*SIZE, 3), (40, 200, 60), np.uint8)


class Predictor:
    """Finds a disc for each word of `PLACES`, and nothing for other sentences."""

    read: list = []
    asked: list = []

    def set_image(self, source):
        self.read.append(source)
        self.image, self.opacity = images.read_visible(source)

    def encode_text(self, sentences):
        return list(sentences)

    def predict_many(self, sentences):
        self.asked.append(sentences)
        for sentence in sentences:
            place = next((PLACES[word] for word in sentence.split() if word in PLACES), None)
            alpha = np.zeros(self.image.shape[:2], np.float32)
            if place is not None:
                alpha = np.clip(place[2] - np.hypot(Y - place[1], X - place[0]) + 0.5, 0, 1).astype(np.float32)
            if self.opacity is not None:
                alpha = np.minimum(alpha, self.opacity)
            found = bool(alpha.any())
            message = "" if found else f"nothing in this image fits “{sentence}” (score 0.10)"
            answer, reason = ("yes", None) if found else ("nothing", Reason.NO_FIT)
            trimap = np.uint8(255) * (alpha > 0.5)
            score = 0.9 if found else 0.1
            yield Result(alpha, score, trimap, answer, message, alpha, self.image, sentence, reason, self.opacity)


@pytest.fixture(autouse=True)
def predictor(monkeypatch):
    monkeypatch.setattr("rimlib.cli.methods.predictor_of", lambda options: Predictor())
    monkeypatch.setattr(Predictor, "read", [])


@pytest.fixture
def rim(capsys, tmp_path, monkeypatch):
    """Run `rim matte` in a folder with photo.png: its status, the lines of its output and of its errors."""
    monkeypatch.chdir(tmp_path)
    images.write_image("photo.png", GREEN)
    return runner(capsys, "matte")


def alpha_of(path):
    return images.read_matte(path)


# What is written


def test_a_crop(rim):
    status, out, _ = rim("photo.png", "the left", "--crop", "-o", "a.png", "--json")
    assert status == 0 and alpha_of("a.png").shape == (33, 33)
    assert json.loads(out[0])[0]["box"] == [14, 29, 47, 62]
    rim("photo.png", "the left", "-o", "b.png", "--cutout", "--crop", "4")
    assert Image.open("b.png").size == (41, 41)
    rim("photo.png", "the left", "-o", "c.png", "--background", "white", "--crop=50%")
    assert Image.open("c.png").size == (63, 65), "half of 33 pixels each way, on the left as far as the image reaches"
    status, out, _ = rim("photo.png", "the cat", "--crop", "-o", "d.png")
    assert status == 0 and "empty" in out[0] and alpha_of("d.png").shape == SIZE


def test_what_other_sentences_find_is_taken_out(rim):
    rim("photo.png", "both", "-o", "both.png")
    status, out, _ = rim("photo.png", "both", "--without", "the left", "--without", "the right", "-o", "a.png")
    assert status == 0 and "score 0.90  both" in out[0]
    rest = alpha_of("a.png")
    assert rest[45, 30] == rest[45, 90] == 0 and rest[45, 60] == 1 and rest.sum() < alpha_of("both.png").sum() - 1500


def test_what_is_to_be_taken_out_and_is_not_there_is_named(rim):
    status, out, err = rim("photo.png", "the left", "--without", "the leash", "-o", "a.png")
    assert status == 0 and err == [] and "(nothing fits “the leash”: nothing taken out)" in out[0]
    status, out, _ = rim("photo.png", "the left", "--without", "the leash", "-o", "a.png", "--json")
    assert json.loads(out[0])[0]["missed"] == ["the leash"]


def test_where_nothing_remains_the_line_gives_the_reason(rim):
    status, out, _ = rim("photo.png", "small", "--without", "the left", "-o", "a.png")
    assert status == 0 and out == ["a.png  empty: nothing of “small” remains without “the left”"]
    assert not alpha_of("a.png").any()


def test_an_edge_is_moved_and_feathered(rim):
    rim("photo.png", "the left", "-o", "a.png")
    rim("photo.png", "the left", "-o", "out.png", "--grow", 3)
    rim("photo.png", "the left", "-o", "in.png", "--grow", -3)
    rim("photo.png", "the left", "-o", "soft.png", "--feather", "2.5")
    plain, out, inner, soft = (alpha_of(f"{name}.png") for name in ("a", "out", "in", "soft"))
    assert plain[45, 48] == 0 and out[45, 48] == 1 and plain[45, 44] == 1 and inner[45, 44] == 0
    assert np.count_nonzero((soft > 0) & (soft < 1)) > 3 * np.count_nonzero((plain > 0) & (plain < 1))


def test_a_transparent_image_stays_at_most_as_opaque(rim):
    opacity = np.where(X < 40, 255, 51).astype(np.uint8)
    Image.fromarray(np.dstack([GREEN, opacity])).save("cut.png")
    rim("cut.png", "the left", "--cutout", "--grow", 9, "-o", "a.png")
    assert np.asarray(Image.open("a.png"))[..., 3][45, 38:42].tolist() == [255, 255, 51, 51]


@pytest.mark.parametrize(
    "options, name, kind",
    [
        (("--background", "white", "--format", "jpg"), "photo-the-left-composite.jpg", "JPEG"),
        (("--background", "white", "--format", "WebP"), "photo-the-left-composite.webp", "WEBP"),
        (("--cutout", "--format", ".webp"), "photo-the-left-cutout.webp", "WEBP"),
        (("--cutout", "--format", "tiff"), "photo-the-left-cutout.tif", "TIFF"),
        (("--format", "png"), "photo-the-left.png", "PNG"),
    ],
)
def test_formats(rim, options, name, kind):
    status, out, _ = rim("photo.png", "the left", *options)
    assert status == 0 and out[0].startswith(name) and Image.open(name).format == kind


def test_a_quality_makes_smaller_files(rim):
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    images.write_image("noise.png", noise)
    sizes = {}
    for kind in (("--background", "noise.png", "--format", "jpg"), ("--cutout", "--format", "webp")):
        for quality in (10, 95):
            rim("noise.png", "the left", *kind, "--quality", quality, "-o", f"q{quality}")
            (name,) = os.listdir(f"q{quality}")
            sizes[quality] = os.path.getsize(f"q{quality}/{name}")
            os.unlink(f"q{quality}/{name}")
        assert sizes[10] < sizes[95] / 2


# What is kept of the file


def test_a_photograph_keeps_its_colours_and_what_is_known_of_it(rim):
    path = photograph("p3.jpg", P3, orientation=1, pixels=GREEN, quality=95)
    with Image.open(path) as stored:
        own = np.asarray(stored)
    rim(path, "the left", "--cutout", "-o", "cut.png")
    rim(path, "the left", "--background", "#2a6f97", "-o", "over.png")
    for name in ("cut.png", "over.png"):
        image = Image.open(name)
        assert image.info["icc_profile"] == P3 and image.getexif()[0x8298] == "somebody"
        assert (np.asarray(image)[45, 30, :3] == own[45, 30]).all(), "untouched"
    over = images.read_image("over.png")  # converted to sRGB
    assert np.abs(over[5, 5].astype(int) - (42, 111, 151)).max() <= 2, "the background has the colour that was named"
    images.write_image("blue.png", np.full((*SIZE, 3), (42, 111, 151), np.uint8))
    rim(path, "the left", "--background", "blue.png", "-o", "over2.png")
    assert (images.read_image("over2.png") == over).all()


def test_without_metadata_colours_are_srgb(rim):
    path = photograph("p3.png", P3, orientation=6, pixels=np.ascontiguousarray(np.rot90(GREEN)))
    rim(path, "the left", "--cutout", "--no-metadata", "-o", "cut.png")
    image = Image.open("cut.png")
    assert (
        image.size == (120, 90) and not image.getexif() and "icc_profile" not in image.info and "dpi" not in image.info
    )
    assert (np.asarray(image)[45, 30, :3] == images.read_image(path)[45, 30]).all()


def test_what_the_options_leave_nothing_of_is_reported_as_empty(rim):
    status, out, _ = rim("photo.png", "the small", "--grow", -8, "-o", "small.png", "--json")
    (row,) = json.loads(out[0])
    assert status == 0 and not row["found"] and row["answer"] == "nothing" and "remains" in row["message"]
    assert not alpha_of("small.png").any()
    assert "empty: nothing of" in rim("photo.png", "the small", "--grow", -8, "-o", "small.png")[1][0]


@pytest.mark.parametrize("ending", sorted(targets.ENDINGS["composite"]))
def test_the_colours_of_a_composite_are_the_photographs_in_every_format(rim, ending):
    path = photograph("p3.png", P3, orientation=1, pixels=GREEN)
    lossy = ending in (".jpg", ".jpeg", ".webp")
    rim(path, "the left", "--background", "#2a6f97", "-o", f"over{ending}", *(["--quality", 99] if lossy else []))
    seen = images.read_image(f"over{ending}").astype(int)
    assert np.abs(seen[45, 30] - images.read_image(path)[45, 30]).max() <= (4 if lossy else 0)
    assert np.abs(seen[5, 5] - (42, 111, 151)).max() <= (6 if lossy else 2)


def test_colours_of_a_profile_are_not_written_where_it_has_no_room(rim):
    about = metadata.read(photograph("p3.png", P3, orientation=1), own_colours=True)
    with pytest.raises(RimError, match="holds no colour profile"):
        images.write_image("a.bmp", GREEN, metadata=about)
    assert images.write_image("a.bmp", GREEN, metadata=metadata.read("p3.png")).is_file()


# The page


def test_the_page_has_every_option_and_none_that_is_not_there(capsys):
    page = (repository() / "book/photographs.md").read_text(encoding="utf-8")
    written = page.split("## What is written")[1].split("\n## ")[0]
    named = set(re.findall(r"--[a-z][a-z-]+", written)) - {"--json"}
    with pytest.raises(SystemExit):
        cli.main(["matte", "--help"])
    help = capsys.readouterr().out
    groups = help.split("what is written:")[1].split("IMAGE is an image file")[0]
    assert named == set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", groups, re.MULTILINE)) | {"--without"}
    assert "--without SENTENCE" in help


# Folders


@pytest.fixture
def folders(tmp_path):
    for name in ("a.png", "2024/a.png", "2024/may.png/b.png", "2024/.thumbs/c.png", "2025/d.png"):
        images.write_image(tmp_path / "photos" / name, GREEN)
    (tmp_path / "photos/2024/broken.png").write_bytes((tmp_path / "photos/a.png").read_bytes()[:60])
    (tmp_path / "photos/2025/again").symlink_to(tmp_path / "photos")
    return tmp_path / "photos"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folders_inside_are_mirrored_and_a_failure_is_named(rim, folders, tmp_path):
    status, out, err = rim("photos", "the left", "-r", "-o", "out")
    made = ["2024/a-the-left.png", "2024/may.png/b-the-left.png", "2025/d-the-left.png", "a-the-left.png"]
    assert status == 1 and files(tmp_path / "out") == made and len(out) == 4
    assert err[-2] == "1 of 5 images could not be used:" and err[-1].startswith("photos/2024/broken.png: is broken")


def test_results_inside_the_folder_are_not_read_the_next_time(rim, folders, tmp_path):
    (folders / "2024/broken.png").unlink()
    for _ in range(2):
        assert rim("photos", "the left", "--recursive", "-o", "photos/mattes")[0] == 0
    assert len(files(folders / "mattes")) == 4


def test_a_folder_of_folders_needs_the_option(rim, tmp_path):
    images.write_image(tmp_path / "all/one/a.png", GREEN)
    assert refused(rim("all", "the left", "-o", "out"), "no images in this folder", "--recursive")
    assert refused(rim("photo.png", "the left", "--recursive"), "--recursive", "photo.png is no folder")


def test_what_is_there_is_skipped(rim, folders, tmp_path):
    (folders / "2024/broken.png").unlink()
    rim("photos", "the left", "-r", "-o", "out")
    (tmp_path / "out/a-the-left.png").write_bytes(b"of an earlier day")
    (tmp_path / "out/2025/d-the-left.png").unlink()
    Predictor.read.clear()
    status, out, err = rim("photos", "the left", "-r", "-o", "out", "--skip-existing")
    assert status == 0 and [line.split("  ")[0] for line in out] == ["out/2025/d-the-left.png"]
    assert err[-1] == "3 of 4 files were there already and are as before"
    assert [str(path) for path in Predictor.read] == ["photos/2025/d.png"], "and not even read"
    assert (tmp_path / "out/a-the-left.png").read_bytes() == b"of an earlier day"
    status, out, _ = rim("photos", "the left", "the right", "-r", "-o", "out", "--skip-existing", "--json")
    rows = json.loads(out[0])
    assert status == 0 and [row["sentence"] for row in rows if "skipped" not in row] == ["the right"] * 4
    assert [row["sentence"] for row in rows if "skipped" in row] == ["the left"] * 4
    assert Predictor.asked[-4:] == [["the right"]] * 4, "what is there is not matted again"


def test_a_folder_inside_that_cannot_be_read_does_not_end_the_others(rim, folders, monkeypatch):
    (folders / "2024/broken.png").unlink()
    iterdir = type(folders).iterdir

    def refusing(path):
        if path.name == "2025":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(type(folders), "iterdir", refusing)
    status, out, err = rim("photos", "the left", "-r", "-o", "out")
    assert status == 0 and len(out) == 3 and err[0].startswith("rim: warning: photos/2025: cannot be read")


def test_no_model_is_loaded_where_nothing_is_left(rim, monkeypatch):
    rim("photo.png", "the left", "-o", "a.png")
    monkeypatch.delattr("rimlib.cli.methods.predictor_of")
    assert rim("photo.png", "the left", "-o", "a.png", "--skip-existing") == (
        0,
        [],
        ["1 of 1 files were there already and are as before"],
    )


def test_an_image_that_a_format_cannot_hold_does_not_end_the_others(rim, tmp_path, monkeypatch):
    write = images.write_cutout

    def narrow(path, foreground, alpha, *more):
        if "wide" in str(path):
            foreground, alpha = np.zeros((1, 17_000, 3), np.uint8), np.ones((1, 17_000), np.float32)
        return write(path, foreground, alpha, *more)

    monkeypatch.setattr(images, "write_cutout", narrow)
    for name in ("a", "wide", "z"):
        images.write_image(tmp_path / f"photos/{name}.png", GREEN)
    status, out, err = rim("photos", "the left", "--cutout", "--format", "webp", "-o", "out")
    assert status == 1 and len(out) == 2 and "17000 x 1 pixels cannot be stored as .webp" in err[-1]
    assert sorted(os.listdir("out")) == ["a-the-left-cutout.webp", "z-the-left-cutout.webp"]


def test_memory_holds_one_image_at_a_time(rim, tmp_path, monkeypatch):
    """No result, and nothing made of one, outlives its file."""
    import gc
    import weakref

    alive, most = weakref.WeakSet(), []
    make = Result.__init__

    def counted(self, *arguments, **named):
        make(self, *arguments, **named)
        alive.add(self)

    set_image = Predictor.set_image

    def measured(self, source):
        gc.collect()
        most.append(len(alive))
        set_image(self, source)

    monkeypatch.setattr(Result, "__init__", counted)
    monkeypatch.setattr(Result, "__hash__", object.__hash__)
    monkeypatch.setattr(Predictor, "set_image", measured)
    for number in range(5):
        images.write_image(tmp_path / f"photos/{number}.png", GREEN)
    assert rim("photos", "the left", "--without", "small", "--crop", "--cutout", "--grow", 2, "-o", "out")[0] == 0
    assert len(most) == 5 and max(most) == 0


# What cannot be used


@pytest.mark.parametrize(
    "options, words",
    [
        (("--crop", "wide"), ("crop: 'wide' is no margin", "pixels such as 20", "5%")),
        (("--crop=-4",), ("crop: '-4' is no margin",)),
        (("--grow", "much"), ("--grow: 'much' is no number", "pixels such as 2")),
        (("--grow", "2.5"), ("--grow: is 2.5", "whole pixels")),
        (("--grow", "501"), ("--grow: is 501", "-500 to 500 pixels")),
        (("--feather", "-1"), ("--feather: is -1", "0 to 500 pixels")),
        (("--feather", "nan"), ("--feather: 'nan' is no number",)),
        (("--format", "jpg"), ("--format: is 'jpg'", "JPEG changes the values of a matte", "expected png")),
        (
            ("--cutout", "--format", "jpeg"),
            ("--format: is 'jpeg'", "no transparency", "png, webp, tif", "--background"),
        ),
        (("--background", "white", "--format", "heic"), ("--format: is 'heic'", "png, jpg, webp, tif, bmp")),
        (("--format", "png", "--background", "white", "-o", "a.jpg"), ("--format", ".jpg", "leave one")),
        (("--quality", "80"), ("--quality", "matte", "leave it out")),
        (("--cutout", "--quality", "80"), ("--quality", ".png", "--format webp")),
        (("--background", "white", "--quality", "80"), ("--quality", ".png", "--format jpg or webp")),
        (("--background", "white", "--format", "jpg", "--quality", "0"), ("--quality: is '0'", "1 to 100")),
        (("--background", "white", "--format", "jpg", "--quality", "best"), ("--quality: is 'best'", "1 to 100")),
        (("--without", " "), ("sentence", "empty")),
        (("--background", "transparent"), ("transparent", "write a cut-out")),
        (("--background", "navyblu"), ("--background", "did you mean navy?", "no such file")),
    ],
)
def test_options_that_cannot_be_used(rim, options, words, tmp_path, monkeypatch):
    monkeypatch.delattr("rimlib.cli.methods.predictor_of")  # refused before the model is loaded
    assert refused(rim("photo.png", "the left", *options), *words)
    assert os.listdir(tmp_path) == ["photo.png"], "nothing is written"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("photo.png", "the left", "photo.png"), ("photo.png", "images stand before all sentences")),
        (("photo.png", "the left", "photos", "the right"), ("photos", "images stand before all sentences")),
        (("photo.png", "two/", "the left"), ("two/", "is a path")),
        (("photo.png", "./dogs", "the left"), ("./dogs", "is a path")),
        (("photo.png", "photos/two", "the left"), ("photos/two", "is a path")),
        (("photo.png", "photos/"), ("photos/", "is a path")),
    ],
)
def test_a_path_is_never_taken_for_a_sentence_in_silence(rim, arguments, words, tmp_path):
    (tmp_path / "photos").mkdir()
    assert refused(rim(*arguments, "-o", "out"), *words)
    assert not (tmp_path / "out").exists()


def test_a_sentence_that_a_folder_is_called_too_is_asked_with_a_warning(rim, tmp_path):
    (tmp_path / "left").mkdir()
    status, out, err = rim("photo.png", "left", "-o", "a.png")
    assert status == 0 and "score 0.90  left" in out[0]
    assert err == ["rim: warning: 'left' is taken for the sentence, though a file has that name"]
    assert rim("photo.png", "the black/white left", "-o", "a.png")[2] == []
