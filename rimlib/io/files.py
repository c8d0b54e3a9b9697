"""Files are written whole or not at all, and read with errors that name them.

A crash, a full disk or a second process never leaves half a file: the bytes go to a temporary name in the same
folder and take the real name in one step, after they have reached the disk.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rimlib.errors import RimError

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "there is no permission",
    errno.EPERM: "there is no permission",
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EPIPE: "the reader of the pipe has gone",
}


PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part")
"""The names of files and folders that are being written; of one that is left over, whoever wrote it was killed."""

Data = bytes | str | Callable[[BinaryIO], Any]


def kind_of_text(head: bytes) -> str:
    """What stands in the place of a download that failed, by a file's first bytes; empty for anything else.

    >>> kind_of_text(b"<!DOCTYPE html><html>"), kind_of_text(b"GIF89a")
    ('a web page (HTML)', '')
    """
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS (git lfs pull brings the file)"
    return "a web page (HTML)" if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")) else ""


def write_atomically(path: str | os.PathLike, data: Data, durable: bool = True) -> Path:
    """Write a file so that it is there whole, or is as it was before.

    Args:
        path: where to; missing folders are made; a symbolic link keeps pointing at the file, and an existing file keeps
            its permissions. A device or a pipe (`/dev/stdout`) is written straight.
        data: bytes, text (stored as UTF-8), or a function that writes into the open binary file it is given.
        durable: wait until the bytes are on the disk, so that a power cut cannot lose them either; without it thousands
            of small files are written several times as fast.

    Returns:
        The path.

    Raises:
        RimError: the file cannot be written, by its path and the reason. An error of another kind raised by the
            function passes through, and leaves no file either.

    >>> import tempfile
    >>> path = write_atomically(Path(tempfile.mkdtemp()) / "new" / "note.txt", "whole or not at all")
    >>> path.read_text()
    'whole or not at all'
    """
    path = _path(path)
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if mode is not None and not stat.S_ISREG(mode):
            # Renaming a file onto a device would remove the device.
            with open(target, "wb") as stream:
                _pour(stream, data)
            return path
        if mode is not None and not os.access(target, os.W_OK):
            # Renaming would get around the file's own write protection.
            raise PermissionError(errno.EACCES, "write-protected")
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_beside(target, data, mode, durable)
    except OSError as error:
        raise RimError(f"{path}: cannot be written: {reason(error)}", path=path) from error
    return path


@contextmanager
def replace_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty folder to fill, which then takes the place of `path` as a whole; after an error `path` is as it was.

    Raises RimError, naming the path, where it is a file or the system refuses.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "set"
    >>> with replace_folder(path) as new:
    ...     _ = write_json(new / "index.json", [])
    >>> [item.name for item in path.iterdir()]
    ['index.json']
    """
    target = Path(os.path.realpath(_path(path)))
    new = partial(target)
    old = new.with_suffix(".old")
    try:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.EEXIST, "it is a file")
        new.mkdir(parents=True)
    except OSError as error:
        raise RimError(f"{path}: this folder cannot be made: {reason(error)}", path=path) from error
    try:
        yield new
        try:
            if target.exists():
                target.rename(old)
            new.rename(target)
        except OSError as error:
            raise RimError(f"{path}: cannot be replaced: {reason(error)}", path=path) from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def partial(target: Path) -> Path:
    """A new name beside `target`, which `PARTIAL` matches, for what takes the name of `target` when it is whole."""
    return target.with_name(f".{secrets.token_hex(8)}.part")


def read_json(path: str | os.PathLike) -> Any:
    """The value in a JSON file (UTF-8). Raises RimError naming the file, and for broken JSON the line and column.

    >>> import tempfile
    >>> path = write_json(Path(tempfile.mkdtemp()) / "run.json", {"seed": 7})
    >>> read_json(path)
    {'seed': 7}
    """
    path = _path(path)
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from error
    except UnicodeDecodeError as error:
        raise RimError(f"{path}: byte {error.start} is not UTF-8 text; a JSON file is expected", path=path) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RimError(f"{path}, {place}: broken JSON: {error.msg}", path=path) from error
    except RecursionError as error:
        raise RimError(f"{path}: the JSON is nested too deeply to be read", path=path) from error


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Write a value as JSON: UTF-8, keys in the order given, indent 1, a newline at the end; whole or not at all.

    NumPy numbers and arrays are stored as plain numbers and lists, paths as text. NaN and the infinities have no
    place in JSON and are refused (store None instead). Returns the path; raises RimError.
    """
    path = _path(path)
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
        data = (text + "\n").encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise RimError(f"{path}: this value cannot be stored as JSON: {error}", path=path) from error
    return write_atomically(path, data)


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits. Raises RimError naming a file that cannot be read."""
    path = _path(path)
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RimError(f"{path}: cannot be read: {reason(error)}", path=path) from error


def reason(error: OSError) -> str:
    """The system's reason for a refusal, in a few plain words for an error message.

    >>> reason(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full'
    """
    return _REASONS.get(error.errno or 0, error.strerror or str(error) or type(error).__name__)


def _path(path: Any) -> Path:
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise RimError(f"a path is expected, found {type(path).__name__}") from None
    if not text or "\0" in text:
        raise RimError(f"{text!r} is not a path", path=text)
    return Path(text)


def _write_beside(target: Path, data: Data, mode: int | None, durable: bool) -> None:
    # Not tempfile: its files are private to their owner, and one that takes the real name would stay so.
    temporary = partial(target)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _pour(stream, data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pour(stream: BinaryIO, data: Data) -> None:
    if callable(data):
        data(stream)
    else:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
