"""Any source of pixels, decoded: files of every format, Pillow images, arrays and tensors.

`rimlib.io.images` documents what a source may be and gives the result its convention.
"""

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rimlib.errors import RimError, require
from rimlib.io import icc
from rimlib.io.files import kind_of_text, reason

LARGEST = 200_000_000
"""The most pixels that a file may have. Pillow's own limits, a warning at 89 and a stop at 179 million, are lifted."""

RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2")
"""Endings of what cameras store before it is developed to an image."""

_LOCK = threading.Lock()
_ORIENTATION = 0x0112  # the EXIF tag


def pixels_of(source: Any, least: tuple[int, int] | None = None, colour: bool = False) -> np.ndarray:
    """The pixels of a source, (H, W, C): grey, RGB or RGBA by C 1, 3 or 4.

    A JPEG file may be decoded at 1/2, 1/4 or 1/8 of its size, which is quicker, if that leaves at least `least`,
    (height, width) before it is turned upright. Of dtype uint8, uint16 (where the source has 16 bits a channel, and
    Pillow keeps them: grey only) or float32 in [0, 1]. May be the caller's own memory. With `colour`, colours of
    another profile than sRGB are converted to it. Raises RimError, one line naming the source.

    >>> pixels_of(Image.new("1", (3, 2), 1)).shape
    (2, 3, 1)
    """
    if isinstance(source, (str, os.PathLike)):
        try:
            return _file(source, least, colour)
        except RimError as error:
            error.path = os.fspath(source)
            raise
    if isinstance(source, Image.Image):
        with _pillow():
            return _image(source, name_of(source), colour)
    if isinstance(source, np.ndarray):
        return _array(source)
    if hasattr(source, "is_floating_point"):  # a tensor, without importing torch
        return _array(_tensor(source))
    if hasattr(source, "read") and hasattr(source, "seek"):
        return _stream(source, name_of(source), None, colour)
    expected = "a path, a binary stream, a Pillow image, a NumPy array or a torch tensor"
    raise RimError(f"{type(source).__name__} is no image; expected {expected}")


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """An image file as Pillow opens it, for what its header has; the limits of Pillow lifted. Raises RimError."""
    with _pillow(), open(path, "rb") as stream, _open(stream, name_of(path)) as image:
        yield image


def name_of(source: Any) -> str:
    """What an error message calls a source: its path, its name, or its type."""
    if isinstance(source, (str, os.PathLike)):
        text = os.fsdecode(source)
        return text if len(text) <= 200 else text[:200] + "..."
    return str(getattr(source, "filename", "") or getattr(source, "name", "") or f"the {type(source).__name__}")


def _tensor(tensor: Any) -> np.ndarray:
    try:
        tensor = tensor.detach().cpu()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except Exception as error:  # sparse, quantised, on no device
        why = str(error)[:200] or type(error).__name__
        raise RimError(f"the tensor {tuple(tensor.shape)} of {tensor.dtype} is no image: {why}") from error
    if array.ndim == 4 and len(array) == 1:
        array = array[0]  # a batch of one
    return array.transpose(1, 2, 0) if array.ndim == 3 and array.shape[0] in (1, 3, 4) else array  # (H, W, C)


