"""Any image and any sentence works or gets one clear line, by `rimlib.matte` and by `rim matte` alike."""

import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import rimlib
from rimlib import cli
from rimlib.errors import RimError
from rimlib.io import images
from rimlib.prediction import predictor as module
from rimlib.prediction.functions import NothingFound
from rimlib.prediction.prompts import CutSentence
from rimlib.refmatte.example import example


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))
FILES = {  # name: (what is saved, with what options, (H, W))
    "rgb.png": (RGB, {}, (30, 50)),
    "grey.png": (RGB.convert("L"), {}, (30, 50)),
    "sixteen.png": (Image.fromarray(np.full((30, 50), 40000, np.uint16)), {}, (30, 50)),
    "palette.gif": (RGB.convert("P"), {}, (30, 50)),
    "bits.png": (RGB.convert("1"), {}, (30, 50)),
    "cmyk.jpg": (RGB.convert("CMYK"), {}, (30, 50)),
    "clear.png": (RGB.convert("RGBA"), {}, (30, 50)),
    "greyclear.png": (RGB.convert("LA"), {}, (30, 50)),
    "turned.jpg": (RGB, {"exif": turned()}, (50, 30)),
    "moving.gif": (RGB, {"save_all": True, "append_images": [RGB.rotate(180)]}, (30, 50)),
    "moving.webp": (RGB, {"save_all": True, "append_images": [RGB.rotate(180)]}, (30, 50)),
    "pixel.png": (RGB.crop((0, 0, 1, 1)), {}, (1, 1)),
    "thread.png": (RGB.resize((700, 1)), {}, (1, 700)),
    "large.jpg": (Image.new("RGB", (8000, 5000), (90, 120, 60)), {}, (5000, 8000)),
}
PIXELS = np.asarray(RGB)
ARRAYS = {
    "uint8": PIXELS,
    "grey": PIXELS[..., 0],
    "grey with an axis": PIXELS[..., :1],
    "RGBA": np.dstack([PIXELS, PIXELS[..., :1]]),
    "uint16": PIXELS.astype(np.uint16) * 257,
    "big-endian": (PIXELS.astype(np.uint16) * 257).astype(">u2"),
    "bool": PIXELS > 99,
    "float32": (PIXELS / 255).astype(np.float32),
    "float64": PIXELS / 255,
    "float16": (PIXELS / 255).astype(np.float16),
    "turned": PIXELS[::-1, ::-1],
    "an image": RGB,
    "a palette image": RGB.convert("P"),
    "tensor (H, W, 3)": torch.from_numpy(PIXELS.copy()),
    "tensor (3, H, W)": torch.from_numpy(PIXELS.copy()).permute(2, 0, 1),
    "tensor (H, W)": torch.rand(30, 50),
    "tensor (1, 3, H, W)": torch.rand(1, 3, 30, 50),
    "tensor (1, H, W, 3)": torch.from_numpy(PIXELS.copy())[None],
    "bfloat16": torch.rand(3, 30, 50).bfloat16(),
    "with gradients": torch.rand(3, 30, 50, requires_grad=True),
}
REFUSED = {
    "NaN": (np.full((4, 4), np.nan), "NaN"),
    "infinity": (np.full((4, 4, 3), np.inf, np.float32), "infinity"),
    "NaN in a tensor": (torch.full((3, 8, 8), float("nan")), "NaN"),
    "0 to 255 as floats": (PIXELS.astype(np.float32), "must lie in"),
    "negative": (PIXELS / 255 - 0.5, "must lie in"),
    "int64": (PIXELS.astype(np.int64), "uint8"),
    "complex": (PIXELS * 1j, "uint8"),
    "two channels": (PIXELS[..., :2], "expected"),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    "a batch": (np.stack([PIXELS] * 2), "one image at a time"),
    "a batch of tensors": (torch.rand(2, 3, 8, 8), "one image at a time"),
    "objects": (np.full((4, 4), None), "uint8"),
    "a sparse tensor": (torch.zeros(3, 8, 8).to_sparse(), "tensor"),
    "a list": ([[1, 2], [3, 4]], "list"),
    "nothing": (None, "NoneType"),
    "bytes": (b"\x89PNG", "bytes"),
    "a tensor of no device": (torch.empty(3, 8, 8, device="meta"), "tensor"),
}
ADDRESSES = [
    "https://example.org/fox.jpg",
    "http://example.org/fox.jpg",
    "s3://photos/fox.jpg",
    "file:///fox.jpg",
    "data:image/png;base64,AAAA",
]
BROKEN = {
    "zero.png": "is empty",
    "half.png": "cut off",
    "text.jpg": "not an image",
    "missing.png": "no such file",
    "pipe.png": "a pipe",
}


