"""Every format in, one convention out; every bad input works or gives one line that names it."""

import io
import os
import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from rimlib.errors import RimError
from rimlib.io import decode
from rimlib.io.images import read_cutout, read_image, read_matte, resize, write_cutout, write_image, write_matte


@pytest.fixture
def image():
    """A smooth image, so that JPEG keeps it nearly."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([4 * x, 6 * y, 120 + 2 * (x - y)], axis=2).astype(np.uint8)


@pytest.fixture(autouse=True)
def no_warnings():
    """No warning of Pillow's, NumPy's or Python's may reach the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def refused(function, *arguments):
    with pytest.raises(RimError) as caught:
        function(*arguments)
    text = str(caught.value)
    assert text and "\n" not in text and len(text) < 500
    return text


def close(a, b, levels):
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    assert np.abs(a.astype(int) - b).max() <= levels


# Files that work


@pytest.mark.parametrize("ending, levels", [("png", 0), ("tif", 0), ("bmp", 0), ("jpg", 14), ("webp", 14), ("gif", 60)])
def test_formats(tmp_path, image, ending, levels):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(image).save(path)
    close(read_image(path), image, levels)
    close(read_image(str(path)), image, levels)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled(tmp_path, ending):
    grey = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    color = np.dstack([grey, grey.T, grey[::-1]])
    cv2.imwrite(str(tmp_path / f"grey.{ending}"), grey)
    cv2.imwrite(str(tmp_path / f"color.{ending}"), color[..., ::-1])  # OpenCV takes BGR
    close(read_image(tmp_path / f"grey.{ending}"), np.dstack([grey // 257] * 3).astype(np.uint8), 0)
    close(read_image(tmp_path / f"color.{ending}"), (color // 257).astype(np.uint8), 1)
    assert read_matte(tmp_path / f"grey.{ending}")[0, 1] == pytest.approx(1 / 255)


def test_a_sixteen_bit_matte_keeps_its_precision(tmp_path):
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[1, 1000, 65535]], np.uint16))
    np.testing.assert_allclose(read_matte(tmp_path / "m.png"), [[1 / 65535, 1000 / 65535, 1]], rtol=1e-6)


def test_greyscale_and_one_bit(tmp_path):
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(tmp_path / "l.png")
    assert read_image(tmp_path / "l.png").tolist() == [[[0] * 3, [100] * 3, [255] * 3]]
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).convert("1", dither=0).save(tmp_path / "1.png")
    assert read_matte(tmp_path / "1.png").tolist() == [[0, 0, 1]]


def test_palette_with_and_without_transparency(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.frombytes(bytes([0, 1, 2]))
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    image.save(tmp_path / "t.png", transparency=bytes([255, 0, 128]))
    assert read_image(tmp_path / "t.png").tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 255]]]
    foreground, alpha = read_cutout(tmp_path / "t.png")
    assert foreground.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    np.testing.assert_allclose(alpha, [[1, 0, 128 / 255]])
    image.save(tmp_path / "t.gif", transparency=1)
    assert read_cutout(tmp_path / "t.gif")[1].tolist() == [[1, 0, 1]]


def test_grey_with_alpha_and_colour_keys(tmp_path):
    Image.fromarray(np.array([[[100, 0], [100, 255]]], np.uint8)).save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png").tolist() == [[[255] * 3, [100] * 3]]
    Image.fromarray(np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)).save(tmp_path / "key.png", transparency=(9, 8, 7))
    assert read_cutout(tmp_path / "key.png")[1].tolist() == [[0, 1]]


def test_cmyk_jpeg(tmp_path, image):
    Image.fromarray(image).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    close(read_image(tmp_path / "cmyk.jpg"), image, 20)


