"""Asking the shipped model: what it must find, and every picture and sentence that a person might give it."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import rimlib
from rimlib import cli, images
from rimlib.clipmat.backbone import CHECKPOINTS
from rimlib.errors import RimError
from rimlib.predict import Matting


@pytest.fixture(scope="module")
def matting():
    return Matting.shipped()


@pytest.fixture(scope="module")
def scene():
    """A composed picture (H, W, 3), its sentences and true mattes."""
    from rimlib.entities import starter
    from rimlib.profile import load
    from rimlib.refmatte.build import render
    from rimlib.refmatte.plan import plan

    pool, settings = starter.load(), load("tiny", data__groups_test=0, data__extra_test=6).data
    planned = next(scene for scene in plan(pool, settings, "seen") if scene.keyword_clear and len(scene.entities) == 2)
    picture, mattes = render(pool, planned, (settings.height, settings.width))
    return picture, [four[0].text for four in planned.sentences], mattes


def test_a_matte_has_the_pictures_own_size_and_range(matting, scene):
    picture, sentences, _ = scene
    matting.set_image(picture)
    results = matting.mattes(sentences)
    for result in results:
        assert result.alpha.shape == picture.shape[:2] and result.alpha.dtype == np.float32
        assert result.trimap.shape == picture.shape[:2] and set(np.unique(result.trimap)) <= {0, 128, 255}
        assert 0 <= result.alpha.min() and result.alpha.max() <= 1 and 0 <= result.score <= 1
    one = matting.matte(sentences[1])
    np.testing.assert_allclose(one.alpha, results[1].alpha, atol=1e-3)      # asked alone or together


def test_sentences_change_the_answer(matting, scene):
    picture, sentences, _ = scene
    matting.set_image(picture)
    first, second = (result.alpha for result in matting.mattes(sentences))
    assert np.abs(first - second).sum() > 0.2 * max(first.sum(), second.sum(), 1)


@pytest.mark.parametrize("make", [
    lambda size: Image.new("L", size, 90), lambda size: Image.new("P", size, 3), lambda size: Image.new("CMYK", size, (9, 40, 80, 0)),
    lambda size: Image.new("I;16", size, 40000), lambda size: Image.new("RGBA", size, (200, 30, 30, 90)), lambda size: Image.new("1", size, 1)])
def test_any_kind_of_picture_works(matting, make):
    matting.set_image(make((50, 30)))
    assert matting.matte("the dog").alpha.shape == (30, 50)


def test_a_picture_of_one_pixel_and_one_of_forty_megapixels(matting):
    matting.set_image(np.zeros((1, 1, 3), np.uint8))
    assert matting.matte("the dog").alpha.shape == (1, 1)
    matting.set_image(np.zeros((5000, 8000, 3), np.uint8))
    assert matting.matte("the dog").alpha.shape == (5000, 8000)


def test_rotated_and_animated_files(tmp_path, matting):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    for name, shape in (("turned.jpg", (60, 40)), ("moving.gif", (10, 20))):
        matting.set_image(tmp_path / name)
        assert matting.matte("the dog").alpha.shape == shape


@pytest.mark.parametrize("sentence", ["", "   ", "\n\t"])
def test_an_empty_sentence_is_refused(matting, scene, sentence):
    matting.set_image(scene[0])
    with pytest.raises(RimError, match="empty"):
        matting.matte(sentence)


@pytest.mark.parametrize("sentence", ["🦊", "der Hund links vom Baum", "左边的狗", "the dog!!! <b>", "DOG", "a\x00b"])
def test_any_text_gets_an_answer(matting, scene, sentence):
    matting.set_image(scene[0])
    assert np.isfinite(matting.matte(sentence).alpha).all()


def test_a_long_sentence_is_cut_and_says_where(matting, scene):
    matting.set_image(scene[0])
    with pytest.warns(UserWarning, match="cut after"):
        matting.matte("the dog " * 1250)
    assert len("the dog " * 1250) == 10_000


def test_other_things_than_text_and_no_picture(matting):
    with pytest.raises(RimError, match="expected text, found int"):
        Matting(matting.model).set_image(np.zeros((4, 4, 3), np.uint8)) or matting.matte(7)
    with pytest.raises(RimError, match="no picture yet"):
        Matting(matting.model).matte("the dog")


def files(folder):
    (folder / "zero.png").write_bytes(b"")
    Image.new("RGB", (64, 64)).save(folder / "whole.png")
    (folder / "half.png").write_bytes((folder / "whole.png").read_bytes()[:60])
    (folder / "text.jpg").write_text("not a picture")
    return ["zero.png", "half.png", "text.jpg", "missing.png", "."]


def test_the_command_answers_bad_pictures_with_one_line_and_leaves_nothing(tmp_path, capsys):
    for name in files(tmp_path):
        out = tmp_path / "out.png"
        assert cli.main(["matte", str(tmp_path / name), "the dog", "-o", str(out)]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("rim: error:") and (name in lines[0] or name == ".")
        assert not out.exists()


def test_the_command_writes_a_matte(tmp_path, capsys, scene):
    images.write_picture(tmp_path / "scene.png", scene[0])
    assert cli.main(["matte", str(tmp_path / "scene.png"), *scene[1], "-o", str(tmp_path / "mattes")]) == 0
    assert len(list((tmp_path / "mattes").glob("*.png"))) == 2
    assert "score" in capsys.readouterr().out
    assert cli.main(["matte", str(tmp_path / "scene.png"), " ", "-o", str(tmp_path / "none.png")]) == 2
    assert "empty" in capsys.readouterr().err and not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("spoil, words", [
    (lambda data: data[:len(data) // 2], "not a whole safetensors file"),
    (lambda data: b"\x80\x04" + b"x" * 100, "pickle"),
    (lambda data: b"", "not a whole safetensors file")])
def test_a_broken_checkpoint_is_named(tmp_path, capsys, scene, spoil, words):
    images.write_picture(tmp_path / "scene.png", scene[0])
    (tmp_path / "mine.safetensors").write_bytes(spoil((CHECKPOINTS / "clipmat-tiny.safetensors").read_bytes()))
    assert cli.main(["matte", str(tmp_path / "scene.png"), "the dog", "--model", str(tmp_path / "mine.safetensors"), "-o", str(tmp_path / "o.png")]) == 2
    error = capsys.readouterr().err
    assert "mine.safetensors" in error and words in error and error.count("\n") == 1


def test_one_call_from_the_package(scene):
    assert rimlib.matte(scene[0], scene[1][0]).shape == scene[0].shape[:2]


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, rimlib, rimlib.cli; print([name for name in ('torch', 'open_clip', 'cv2', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_what_ships_is_small_and_has_cards():
    weights = list(CHECKPOINTS.glob("*.safetensors"))
    assert len(weights) == 2 and sum(path.stat().st_size for path in weights) <= 25e6
    assert all(path.with_suffix(".json").is_file() for path in weights)