@pytest.fixture(params=["rimlib.matte", "rim matte"])
def predict(request, one_load, tmp_path, capsys):
    """Predict from a file, in either way: (the alpha, the warnings) or (None, the one line of refusal)."""

    def by_function(path, sentence):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                alpha = rimlib.matte(path, sentence)
            except RimError as error:
                return None, [str(error)]
        return alpha, [str(item.message) for item in caught if item.category is not NothingFound]

    def by_command(path, sentence):
        out = tmp_path / "result" / "out.png"
        status = cli.main(["matte", str(path), "-o", str(out), "--", sentence])
        printed = capsys.readouterr()
        if status == 0:
            assert len(printed.out.splitlines()) == 1 and len(os.listdir(out.parent)) == 1
            return images.read_matte(out), printed.err.splitlines()
        assert status == 2 and printed.out == "" and not out.exists() and printed.err.startswith("rim: error: ")
        return None, printed.err.splitlines()

    return by_function if request.param == "rimlib.matte" else by_command


@pytest.fixture
def photo(tmp_path):
    return images.write_image(tmp_path / "photo.png", example(2).image)


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(predict, tmp_path, name):
    image, options, size = FILES[name]
    image.save(tmp_path / name, **options)
    alpha, lines = predict(tmp_path / name, "the dog")
    assert alpha.shape == size and alpha.dtype == np.float32 and np.isfinite(alpha).all() and lines == []


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_no_image_get_one_line(predict, tmp_path, name):
    whole = tmp_path / "whole.png"
    RGB.save(whole)
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("not an image")
    os.mkfifo(tmp_path / "pipe.png")
    alpha, lines = predict(tmp_path / name, "the dog")
    assert alpha is None and len(lines) == 1 and str(tmp_path / name) in lines[0] and BROKEN[name] in lines[0]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_never_fetched(predict, address):
    alpha, lines = predict(address, "the dog")
    assert alpha is None and len(lines) == 1 and address in lines[0] and "download it" in lines[0]


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path(predict, path):
    alpha, lines = predict(path, "the dog")
    assert alpha is None and "not a path" in lines[0]


@pytest.mark.parametrize("name", ARRAYS)
def test_every_kind_of_array(one_load, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", NothingFound)
        assert rimlib.matte(ARRAYS[name], "the dog").shape == (30, 50)


def test_arrays_of_one_image_give_the_same(shipped):
    predictor = module.MattingPredictor(shipped, device="cpu", refiner=None, threshold=0)
    same = [
        "uint8",
        "uint16",
        "big-endian",
        "float32",
        "float64",
        "an image",
        "tensor (H, W, 3)",
        "tensor (3, H, W)",
        "tensor (1, H, W, 3)",
    ]
    alphas = []
    for name in same:
        predictor.set_image(ARRAYS[name])
        alphas.append(predictor.predict("the dog").raw)
    assert all(np.abs(alpha - alphas[0]).max() < 1e-4 for alpha in alphas)


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_are_no_image_get_one_line(one_load, name):
    source, word = REFUSED[name]
    with pytest.raises(RimError, match=word) as caught:
        rimlib.matte(source, "the dog")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("sentence", ["", "   ", "\n\t"])
def test_an_empty_sentence_is_refused(predict, photo, sentence):
    alpha, lines = predict(photo, sentence)
    assert alpha is None and len(lines) == 1 and "empty" in lines[0]


@pytest.mark.parametrize(
    "sentence, word",
    [
        (7, "found int"),
        (None, "found NoneType"),
        (b"dog", "found bytes"),
        ([], "at least one"),
        (["the dog", 7], "found int"),
        (["the dog", ""], "empty"),
    ],
)
def test_other_things_than_text_are_refused(one_load, sentence, word):
    with pytest.raises(RimError, match=word):
        rimlib.matte(PIXELS, sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "🦊",
        "der Hund links vom Baum",
        "左边的狗",
        "الكلب",
        "the dog!!! <b>",
        "DOG",
        "a\x00b",
        "{keyword}",
        "%s",
        "-",
        "the dog\nand the cat",
    ],
)
def test_any_text_gives_a_matte(predict, photo, sentence):
    alpha, lines = predict(photo, sentence)
    assert np.isfinite(alpha).all() and lines == []


@pytest.mark.parametrize(
    "sentence, end, rest",
    [("the dog " * 1250, "the dog”, before", "before “the dog"), ("d" * 10_000, "d”, before", "before “d")],
)
def test_a_long_sentence_is_cut_with_a_warning_of_the_place(predict, photo, sentence, end, rest):
    assert len(sentence) == 10_000
    alpha, lines = predict(photo, sentence)
    assert np.isfinite(alpha).all() and len(lines) == 1 and len(lines[0]) < 400
    assert end in lines[0] and rest in lines[0] and "46 tokens" in lines[0]


def test_a_path_is_text_for_the_function_and_refused_by_the_command(one_load, photo, tmp_path, capsys):
    assert np.isfinite(rimlib.matte(photo, "../../etc/passwd")).all()
    out = tmp_path / "out.png"
    assert cli.main(["matte", str(photo), "-o", str(out), "--", "../../etc/passwd"]) == 2 and not out.exists()
    assert "../../etc/passwd" in capsys.readouterr().err


def test_a_warning_is_about_the_callers_line(one_load, photo):
    with pytest.warns(CutSentence) as caught:
        rimlib.matte(photo, "the dog " * 99)
    assert next(item for item in caught if item.category is CutSentence).filename == __file__