@pytest.mark.parametrize(
    "orientation, upright",
    [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, np.rot90), (5, lambda a: a.transpose(1, 0, 2))],
)
def test_exif_orientation_is_applied(tmp_path, image, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for ending in ("png", "tif", "jpg", "webp"):
        Image.fromarray(image).save(tmp_path / f"a.{ending}", exif=exif)
        close(read_image(tmp_path / f"a.{ending}"), np.ascontiguousarray(upright(image)), 14)


def test_broken_exif_is_ignored(tmp_path, image, monkeypatch):
    for number, exif in enumerate([b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\xff\xff\xff\x7f"]):
        Image.fromarray(image).save(tmp_path / f"{number}.jpg", exif=exif)
        close(read_image(tmp_path / f"{number}.jpg"), image, 14)

    def strict(image):  # as some versions of Pillow are
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(ImageOps, "exif_transpose", strict)
    close(read_image(tmp_path / "0.jpg"), image, 14)


@pytest.mark.parametrize("ending", ["gif", "webp", "tif", "png"])
def test_the_first_frame_of_an_animation(tmp_path, ending):
    first, second = Image.new("RGB", (8, 6), (255, 0, 0)), Image.new("RGB", (8, 6), (0, 0, 255))
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=[second, first])
    close(read_image(tmp_path / f"a.{ending}"), np.full((6, 8, 3), (255, 0, 0), np.uint8), 3)


@pytest.mark.parametrize(
    "width, height, ending", [(7300, 5500, "jpg"), (10_000, 9_000, "png"), (13_500, 13_500, "tif")]
)
def test_large_images_work_without_a_warning(tmp_path, width, height, ending, monkeypatch):
    # 40, 90 and 182 million pixels: Pillow warns from 89 on and stops at 179.
    Image.new("1" if ending != "jpg" else "L", (width, height), 1).save(tmp_path / f"a.{ending}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)
    if ending == "jpg":
        assert read_image(tmp_path / "a.jpg").shape == (height, width, 3)
    assert decode.pixels_of(tmp_path / f"a.{ending}").shape == (height, width, 1)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def test_one_pixel(tmp_path):
    Image.new("RGBA", (1, 1), (1, 2, 3, 255)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]
    assert read_cutout(tmp_path / "a.png")[1].tolist() == [[1.0]]
    assert read_matte(np.ones((1, 1))).tolist() == [[1.0]]
    assert resize(np.ones((1, 1, 3), np.uint8), (5, 4)).tolist() == np.ones((5, 4, 3)).tolist()


# Files that do not


def test_too_large_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(decode, "LARGEST", 1199)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    text = refused(read_image, tmp_path / "a.png")
    assert str(tmp_path / "a.png") in text and "40 x 30" in text and "1,199" in text


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "gif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated(tmp_path, ending, share):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    Image.fromarray(noise).save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * share)])
    assert str(path) in refused(read_image, path)


@pytest.mark.parametrize("function", [read_image, read_cutout, read_matte])
def test_no_image_at_all(tmp_path, function):
    (tmp_path / "zero.png").touch()
    (tmp_path / "text.jpg").write_text("an image of a dog")
    assert "there is no such file" in refused(function, tmp_path / "missing.png")
    assert "is a folder" in refused(function, tmp_path)
    assert "is empty (0 bytes)" in refused(function, tmp_path / "zero.png")
    assert "is not an image" in refused(function, tmp_path / "text.jpg")
    assert "not a path" in refused(function, "")
    assert "not a path" in refused(function, "a\0b")


@pytest.mark.parametrize(
    "head, kind",
    [
        (b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHE", "HEIC"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "Git LFS"),
        (b"<!DOCTYPE html><html><head>", "web page"),
    ],
)
def test_what_stands_in_place_of_an_image_is_named(tmp_path, head, kind):
    (tmp_path / "a.jpg").write_bytes(head)
    assert kind in refused(read_image, tmp_path / "a.jpg")


def wide_gamut() -> bytes:
    """A profile whose primaries are those of Display P3, written by hand."""
    fixed = lambda *values: b"".join(struct.pack(">i", round(value * 65536)) for value in values)
    xyz = lambda *values: b"XYZ \0\0\0\0" + fixed(*values)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(81),
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    return head + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48) + table + body


def test_colours_of_another_profile_become_srgb(tmp_path):
    red = np.full((4, 5, 3), (200, 40, 40), np.uint8)
    matte = np.full((4, 5, 3), 100, np.uint8)
    for profile, change in (
        (wide_gamut(), True),
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), False),
        (b"none", False),
    ):
        Image.fromarray(red).save(tmp_path / "a.png", icc_profile=profile)
        found = read_image(tmp_path / "a.png")[0, 0]
        assert (found[0] > 208 and found[1] < 20) if change else (found == red[0, 0]).all()
        Image.fromarray(np.dstack([red, np.uint8(red[..., 0] // 2)])).save(tmp_path / "b.png", icc_profile=profile)
        foreground, alpha = read_cutout(tmp_path / "b.png")
        assert (foreground[0, 0] == found).all() and (alpha == np.float32(100 / 255)).all()
        Image.fromarray(matte).save(tmp_path / "c.png", icc_profile=profile)
        assert (read_matte(tmp_path / "c.png") == np.float32(100 / 255)).all(), "a matte's values are no colours"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "a pipe" in refused(read_image, tmp_path / "pipe.png")


@pytest.mark.parametrize(
    "address", ["https://example.org/a.jpg", "file:///a.jpg", "data:image/png;base64," + "A" * 10_000]
)
def test_addresses_are_refused(address):
    text = refused(read_image, address)
    assert address[:20] in text and "is an address" in text


def test_floating_point_files_out_of_range_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "f.tif"), np.array([[0, 0.5, 1]], np.float32))
    assert read_image(tmp_path / "f.tif")[0, :, 0].tolist() == [0, 128, 255]
    cv2.imwrite(str(tmp_path / "g.tif"), np.array([[0, 100, 200]], np.float32))
    text = refused(read_image, tmp_path / "g.tif")
    assert "g.tif" in text and "from 0 to 200" in text


# Arrays, tensors and Pillow images


@pytest.mark.parametrize(
    "array, grey",
    [
        (np.array([[0, 51, 255]], np.uint8), [0, 51, 255]),
        (np.array([[0, 13107, 65535]], np.uint16), [0, 51, 255]),
        (np.array([[0, 13107, 65535]], ">u2"), [0, 51, 255]),
        (np.array([[127, 129, 13107 + 130]], np.uint16), [0, 1, 52]),  # to the nearest level
        (np.array([[0, 0.2, 1]], np.float16), [0, 51, 255]),
        (np.array([[0, 0.2, 1]], np.float32), [0, 51, 255]),
        (np.array([[-0.001, 0.2, 1.001]]), [0, 51, 255]),
        (np.array([[False, True, True]]), [0, 255, 255]),
        (np.array([[[0], [51], [255]]], np.uint8), [0, 51, 255]),
    ],
)
def test_arrays_of_all_kinds(array, grey):
    image = read_image(array)
    assert image.dtype == np.uint8 and image.shape == (1, 3, 3)
    assert image[0, :, 1].tolist() == grey
    matte = read_matte(array)
    assert matte.dtype == np.float32
    np.testing.assert_allclose(matte[0], np.array(grey) / 255, atol=0.51 / 255)


def test_rgb_and_rgba_arrays():
    assert read_image(np.array([[[10, 20, 30]]], np.uint8)).tolist() == [[[10, 20, 30]]]
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    assert read_image(rgba).tolist() == [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]]
    foreground, alpha = read_cutout(rgba / 255)
    assert foreground.tolist() == rgba[..., :3].tolist()
    np.testing.assert_allclose(alpha, [[1, 0, 0.2]])


@pytest.mark.parametrize(
    "array, words",
    [
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), np.inf), "infinity"),
        (np.full((4, 4), 255.0), "floats must lie in [0, 1]"),
        (np.full((4, 4), -1.0), "floats must lie in [0, 1]"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((4, 4), object), "object"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((3, 8, 8), np.uint8), "(H, W, 3)"),
        (np.zeros((8, 8, 2), np.uint8), "(H, W, 3)"),
        (np.zeros(8, np.uint8), "(H, W)"),
        (np.zeros((1, 8, 8, 3), np.uint8), "(H, W, 3)"),
        ([[0.5]], "list"),
        (None, "NoneType"),
        (b"bytes", "bytes"),
    ],
)
def test_arrays_that_are_no_images(array, words):
    for function in (read_image, read_matte, read_cutout):
        assert words in refused(function, array)