def _array(array: np.ndarray) -> np.ndarray:
    found = f"the array {array.shape} of {array.dtype}"
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        more = "; give one image at a time" if array.ndim == 4 else ""
        raise RimError(f"{found} is no image; expected (H, W), (H, W, 3) RGB or (H, W, 4) RGBA{more}")
    if not array.size:
        raise RimError(f"{found} has no pixels")
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind != "f":
        raise RimError(f"{found} is no image; expected bool, uint8, uint16, or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise RimError(f"{found} holds NaN or infinity; expected numbers in [0, 1]")
    if low < -1 / 255 or high > 1 + 1 / 255:  # less than one level is rounding, more is another scale
        raise RimError(f"{found} goes from {low:.4g} to {high:.4g}; floats must lie in [0, 1]")
    return np.clip(array, 0, 1).astype(np.float32)


def _file(path: str | os.PathLike, least: tuple[int, int] | None, colour: bool) -> np.ndarray:
    name = name_of(path)
    if not name or "\0" in name:
        raise RimError(f"{name!r} is not a path")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:", os.fsdecode(path)):
        raise RimError(f"{name}: is an address; only files are read, so download it and give its path")
    try:
        mode = os.stat(path).st_mode  # before opening, which would wait for ever at a pipe
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise RimError(f"{name}: is {kind}, not an image file")
        stream = open(path, "rb")
    except OSError as error:
        raise RimError(f"{name}: cannot be read: {reason(error)}") from error
    with stream:
        return _stream(stream, name, least, colour)


def _stream(stream: BinaryIO, name: str, least: tuple[int, int] | None, colour: bool) -> np.ndarray:
    with _pillow():
        if not stream.read(1):
            raise RimError(f"{name}: is empty (0 bytes), not an image")
        stream.seek(0)
        with _open(stream, name) as image:
            if least is not None and image.width * image.height <= LARGEST:
                image.draft(None, (max(1, least[1]), max(1, least[0])))  # of other formats than JPEG: does nothing
            return _image(image, name, colour)


def _open(stream: BinaryIO, name: str) -> Image.Image:
    """A stream opened by Pillow; nothing is decoded yet."""
    try:
        if name.lower().endswith(RAW):  # most are TIFF, in which Pillow finds the small copy for the camera's screen
            raise RimError(f"{name}: is the raw file of a camera, which is not read; develop it to JPEG or TIFF")
        if _is_heic(stream.read(12)):
            _register_heic(name)
        stream.seek(0)
        image = Image.open(stream)
        if image.format in ("EPS", "WMF"):  # programs in a language of their own, which would be run
            raise RimError(f"{name}: is a drawing ({image.format}), not an image; convert it to PNG")
        return image
    except RimError:
        raise
    except UnidentifiedImageError as error:
        stream.seek(0)
        head = stream.read(512)
        if _is_heic(head):
            raise RimError(f"{name}: is a HEIC file that is broken or cut off") from error
        expected = "PNG, JPEG, WebP, TIFF, GIF, BMP or the like"
        raise RimError(f"{name}: {_kind_of(head)}; expected {expected}") from error
    except Exception as error:  # decoders let all kinds of errors out of broken files
        raise RimError(f"{name}: is broken: {str(error) or type(error).__name__}") from error


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf")


def _register_heic(name: str) -> None:
    """Let Pillow read HEIC, which telephones write; it takes a package of its own."""
    try:
        require("pillow_heif", "heic").register_heif_opener()
    except RimError as error:
        raise RimError(f"{name}: is an image in HEIC: {error}; or save it as JPEG") from None


def _kind_of(head: bytes) -> str:
    """What a file that Pillow does not read is, by its first bytes."""
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "is an image in AVIF, which this Pillow does not read: pip install --upgrade pillow"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "is an image in JPEG XL, which is not read; save it as JPEG"
    what = kind_of_text(head)
    return f"is {what}, not an image" if what else "is not an image"


@contextmanager
def _pillow() -> Iterator[None]:
    """Pillow without its own limits (`LARGEST` is the limit here) and without its warnings; one thread at a time."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _image(image: Image.Image, name: str, colour: bool) -> np.ndarray:
    if not 1 <= image.width * image.height <= LARGEST:
        raise RimError(f"{name}: has {image.width} x {image.height} pixels; 1 to {LARGEST:,} pixels are read")
    try:
        image.load()
        try:
            if image.getexif().get(_ORIENTATION, 1) != 1:  # it would copy an upright image too
                image = ImageOps.exif_transpose(image)
        except Exception:
            pass  # broken EXIF; the pixels are sound
        values = _values(icc.in_srgb(image) if colour else image)
    except Exception as error:
        raise RimError(f"{name}: is broken or cut off: {str(error) or type(error).__name__}") from error
    try:
        return _array(values)
    except RimError as error:
        raise RimError(f"{name}: {error}") from None


def _values(image: Image.Image) -> np.ndarray:
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow's own conversion would cut off, not scale
        values = np.asarray(image)  # (H, W)
        sixteen = image.mode != "F" and values.min() >= 0 and values.max() <= 65535
        return values.astype(np.uint16) if sixteen else values
    if image.mode == "La":
        image = image.convert("LA")  # Pillow has no way from there to RGBA
    transparent = image.has_transparency_data or image.mode == "RGBa"
    mode = "RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))  # (H, W), (H, W, 3) or (H, W, 4)
