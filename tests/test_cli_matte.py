"""`rim matte`: what it writes, what it prints, and every option, checkpoint and disk that cannot be used.

For images and sentences see test_prediction_inputs.
"""

import errno
import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small import refused, runner

from rimlib import cli
from rimlib import profile as profiles
from rimlib.cli.targets import paths_of
from rimlib.clipmat.model import CLIPMat
from rimlib.clipmat.pretrained import FORMAT
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.io.weights import CHECKPOINTS
from rimlib.matting import ellipse
from rimlib.prediction.cutout import BESIDE
from rimlib.prediction.predictor import MattingPredictor
from rimlib.refmatte.example import example

pytestmark = pytest.mark.usefixtures("one_load")


@pytest.fixture(scope="module")
def scene():
    """An otter and a person."""
    return example(34)


@pytest.fixture
def photo(tmp_path, scene):
    return images.write_image(tmp_path / "photo.png", scene.image)


@pytest.fixture
def rim(capsys):
    """Run `rim matte`: its status, the lines of its output and of its errors."""
    return runner(capsys, "matte")


# What it writes


def test_a_matte(rim, photo, scene, tmp_path):
    status, out, err = rim(photo, "the human", "-o", tmp_path / "out.png")
    assert status == 0 and err == [] and len(out) == 1
    assert out[0].startswith(f"{tmp_path / 'out.png'}  score 0.") and out[0].endswith("  the human")
    written = Image.open(tmp_path / "out.png")
    assert written.mode == "L" and written.size == scene.image.shape[1::-1]
    true = scene.mattes[scene.keywords.index("human")]
    assert np.minimum(np.asarray(written) / 255, true).sum() / true.sum() > 0.6


def test_several_sentences(rim, photo, tmp_path):
    status, out, _ = rim(photo, "the human", "otter", "The otter!", "the OTTER", "-o", tmp_path / "mattes")
    names = ["photo-the-human.png", "photo-otter.png", "photo-the-otter.png", "photo-the-otter-2.png"]
    assert status == 0 and [line.split("  ")[0] for line in out] == [str(tmp_path / "mattes" / name) for name in names]
    assert sorted(os.listdir(tmp_path / "mattes")) == sorted(names)


def test_a_cutout(rim, photo, scene, tmp_path):
    assert rim(photo, "the human", "--cutout", "-o", tmp_path / "out.png")[0] == 0
    foreground, alpha = images.read_cutout(tmp_path / "out.png")
    away = ~ellipse.dilate(alpha > 0, 2 * BESIDE + 1)
    assert alpha.shape == scene.image.shape[:2] and away.any() and not foreground[away].any()
    assert (foreground[alpha == 1] == scene.image[alpha == 1]).all()


def test_a_composite_on_a_colour_and_on_an_image(rim, photo, scene, tmp_path):
    rim(photo, "the human", "-o", tmp_path / "alpha.png")
    clear = images.read_matte(tmp_path / "alpha.png") == 0
    assert rim(photo, "the human", "--background", "#2a6f97", "-o", tmp_path / "out.png")[0] == 0
    assert (images.read_image(tmp_path / "out.png")[clear] == (42, 111, 151)).all()
    images.write_image(tmp_path / "green.png", np.full((900, 500, 3), (0, 200, 0), np.uint8))
    assert rim(photo, "the human", "--background", tmp_path / "green.png", "-o", tmp_path / "out.jpg")[0] == 0
    found = images.read_image(tmp_path / "out.jpg")
    assert found.shape == scene.image.shape and np.abs(found[clear].astype(int) - (0, 200, 0)).mean() < 4


def test_a_sentence_that_fits_nothing(rim, photo, tmp_path):
    status, out, err = rim(photo, "the human", "-o", tmp_path / "out.png", "--threshold", "1")
    assert status == 0 and err == []
    assert out[0].startswith(f"{tmp_path / 'out.png'}  empty: nothing in this image fits “the human” (score 0.")
    assert not images.read_matte(tmp_path / "out.png").any()
    assert rim(photo, "the human", "-o", tmp_path / "cut.png", "--threshold", "1", "--cutout")[0] == 0
    assert not np.asarray(Image.open(tmp_path / "cut.png")).any(), "a cut-out of nothing holds nothing"