def test_what_is_read_belongs_to_the_reader(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").flags.writeable
    for given in (image, np.dstack([image, image[..., :1]])):
        before = given.copy()
        for mine in (read_image(given), read_cutout(np.dstack([given[..., :3], image[..., :1]]))[0]):
            assert mine.flags.c_contiguous
            mine[:] = 0
        assert (given == before).all()
    matte = np.zeros((2, 2), np.float32)
    read_matte(matte)[:] = 1
    assert not matte.any()


def test_tensors(image):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the import are not ours
        torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(image.copy())
    for given in (tensor, tensor.permute(2, 0, 1), tensor.permute(2, 0, 1) / 255, (tensor / 255).requires_grad_()):
        close(read_image(given), image, 0)
    close(read_image((tensor / 255).bfloat16()), image, 1)
    assert read_matte(torch.full((1, 5, 7), 0.25)).shape == (5, 7)
    assert "NaN" in refused(read_image, torch.full((3, 4, 4), float("nan")))
    assert "(2, 3, 4, 4)" in refused(read_image, torch.zeros(2, 3, 4, 4))


def test_pillow_images(image, tmp_path):
    pillow = Image.fromarray(image)
    close(read_image(pillow), image, 0)
    close(read_image(pillow.convert("RGBA")), image, 0)
    exif = Image.Exif()
    exif[0x0112] = 3
    pillow.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        close(read_image(opened), image[::-1, ::-1].copy(), 0)
        assert opened.size == (60, 40)


# What each reader takes


def test_a_cutout_has_alpha(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    text = refused(read_cutout, tmp_path / "a.png")
    assert "a.png" in text and "no alpha channel" in text


def test_a_matte_is_grey(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    assert "colour image" in refused(read_matte, tmp_path / "a.png")
    grey = np.dstack([image[..., 0]] * 3)
    Image.fromarray(grey).save(tmp_path / "b.jpg")
    np.testing.assert_allclose(read_matte(tmp_path / "b.jpg"), image[..., 0] / 255, atol=0.05)
    assert read_matte(np.dstack([grey, np.full_like(grey[..., 0], 255)])).shape == (40, 60)
    assert "with transparency" in refused(read_matte, np.dstack([grey, grey[..., 0]]))


# Writing


@pytest.mark.parametrize("ending, levels", [("png", 0), ("TIF", 0), ("jpg", 14), ("webp", 14)])
def test_write_image(tmp_path, image, ending, levels):
    path = write_image(tmp_path / "new" / f"a.{ending}", image)
    close(read_image(path), image, levels)


def test_write_matte_is_an_eight_bit_grey_png(tmp_path):
    alpha = np.linspace(0, 1, 512, dtype=np.float32).reshape(16, 32)
    path = write_matte(tmp_path / "m.png", alpha)
    with Image.open(path) as image:
        assert image.mode == "L" and image.format == "PNG"
    assert np.abs(read_matte(path) - alpha).max() <= 0.5 / 255 + 1e-6


def test_a_written_matte_does_not_drift(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_matte(tmp_path / "m.png", read_matte(levels))
    assert (np.asarray(Image.open(tmp_path / "m.png")) == levels).all()


@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_write_cutout_keeps_even_what_is_not_seen(tmp_path, image, ending):
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 20:] = 0.2
    alpha[:, 40:] = 1
    foreground, back = read_cutout(write_cutout(tmp_path / f"a.{ending}", image, alpha))
    close(foreground, image, 0)
    np.testing.assert_allclose(back, alpha, atol=1e-6)


def test_write_cutout_with_loss_keeps_alpha(tmp_path, image):
    alpha = np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60)
    image = np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)
    small = write_cutout(tmp_path / "a.webp", image, alpha, quality=60)
    assert np.abs(read_cutout(small)[1] - alpha).max() <= 0.5 / 255 + 1e-6
    assert small.stat().st_size < write_cutout(tmp_path / "b.webp", image, alpha).stat().st_size


def test_writing_refuses_by_name(tmp_path, image):
    matte = np.ones((40, 60))
    for call, words in [
        ((write_image, tmp_path / "a.xyz", image), "'.xyz'"),
        ((write_image, tmp_path / "a", image), "the ending ''"),
        ((write_image, tmp_path / "a.jpg", image, 0), "quality is 0"),
        ((write_image, tmp_path / "a.webp", np.zeros((1, 16_384), np.uint8)), "16384 x 1 pixels"),
        ((write_image, tmp_path / "a.jpg", np.zeros((65_536, 1), np.uint8)), "1 x 65536 pixels"),
        ((write_matte, tmp_path / "a.jpg", matte), "expected .png"),
        ((write_matte, tmp_path / "a.png", matte * np.nan), "NaN"),
        ((write_matte, tmp_path / "a.png", matte * 255), "[0, 1]"),
        ((write_cutout, tmp_path / "a.jpg", image, matte), "'.jpg'"),
        ((write_cutout, tmp_path / "a.png", image, matte.T), "(60, 40)"),
        ((write_cutout, tmp_path / "a.webp", image, matte, 101), "quality is 101"),
        ((write_image, "/dev/full/a.png", image), "/dev/full/a.png"),
    ]:
        assert words in refused(*call)
    assert os.listdir(tmp_path) == []


# Resizing


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,), (7,)])
def test_shrinking_is_the_mean_of_blocks(channels):
    array = np.random.default_rng(0).random((12, 20, *channels))
    naive = array.reshape(4, 3, 5, 4, *channels).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(array, (4, 5)), naive, atol=1e-12)
    eight = (array * 255).astype(np.uint8)
    naive = eight.reshape(4, 3, 5, 4, *channels).mean(axis=(1, 3))
    assert np.abs(resize(eight, (4, 5)) - naive).max() <= 0.51


