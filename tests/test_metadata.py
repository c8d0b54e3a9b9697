"""What a file holds beside its pixels goes along: EXIF but for the orientation, profile, resolution; and HEIC."""

import io
import os
import struct
import sys
import types
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from rimlib.errors import RimError
from rimlib.io import decode, icc, images, metadata

Y, X = np.mgrid[0:40, 0:60]
PIXELS = np.stack([4 * X, 6 * Y, 255 - 4 * X], axis=2).astype(np.uint8)


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile_of(text: bytes, tags: dict[bytes, bytes], kind=b"mntr", connection=b"XYZ ") -> bytes:
    """An ICC profile of RGB with these tags, and a name."""
    tags = tags | {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 79,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s4s", size, b"lcms", 0x02400000, kind, b"RGB ", connection, b"acsp", b"APPL")
    return head.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249) + b"\0" * 48 + table + body


def of_primaries(name: bytes, primaries, gamma: float) -> bytes:
    """A profile by the XYZ of its red, green and blue, with a plain gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {letter + b"XYZ": b"XYZ \0\0\0\0" + fixed(*one) for letter, one in zip((b"r", b"g", b"b"), primaries)}
    return profile_of(name, tags | {letter + b"TRC": curve for letter in (b"r", b"g", b"b")})


def of_scanner() -> bytes:
    """A profile from RGB by a table, and no table back, as those of scanners are."""
    steps = bytes(range(256)) * 3
    corners = b"".join(
        bytes([40 * (r + g + b), 128 + 60 * (r - g), 128 + 60 * (g - b)])
        for r in (0, 1)
        for g in (0, 1)
        for b in (0, 1)
    )
    table = b"mft1\0\0\0\0" + bytes([3, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + steps + corners + steps
    return profile_of(b"Scanner", {b"A2B0": table}, b"scnr", b"Lab ")


P3 = of_primaries(b"P3", ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)), 2.2)
LINEAR = of_primaries(
    b"GIMP built-in Linear sRGB",
    ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    1.0,
)
SCANNER = of_scanner()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph(path, profile=None, orientation=6, pixels=PIXELS, **more):
    """A file as a camera writes one."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = orientation, "Camera & Co", "somebody"
    exif.get_ifd(0x8769).update({0x9003: "2026:05:01 12:00:00", 0xA002: 60, 0xA003: 40, 0xA001: 65535})
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 0.0)})
    Image.fromarray(pixels).save(path, exif=exif, icc_profile=profile, dpi=(300, 300), **more)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_exif_resolution_and_profile_go_along_and_the_orientation_does_not(tmp_path, ending):
    source = photograph(tmp_path / "a.jpg", P3, quality=95)
    about = metadata.read(source, own_colours=True)
    upright = images.read_image(source)
    assert upright.shape == (60, 40, 3)
    written = images.write_image(tmp_path / f"b.{ending}", upright, metadata=about)
    with Image.open(written) as image:
        exif = image.getexif()
        assert image.size == (40, 60) and 0x0112 not in exif, "turned once and not twice"
        assert exif[0x010F] == "Camera & Co" and exif[0x8298] == "somebody"
        inner = exif.get_ifd(0x8769)
        assert inner[0x9003] == "2026:05:01 12:00:00" and 0xA002 not in inner, "its size would no longer be true"
        assert exif.get_ifd(0x8825)[1] == "N" and image.info["icc_profile"] == P3
        if ending != "webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_matte_and_a_cutout_have_them_too_the_grey_one_without_the_profile(tmp_path):
    about = metadata.read(photograph(tmp_path / "a.png", P3), own_colours=True)
    alpha = np.ones((40, 60), np.float32)
    for path in (
        images.write_matte(tmp_path / "m.png", alpha, metadata=about),
        images.write_cutout(tmp_path / "c.png", PIXELS, alpha, metadata=about),
        images.write_cutout(tmp_path / "c.webp", PIXELS, alpha, metadata=about),
    ):
        with Image.open(path) as image:
            assert image.getexif()[0x8298] == "somebody"
            assert image.info.get("icc_profile") == (None if path.name == "m.png" else P3)


@pytest.mark.parametrize(
    "own, profile, kept", [(False, P3, b""), (True, P3, P3), (False, SRGB, SRGB), (True, None, b"")]
)
def test_a_profile_is_kept_only_for_the_colours_that_it_describes(tmp_path, own, profile, kept):
    about = metadata.read(photograph(tmp_path / "a.png", profile), own_colours=own)
    assert about.profile == kept
    exif = Image.Exif()
    exif.load(about.exif)
    assert (0xA001 in exif.get_ifd(0x8769)) == (kept == profile or profile is None), "ColorSpace is of the old colours"


def test_own_colours_are_those_of_the_file(tmp_path):
    path = photograph(tmp_path / "a.png", P3, orientation=1)
    assert (images.read_visible(path, own_colours=True)[0] == PIXELS).all()
    converted = images.read_image(path)
    assert np.abs(converted.astype(int) - PIXELS).mean() > 3
    again = icc.from_srgb(converted, P3)
    inside = ((converted > 0) & (converted < 255)).all(axis=2)  # others were cut off at sRGB's border
    assert inside.sum() > 300 and np.abs(again.astype(int) - PIXELS)[inside].max() <= 4


