"""Reading out of Qt resource collections, made by hand here in both sizes of node."""

import struct
import zlib

import pytest

from rimlib.errors import RimError
from tools import qrc


def collection(version: int, flags: int, content: bytes) -> bytes:
    """/folder/file with the content; the header's offsets follow from the parts' sizes."""
    stamp = b"" if version < 2 else bytes(8)
    names, places = b"", []
    for name in ("", "folder", "file"):
        places.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    nodes = [struct.pack(">IHII", place, qrc.FOLDER, 1, child) + stamp for place, child in zip(places, (1, 2))]
    nodes.append(struct.pack(">IHHHI", places[2], flags, 0, 0, 0) + stamp)
    data = struct.pack(">I", len(content)) + content
    start = 20 if version < 3 else 24
    header = (
        b"qres"
        + struct.pack(">4I", version, start + len(data) + len(names), start, start + len(data))
        + bytes(start - 20)
    )
    return header + data + names + b"".join(nodes)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_comes_out_as_it_went_in(tmp_path, version):
    path = tmp_path / "one.rcc"
    path.write_bytes(collection(version, 0, b"hello"))
    assert qrc.read(path, "/folder/file") == b"hello"
    path.write_bytes(collection(version, qrc.SQUEEZED, struct.pack(">I", 5) + zlib.compress(b"hello")))
    assert qrc.read(path, "/folder/file") == b"hello"


def test_what_is_not_there_is_named(tmp_path):
    path = tmp_path / "one.rcc"
    path.write_bytes(collection(3, 0, b"hello"))
    for inside in ("/folder/other", "/folder/file/more", "/other"):
        with pytest.raises(RimError, match=f"one.rcc: holds no {inside}"):
            qrc.read(path, inside)


def test_what_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "one.rcc"
    path.write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(RimError, match="one.rcc: begins with b'PK"):
        qrc.read(path, "/a")
    path.write_bytes(collection(3, qrc.ZSTANDARD, b"hello"))
    with pytest.raises(RimError, match="squeezed by Zstandard"):
        qrc.read(path, "/folder/file")
    with pytest.raises(RimError, match="is a folder"):
        qrc.read(path, "/folder")
