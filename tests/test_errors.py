"""What a user reads of an error: one line that names the file or setting, what was found, and what would be right."""

import json

import numpy as np
import pytest

from rimlib import baselines, cli
from rimlib import profile as profiles
from rimlib.cli.targets import paths_of
from rimlib.clipmat.model import CLIPMat
from rimlib.device import pick_device
from rimlib.errors import RimError, require
from rimlib.io import files, images
from rimlib.prediction import cutout, folder
from rimlib.sentences import as_list, clean

IMAGE = np.zeros((4, 6, 3), np.uint8)


# name: (the call, given a folder; what its message names as found; what would be right; the file; the setting)
ERRORS = {
    "a missing image": (lambda at: images.read_image(at / "no.png"), "no such file", "", "no.png", None),
    "a text as an image": (
        lambda at: images.read_image(at / "text.jpg"),
        "is not an image",
        "PNG, JPEG",
        "text.jpg",
        None,
    ),
    "an empty image": (lambda at: images.read_image(at / "empty.png"), "empty (0 bytes)", "", "empty.png", None),
    "a folder as an image": (
        lambda at: images.read_image(at / "images"),
        "is a folder",
        "an image file",
        "images",
        None,
    ),
    "floats of 0 to 255": (
        lambda at: images.read_image(IMAGE + 255.0),
        "from 255 to 255",
        "must lie in [0, 1]",
        None,
        None,
    ),
    "no alpha": (lambda at: images.read_cutout(at / "image.png"), "no alpha channel", "RGBA", "image.png", None),
    "colours as a matte": (
        lambda at: images.read_matte(at / "image.png"),
        "is a colour image",
        "a matte is grey",
        "image.png",
        None,
    ),
    "a matte as JPEG": (
        lambda at: images.write_matte(at / "a.jpg", np.ones((2, 2))),
        "the ending '.jpg'",
        "expected .png",
        "a.jpg",
        None,
    ),
    "a quality": (
        lambda at: images.write_image(at / "a.jpg", IMAGE, quality=0),
        "quality is 0",
        "from 1 to 100",
        "a.jpg",
        "quality",
    ),
    "a file as a folder": (
        lambda at: files.write_json(at / "text.jpg" / "a.json", {}),
        "a file, not a folder",
        "",
        "text.jpg/a.json",
        None,
    ),
    "broken JSON": (lambda at: files.read_json(at / "text.jpg"), "line 1, column 1", "broken JSON", "text.jpg", None),
    "an empty sentence": (lambda at: clean("  "), "it is empty", 'such as "the brown dog"', None, "sentence"),
    "one sentence for a list": (lambda at: as_list("the dog"), "found str", "write [sentence]", None, "sentences"),
    "no images": (lambda at: folder.find(at / "images"), "no images in this folder", "end in .jpg", "images", None),
    "a device": (lambda at: pick_device("quantum"), "'quantum'", "leave it out", None, "device"),
    "a colour": (
        lambda at: cutout.color_of((1, 2, 300)),
        "(1, 2, 300)",
        "three whole numbers of 0 to 255",
        None,
        "background",
    ),
    "a batch": (
        lambda at: paths_of(["a.png", "b.png"], ["the dog"], several=True),
        "2 images",
        "such as -o mattes",
        None,
        "out",
    ),
    "one file for many": (
        lambda at: paths_of(["a.png"], ["the dog", "a cat"], at / "o.png"),
        "2 sentences",
        "name a folder",
        "o.png",
        None,
    ),
    "a profile": (lambda at: profiles.load("tinny"), "tinny", "tiny", None, "profile"),
    "a package": (
        lambda at: require("no_such_package", "course"),
        "no_such_package",
        "pip install 'rimlib[course]'",
        None,
        None,
    ),
    "a checkpoint": (lambda at: CLIPMat.load(at / "no.safetensors"), "no such file", "", "no.safetensors", None),
    "a baseline": (lambda at: baselines.get("clipsag"), "'clipsag'", "did you mean clipseg", None, "method"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_one_line_with_what_is_wrong_and_what_would_be_right(name, tmp_path):
    call, found, right, path, setting = ERRORS[name]
    images.write_image(tmp_path / "image.png", np.dstack([IMAGE[..., :2], IMAGE[..., :1] + 99]))
    (tmp_path / "text.jpg").write_text("no pixels")
    (tmp_path / "empty.png").touch()
    (tmp_path / "images").mkdir()
    with pytest.raises(RimError) as caught:
        call(tmp_path)
    error, line = caught.value, str(caught.value)
    assert found in line and right in line and "\n" not in line and len(line) < 300
    assert line[0] not in ".,:" and not line.endswith(".") and "Error" not in line
    if path is not None:
        assert error.path == str(tmp_path / path) and line.startswith(error.path)
    assert error.setting == setting


def test_the_fields_are_for_programs_and_the_line_is_for_people(tmp_path, capsys):
    broken = tmp_path / "a\nb.png"
    broken.write_bytes(b"no pixels")
    with pytest.raises(RimError) as caught:
        images.read_image(broken)
    assert caught.value.path == str(broken) and str(caught.value).startswith(str(broken).replace("\n", " "))
    assert cli.main(["matte", str(broken), "the dog"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_package_that_fails_for_another_reason_is_no_missing_extra(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import a_part_of_it_that_is_not_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_part_of_it"):
        require("half_installed", "course")
    assert require("json", "course") is json