def test_a_long_sentence_is_one_line_on_stderr(rim, photo, tmp_path):
    sentence = ("the human " * 1000)[:-1]
    assert len(sentence) == 9999
    status, out, err = rim(photo, sentence + ".", "-o", tmp_path)
    assert status == 0 and len(err) == 1 and len(out) == 1 and len(out[0]) < 400
    assert err[0].startswith("rim: warning: ") and "cut after “…" in err[0] and "human”, before “" in err[0]


def test_json(rim, photo, tmp_path):
    status, out, _ = rim(photo, "the human", "-o", tmp_path / "out.png", "--json")
    (row,) = json.loads("\n".join(out))
    assert (
        status == 0
        and row
        == {
            "image": str(photo),
            "sentence": "the human",
            "path": str(tmp_path / "out.png"),
            "score": row["score"],
            "found": True,
            "answer": "yes",
            "reason": None,
            "message": "",
        }
        and 0.5 <= row["score"] <= 1
    )


@pytest.mark.parametrize("options, used", [((), True), (("--refine",), True), (("--no-refine",), False)])
def test_refining_is_chosen(rim, photo, tmp_path, monkeypatch, options, used):
    class Grey:
        def refine(self, image, alpha):
            return np.full(image.shape[:2], 0.2, np.float32)

    monkeypatch.setattr("rimlib.prediction.predictor.shipped_refiner", lambda device="cpu": Grey())
    assert rim(photo, "the human", "-o", tmp_path / "out.png", *options)[0] == 0
    assert (np.asarray(Image.open(tmp_path / "out.png")) == 51).all() == used