def test_a_profile_is_srgb_by_its_colours_and_not_by_its_name(tmp_path):
    named = SRGB.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    assert named != SRGB and icc.is_srgb(SRGB) and icc.is_srgb(named)
    assert not any(map(icc.is_srgb, (LINEAR, P3, SCANNER, b"", b"no profile at all")))
    path = photograph(tmp_path / "a.png", LINEAR, orientation=1, pixels=np.full((4, 5, 3), 55, np.uint8))
    assert np.abs(images.read_image(path).astype(int) - 128).max() <= 1, "a linear .2157 is sRGB's middle grey"


def test_a_profile_into_which_nothing_can_be_converted_is_not_kept(tmp_path):
    path = photograph(tmp_path / "a.png", SCANNER, orientation=1)
    about = metadata.read(path, own_colours=True)
    assert about.profile == b"" and about.exif, "its colours are written in sRGB"
    assert np.abs(images.read_image(path).astype(int) - PIXELS).mean() > 3, "converted"


def test_strips_of_a_conversion_do_not_show(monkeypatch):
    whole = icc.from_srgb(PIXELS, P3)
    monkeypatch.setattr(icc, "STRIP", 7)
    assert (icc.from_srgb(PIXELS, P3) == whole).all()


def test_a_palette_is_converted_too(tmp_path):
    """A GIF-like PNG of a screen in Display P3."""
    flat = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    Image.fromarray(flat).quantize(4).save(tmp_path / "p.png", icc_profile=P3)
    Image.fromarray(flat).save(tmp_path / "rgb.png", icc_profile=P3)
    assert (images.read_image(tmp_path / "p.png") == images.read_image(tmp_path / "rgb.png")).all()
    assert icc.own(Image.open(tmp_path / "p.png")) == P3


@pytest.mark.parametrize("make", ["broken profile", "broken exif", "no dpi", "no file", "no image"])
def test_broken_metadata_are_left_out(tmp_path, make):
    path = tmp_path / "a.png"
    if make == "no image":
        path.write_bytes(b"nothing of the kind")
    elif make != "no file":
        more = {
            "broken profile": {"icc_profile": b"x" * 200},
            "broken exif": {"exif": b"Exif\0\0II*\0\xff\xff\xff\xff"},
        }
        Image.fromarray(PIXELS).save(path, **more.get(make, {}))
    assert metadata.read(path, own_colours=True) == metadata.Metadata()


def test_exif_that_is_too_long_for_a_jpeg_loses_the_makers_note(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Camera & Co"
    exif.get_ifd(0x8769).update({0x927C: os.urandom(70_000)})
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    about = metadata.read(tmp_path / "a.png")
    assert 0 < len(about.exif) < 1000
    assert Image.open(images.write_image(tmp_path / "b.jpg", PIXELS, metadata=about)).getexif()[0x010F] == "Camera & Co"


# HEIC

HEIC = b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHEMiPrmiafMiHBheic" + bytes(4000)


def test_heic_is_named_where_it_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "IMG.HEIC").write_bytes(HEIC)
    (tmp_path / "IMG.jpg").write_bytes(HEIC)
    for name in ("IMG.HEIC", "IMG.jpg"):
        with pytest.raises(RimError, match=r"is an image in HEIC: .*pip install 'rimlib\[heic\]'; or save it as JPEG"):
            images.read_image(tmp_path / name)


def test_heic_is_read_where_the_extra_is(tmp_path, monkeypatch):
    """By a stand-in for the package, which has the same function."""

    def register_heif_opener():
        def accept(head):
            return head[4:12] == b"ftypheic"

        class Opened(Image.Image):
            pass

        def factory(stream, filename):
            if b"photograph" not in stream.read():
                raise SyntaxError("broken")
            return Image.fromarray(PIXELS)

        Image.register_open("STANDIN", factory, accept)

    monkeypatch.setitem(sys.modules, "pillow_heif", types.SimpleNamespace(register_heif_opener=register_heif_opener))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    (tmp_path / "a.heic").write_bytes(HEIC + b"photograph")
    assert (images.read_image(tmp_path / "a.heic") == PIXELS).all()
    (tmp_path / "b.heic").write_bytes(HEIC)
    with pytest.raises(RimError, match="b.heic: is a HEIC file that is broken or cut off"):
        images.read_image(tmp_path / "b.heic")


def test_heic_by_the_package_itself(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x010F] = "Telephone"
    Image.fromarray(PIXELS).save(tmp_path / "a.heic", exif=exif, quality=95, icc_profile=P3)
    assert np.abs(images.read_visible(tmp_path / "a.heic", own_colours=True)[0].astype(int) - PIXELS).mean() < 6
    about = metadata.read(tmp_path / "a.heic", own_colours=True)
    assert about.profile == P3 and b"Telephone" in about.exif


@pytest.mark.parametrize("name", ["DSC_1.NEF", "a.dng", "b.CR2", "c.arw"])
def test_raw_files_are_not_their_small_copies(tmp_path, name):
    """A raw file is a TIFF, whose first image is the camera's own small one."""
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "TIFF")
    (tmp_path / name).write_bytes(stream.getvalue())
    with pytest.raises(RimError, match="raw file of a camera.*develop it to JPEG or TIFF"):
        images.read_image(tmp_path / name)


def test_opening_a_header_decodes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    data = path.read_bytes()
    place = data.index(b"IDAT")
    length = struct.unpack(">I", data[place - 4 : place])[0]
    broken = zlib.compress(b"nothing")
    chunk = struct.pack(">I", len(broken)) + b"IDAT" + broken + struct.pack(">I", zlib.crc32(b"IDAT" + broken))
    path.write_bytes(data[: place - 4] + chunk + data[place + 8 + length :])
    with decode.opened(path) as image:
        assert image.size == (60, 40)
