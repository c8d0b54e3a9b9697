"""Reading one file out of a Qt resource collection (`.rcc`), as GCompris packs its photographs.

A collection is a header, a tree of fixed-size nodes, the names of the nodes and their data. Version 1 has nodes of 14
bytes, versions 2 and 3 of 22. Data may be stored as it is or squeezed by zlib; the third kind, Zstandard, is refused.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from rimlib.errors import RimError

SQUEEZED, FOLDER, ZSTANDARD = 1, 2, 4


def read(path: str | Path, inside: str) -> bytes:
    """One file's content.

    Args:
        path: the collection, `NAME.rcc`.
        inside: the file's path inside it, with a leading slash.

    Raises:
        RimError: no collection, or no such file inside; the message names both.
    """
    data = Path(path).read_bytes()
    if data[:4] != b"qres" or len(data) < 20:
        raise RimError(f"{path}: begins with {data[:4]!r}; a Qt resource collection begins with b'qres'")
    version, tree, contents, names = struct.unpack(">4I", data[4:20])
    size = 14 if version < 2 else 22

    def name(node: int) -> str:
        start = names + struct.unpack_from(">I", data, tree + node * size)[0]
        length = struct.unpack_from(">H", data, start)[0]
        return data[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    node = 0
    for part in inside.strip("/").split("/"):
        flags, count, first = struct.unpack_from(">HII", data, tree + node * size + 4)
        children = {name(child): child for child in range(first, first + count)} if flags & FOLDER else {}
        if part not in children:
            raise RimError(f"{path}: holds no {inside}; {part!r} was not found")
        node = children[part]
    flags, _, start = struct.unpack_from(">HII", data, tree + node * size + 4)
    if flags & (FOLDER | ZSTANDARD):
        raise RimError(f"{path}: {inside} is a folder or squeezed by Zstandard; a stored or zlib file is needed")
    length = struct.unpack_from(">I", data, contents + start)[0]
    content = data[contents + start + 4 : contents + start + 4 + length]
    return zlib.decompress(content[4:]) if flags & SQUEEZED else content
