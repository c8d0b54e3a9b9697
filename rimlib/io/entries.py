"""The entries of a large JSON object, found in one pass and read one at a time, so that no file is too large.

A label file of 45,000 images takes some 300 MB as Python's objects, and the places of its entries 2 MB.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rimlib.errors import RimError
from rimlib.io.files import reason

PIECE = 2**18  # characters that are read at a time
_BLANK = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n]*(,?)[ \t\r\n]*")


class NoObject(Exception):
    """The file holds no whole JSON object."""


class Entry(NamedTuple):
    """A key with its value, and where in the file they stand, in bytes."""

    key: str
    value: Any
    start: int
    end: int


def entries(path: Path) -> Iterator[Entry]:
    """The entries of the object in a JSON file (UTF-8), in their order, repeated keys too.

    Raises NoObject where it stops to be one; `rimlib.io.files.read_json` names the reason. Raises RimError for a file
    that cannot be read.
    """
    decode = json.JSONDecoder().raw_decode
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            text, size = stream.read(max(PIECE, 16)), PIECE
            with open(path, "rb") as raw:
                offset = 3 if raw.read(3) == b"\xef\xbb\xbf" else 0
            place = _BLANK.match(text).end()  # type: ignore[union-attr]
            if text[place : place + 1] != "{":
                raise NoObject("it does not begin with one")
            place, first = place + 1, True
            offset += _bytes(text[:place])
            while True:
                try:
                    between = _BETWEEN.match(text, place)
                    at = between.end()  # type: ignore[union-attr]
                    if text[at] == "}" and not between[1]:  # type: ignore[index]
                        if (text[at + 1 :] + stream.read(1)).strip():
                            raise ValueError("more after the object")
                        return
                    if bool(between[1]) == first or text[at] != '"':  # type: ignore[index]
                        raise ValueError("no comma, or one too many")
                    key, colon = decode(text, at)
                    colon = _BLANK.match(text, colon).end()  # type: ignore[union-attr]
                    if text[colon] != ":":
                        raise ValueError("no colon")
                    value, end = decode(text, _BLANK.match(text, colon + 1).end())  # type: ignore[union-attr]
                    if text[end] not in ",} \t\r\n":  # a number that goes on in the next piece
                        raise ValueError("no comma after the value")
                except (ValueError, IndexError):
                    more = stream.read(size)
                    if not more:
                        raise NoObject("it does not end") from None
                    text, place, size = text[place:] + more, 0, 2 * size
                    continue
                start = offset + _bytes(text[place:at])
                offset, place, first = start + _bytes(text[at:end]), end, False
                yield Entry(key, value, start, offset)
                if place > PIECE:
                    text, place, size = text[place:], 0, PIECE
    except UnicodeDecodeError as error:
        raise NoObject("it is not UTF-8") from error
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from error


class Reader:
    """Reads entries at places that were found before. It may be sent to another process, or be forked.

    Raises RimError, later, where the file is another by then.
    """

    def __init__(self, path: Path):
        self.path, self._stamp = path, self._stat(path)
        self._file: int | None = None

    def read(self, start: int, end: int) -> tuple[str, Any]:
        """The key and the value between two bytes of the file."""
        if self._file is None:
            if self._stat(self.path) != self._stamp:
                raise self._changed()
            self._file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            ((key, value),) = json.loads(b"{" + self._bytes(start, end) + b"}").items()
        except ValueError:
            raise self._changed() from None
        return key, value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            os.close(self._file)  # type: ignore[arg-type]

    def _bytes(self, start: int, end: int) -> bytes:
        if hasattr(os, "pread"):  # the place in a file is one for all forked processes
            return os.pread(self._file, end - start, start)  # type: ignore[arg-type]
        os.lseek(self._file, start, os.SEEK_SET)  # type: ignore[arg-type]
        return os.read(self._file, end - start)  # type: ignore[arg-type]

    def _changed(self) -> RimError:
        return RimError(f"{self.path}: has changed since it was opened; begin again with the new one", path=self.path)

    @staticmethod
    def _stat(path: Path) -> tuple[int, int]:
        try:
            found = os.stat(path)
        except OSError as error:
            raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from error
        return found.st_size, found.st_mtime_ns


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