def test_a_refiner_that_is_not_there_cannot_be_used(rim, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("rimlib.prediction.predictor.shipped_refiner", lambda device="cpu": None)
    assert refused(rim(photo, "the human", "-o", tmp_path / "out.png", "--refine"), "no refiner ships")


# Many images


@pytest.fixture
def photos(tmp_path, scene):
    """A folder of three images, one of them broken."""
    for name in ("a.png", "c.jpg"):
        images.write_image(tmp_path / "photos" / name, scene.image)
    (tmp_path / "photos" / "broken.png").write_bytes((tmp_path / "photos" / "a.png").read_bytes()[:5000])
    (tmp_path / "photos" / "notes.txt").write_text("no image, and passed over")
    return tmp_path / "photos"


def test_a_folder_with_a_broken_file(rim, photos, tmp_path):
    status, out, err = rim(photos, "the human", "otter", "-o", tmp_path / "out")
    assert status == 1 and len(out) == 4 and all("score 0." in line for line in out)
    assert sorted(os.listdir(tmp_path / "out")) == ["a-otter.png", "a-the-human.png", "c-otter.png", "c-the-human.png"]
    assert "3/3" in "".join(err) and "image" in "".join(err), "a progress bar"
    assert err[-2] == "1 of 3 images could not be used:" and err[-1].startswith(
        f"{photos / 'broken.png'}: is broken or cut off"
    )


def test_several_files_and_images_of_one_name(rim, photos, tmp_path, scene):
    images.write_image(tmp_path / "a.jpg", scene.image)
    status, out, _ = rim(
        photos / "a.png", tmp_path / "a.jpg", "the human", "-o", tmp_path / "out", "--cutout", "--json"
    )
    rows = json.loads("\n".join(out))
    names = ["a-png-the-human-cutout.png", "a-jpg-the-human-cutout.png"]
    assert status == 0 and [row["path"] for row in rows] == [str(tmp_path / "out" / name) for name in names]
    assert all(os.path.isfile(row["path"]) for row in rows)


def test_json_of_a_broken_file(rim, photos, tmp_path):
    status, out, _ = rim(photos, "the human", "-o", tmp_path / "out", "--json")
    rows = json.loads("\n".join(out))
    assert status == 1 and [os.path.basename(row["image"]) for row in rows] == ["a.png", "broken.png", "c.jpg"]
    assert "cut off" in rows[1]["error"] and rows[2]["found"]


def test_what_was_written_before_an_interruption_is_whole(rim, photos, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c-the-human.png").write_bytes(b"of an earlier day")
    set_image = MattingPredictor.set_image

    def interrupted(self, image):
        if "c.jpg" in str(image):
            raise KeyboardInterrupt
        set_image(self, image)

    monkeypatch.setattr(MattingPredictor, "set_image", interrupted)
    assert rim(photos, "the human", "-o", tmp_path / "out")[0] == 130
    assert sorted(os.listdir(tmp_path / "out")) == ["a-the-human.png", "c-the-human.png"]
    assert images.read_matte(tmp_path / "out" / "a-the-human.png").any()
    assert (tmp_path / "out" / "c-the-human.png").read_bytes() == b"of an earlier day"


def test_a_batch_needs_a_folder_of_its_own(rim, photos, tmp_path):
    assert refused(rim(photos, "the human"), "must name a folder")
    assert refused(rim(photos, "the human", "-o", tmp_path / "one.png"), "one file for 3 images")
    (tmp_path / "none").mkdir()
    assert refused(rim(tmp_path / "none", "the human", "-o", tmp_path / "out"), "no images in this folder")
    assert not (tmp_path / "out").exists() and not (tmp_path / "one.png").exists()


def test_nothing_is_written_over_what_is_read(rim, photo, photos, tmp_path):
    before = photo.read_bytes()
    assert refused(rim(photo, "the human", "-o", photo), photo, "overwritten")
    (tmp_path / "link.png").symlink_to(photo)
    assert refused(rim(photo, "the human", "-o", tmp_path / "link.png"), "overwritten")
    assert refused(rim(photos / "a.png", "the human", "--background", photo, "-o", photo), "overwritten")
    assert photo.read_bytes() == before


def test_mattes_are_not_written_among_the_images(rim, photos, tmp_path):
    """The next call would take them for images."""
    before = sorted(os.listdir(photos))
    (tmp_path / "link").symlink_to(photos)
    for out in (photos, f"{photos}/", tmp_path / "link"):
        assert refused(rim(photos, "the human", "-o", out), out, "folder of images")
    assert sorted(os.listdir(photos)) == before
    assert rim(photos / "a.png", "the human", "-o", photos)[0] == 0  # one file and a folder: nothing is listed


def test_folders_and_files_without_ending_are_images(rim, photo, scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one/a.png", "two/b.png", "two/notes.png/c.png"):
        images.write_image(tmp_path / name, scene.image)
    (tmp_path / "IMG1").write_bytes(photo.read_bytes())
    (tmp_path / "the otter").mkdir()  # the last argument is a sentence, whatever its name
    status, out, _ = rim("one", "two/", "IMG1", "the otter", "-o", "out", "--json")
    rows = json.loads("\n".join(out))
    assert status == 0 and [row["image"] for row in rows] == ["one/a.png", "two/b.png", "IMG1"]
    assert {row["sentence"] for row in rows} == {"the otter"}


def test_files_of_cameras_are_named_and_not_skipped(rim, photos, tmp_path):
    (photos / "broken.png").unlink()
    (photos / "DSC_1.NEF").write_bytes(b"II*\0" + bytes(500))
    status, _, err = rim(photos, "the human", "-o", tmp_path / "out")
    assert status == 1 and "DSC_1.NEF" in err[-1]


@pytest.mark.parametrize("out", ["Set.01/", "mattes.2024", "new v1.0/"])
def test_a_folder_may_have_a_dot(rim, photos, out, tmp_path):
    (photos / "broken.png").unlink()
    assert rim(photos, "the human", "-o", f"{tmp_path}/{out}")[0] == 0
    assert sorted(os.listdir(tmp_path / out)) == ["a-the-human.png", "c-the-human.png"]


def test_long_names_are_shortened_by_whole_characters(rim, scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = images.write_image("水" * 80 + ".png", scene.image)
    status, out, err = rim(image, "获" * 90, "a" * 300, "--threshold", 0)
    names = sorted(set(os.listdir()) - {image.name})
    assert status == 0 and len(out) == 2 and len(names) == 2
    assert all(name.startswith("水" * 20) and len(os.fsencode(name)) <= 255 for name in names)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_names_and_sentences_that_the_terminal_cannot_show(photo, tmp_path, encoding, monkeypatch):
    name = tmp_path / os.fsdecode(b"beig\xe9.png")
    name.write_bytes(photo.read_bytes())
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    for more in ((), ("--json",)):
        assert cli.main(["matte", str(name), "狗", "the b\u00e4r \u201cred\u201d", "-o", str(tmp_path), *more]) == 0
    out.flush()
    lines = out.buffer.getvalue().decode(encoding).splitlines()
    assert len(lines) == 3 and len(json.loads(lines[-1])) == 2


# What cannot be used


def test_no_sentence(rim, photo, tmp_path):
    assert refused(rim(photo, photo), "no sentence")
    with pytest.raises(SystemExit) as caught:
        rim(photo)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "options, words",
    [
        (("--background", "no-such-colour"), ("no-such-colour", "neither a colour", "no such file")),
        (("--background", ""), ("--background",)),
        (("--threshold", "7"), ("threshold", "0 to 1")),
        (("--threshold", "nan"), ("threshold",)),
        (("-o", "out.jpg"), ("out.jpg", ".png")),
        (("--cutout", "-o", "out.jpg"), ("out.jpg", ".png")),
        (("--background", "red", "-o", "out.gif"), ("out.gif", ".jpg")),
    ],
)
def test_options_that_cannot_be_used(rim, photo, options, words):
    assert refused(rim(photo, "the human", *options), *words)


def stored(folder, tensors=None, change=lambda tensors: None, **about):
    """A checkpoint like the shipped one, changed."""
    tensors = load_file(CHECKPOINTS / "clipmat-tiny.safetensors") if tensors is None else tensors
    change(tensors)
    header = {"format": FORMAT, "profile": PROFILE.to_dict(), "card": {}} | about
    save_file(tensors, folder / "mine.safetensors", metadata={"rimlib": json.dumps(header)})


class Intruder:
    def __reduce__(self):
        return os.mkdir, ("intruder",)


CHECKPOINT = (CHECKPOINTS / "clipmat-tiny.safetensors").read_bytes
PROFILE = profiles.Profile.from_dict(json.loads((CHECKPOINTS / "clipmat-tiny.json").read_text())["profile"])
WRONG = {  # name: (how mine.safetensors is made, a word of the message)
    "cut in half": (
        lambda folder: (folder / "mine.safetensors").write_bytes(CHECKPOINT()[: len(CHECKPOINT()) // 2]),
        "not a whole safetensors file",
    ),
    "empty": (lambda folder: (folder / "mine.safetensors").write_bytes(b""), "not a whole safetensors file"),
    "missing": (lambda folder: None, "no such file"),
    "a pickle": (lambda folder: (folder / "mine.safetensors").write_bytes(pickle.dumps(Intruder())), "pickle"),
    "torch's pickle": (lambda folder: torch.save({"weight": torch.zeros(3)}, folder / "mine.safetensors"), "pickle"),
    "an image": (
        lambda folder: Image.new("RGB", (9, 9)).save(folder / "mine.safetensors", "PNG"),
        "not a whole safetensors file",
    ),
    "a CLIP": (
        lambda folder: (folder / "mine.safetensors").write_bytes(
            (CHECKPOINTS / "rim-tiny-clip.safetensors").read_bytes()
        ),
        "expected 'rimlib-clipmat-1'",
    ),
    "missing tensors": (
        lambda folder: stored(folder, change=lambda tensors: tensors.pop(sorted(tensors)[0])),
        "missing",
    ),
    "extra tensors": (
        lambda folder: stored(folder, change=lambda tensors: tensors.update(more=torch.zeros(2))),
        "more",
    ),
    "wrong shapes": (
        lambda folder: stored(folder, change=lambda tensors: tensors.update({sorted(tensors)[0]: torch.zeros(2, 7)})),
        "shape",
    ),
    "another profile": (
        lambda folder: stored(folder, profile=profiles.with_settings(PROFILE, ["model.popup_width=64"]).to_dict()),
        "shape",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_checkpoint_that_cannot_be_used(rim, photo, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make, word = WRONG[name]
    make(tmp_path)
    assert refused(rim(photo, "the human", "--model", "mine.safetensors", "-o", "out.png"), "mine.safetensors", word)
    assert not (tmp_path / "out.png").exists() and not (tmp_path / "intruder").exists()


def test_a_model_of_another_profile_predicts_too(rim, photo, tmp_path, scene):
    other = profiles.load("tiny", model__image_size=32)
    torch.manual_seed(0)
    CLIPMat.from_profile(other, weights="random").save(tmp_path / "run")
    assert rim(photo, "the human", "--model", tmp_path / "run", "--threshold", "0", "-o", tmp_path / "out.png")[0] == 0
    assert images.read_matte(tmp_path / "out.png").shape == scene.image.shape[:2]


@pytest.mark.parametrize(
    "function, code, word", [("fsync", errno.ENOSPC, "the disk is full"), ("open", errno.EROFS, "read-only")]
)
@pytest.mark.parametrize("options", [(), ("--cutout",), ("--background", "red")])
def test_a_disk_that_takes_no_more(rim, photo, tmp_path, monkeypatch, function, code, word, options):
    (tmp_path / "out").mkdir()

    def full(*_, **__):
        raise OSError(code, os.strerror(code))

    rim(
        photo, "the human", *options, "-o", tmp_path / "warm.png"
    )  # what is loaded on first use must not meet the full disk
    monkeypatch.setattr(os, function, full)
    status, out, err = rim(photo, "the human", *options, "-o", tmp_path / "out" / "out.png")
    monkeypatch.undo()
    assert refused((status, out, err), tmp_path / "out" / "out.png", word)
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_ends_a_batch(rim, photos, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, out, err = rim(photos, "the human", "-o", tmp_path / "out")
    assert status == 2 and out == [] and err[-1].startswith("rim: error: ") and "the disk is full" in err[-1]
    assert os.listdir(tmp_path / "out") == []


# Where it writes


@pytest.mark.parametrize(
    "sentences, out, expected",
    [
        (["the dog"], "dog.png", ["dog.png"]),
        (["the dog"], None, ["park-the-dog.png"]),
        (["a", "b"], "folder", ["folder/park-a.png", "folder/park-b.png"]),
        (["a", "A", "a!"], None, ["park-a.png", "park-a-2.png", "park-a-3.png"]),
        (["../.. /etc"], None, ["park-etc.png"]),
        (["🦊", "🐶"], None, ["park-matte-0a9f72.png", "park-matte-895eb9.png"]),
        (["a", "A", "a 2"], None, ["park-a.png", "park-a-3.png", "park-a-2.png"]),
    ],
)
def test_paths(sentences, out, expected):
    assert [str(path) for path in paths_of(["/photos/park.jpg"], sentences, out).values()] == expected


@pytest.mark.parametrize(
    "images, sentences",
    [
        (["a.jpg", "a.heic"], ["the dog"]),
        (["a.jpg", "A.jpg"], ["the dog"]),
        (["one/a.jpg", "two/a.jpg"], ["the dog"]),
        (["a.jpg", "a-the.jpg"], ["the dog", "dog"]),
        (["a.jpg", "a.heic", "a-jpg.png"], ["the dog"]),
        (["a.jpg"], ["a very long sentence about one of the two dogs that lie there on " + side for side in "lr"]),
        (["a.jpg"], ["C++", "C#", "🦊"]),
        ([f"{'a' * 250}.jpg", f"{'a' * 249}b.jpg"], ["the dog"]),
    ],
)
def test_a_name_belongs_to_one_image_and_sentence_whatever_the_order(images, sentences):
    def named(images, sentences):
        made = paths_of(images, sentences, "out")
        return {(images[i], sentences[k]): str(path) for (i, k), path in made.items()}

    first = named(images, sentences)
    assert named(images[::-1], sentences[::-1]) == first
    assert len({path.lower() for path in first.values()}) == len(first) == len(images) * len(sentences)
    assert all(len(os.path.basename(path)) < 255 for path in first.values())
    for (image, sentence), path in first.items():
        for other in first:
            if other[0] == image and other[1] != sentence:  # in a call of its own a sentence has no other's name
                assert named([image], [other[1]])[image, other[1]] != path


@pytest.mark.parametrize("sentences, out", [(["a", "b"], "one.png"), (["a"], "matte.jpg")])
def test_paths_that_cannot_be(sentences, out):
    with pytest.raises(RimError, match=out):
        paths_of(["park.jpg"], sentences, out)