def test_a_thin_strand_fades_and_does_not_break():
    alpha = np.eye(200, dtype=np.float32)
    small = resize(alpha, (50, 50))
    np.testing.assert_allclose(np.diag(small), 0.25)
    assert small.sum() * 16 == pytest.approx(alpha.sum())


def test_one_axis_shrinks_while_the_other_grows():
    array = np.repeat(np.array([[0.0, 1.0] * 8]), 2, axis=0)  # stripes (2, 16)
    np.testing.assert_allclose(resize(array, (6, 8)), 0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [(3, 5), (40, 50), (10, 20), (3, 50)])
def test_resize_keeps_dtype_layout_and_range(dtype, size):
    array = (np.random.default_rng(1).random((10, 20, 3)) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    for given in (array, array[..., 0], array[..., :1]):
        result = resize(given, size)
        assert result.dtype == dtype and result.shape == (*size, *given.shape[2:])
        if dtype != np.uint8:
            assert given.min() <= result.min() and result.max() <= given.max()
    ones = np.ones((11, 23), np.float32 if dtype == np.uint8 else dtype)
    assert (resize(ones, size) == 1).all()  # not a rounding error more
    if size == array.shape[:2]:
        assert (resize(array, size) == array).all() and not np.shares_memory(resize(array, size), array)


def test_resize_refuses():
    assert "0 x 5" in refused(resize, np.zeros((2, 2)), (0, 5))
    assert "int64" in refused(resize, np.zeros((2, 2), int), (1, 1))
    assert "(2,)" in refused(resize, np.zeros(2), (1, 1))
    assert "(0, 2)" in refused(resize, np.zeros((0, 2)), (1, 1))
