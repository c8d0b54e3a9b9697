"""Any source of pixels, decoded: files of every format, Pillow images, arrays, tensors; the unusable refused by name.

`rimlib.io.images` says what a source may be and gives the result its convention; here the formats are told apart.
"""

import os
import re
import stat
import threading
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rimlib.errors import RimError
from rimlib.io.files import reason

LARGEST = 200_000_000
"""The most pixels that a file may have. Pillow's own limits, a warning at 89 and a stop at 179 million, are lifted."""

_LOCK = threading.Lock()
_ORIENTATION = 0x0112  # the EXIF tag


def pixels_of(source) -> np.ndarray:
    """The pixels of a path, a Pillow image, an array or a tensor, (H, W, C): grey, RGB or RGBA by C 1, 3 or 4.

    Of dtype uint8, uint16 (where the source has 16 bits a channel, and Pillow keeps them: grey only) or float32 in
    [0, 1]. May be the caller's own memory. Raises RimError, one line naming the source.

    >>> pixels_of(Image.new("1", (3, 2), 1)).shape
    (2, 3, 1)
    """
    if isinstance(source, (str, os.PathLike)):
        return _file(source)
    if isinstance(source, Image.Image):
        with _pillow():
            return _image(source, name_of(source))
    if all(
        hasattr(source, name) for name in ("detach", "cpu", "is_floating_point")
    ):  # a tensor, without importing torch
        return _array(_tensor(source))
    if isinstance(source, np.ndarray):
        return _array(source)
    raise RimError(
        f"{type(source).__name__} is no picture; expected a path, a Pillow image, a NumPy array or a torch tensor"
    )


def name_of(source) -> str:
    """What an error message calls a source: its path, or its type."""
    if not isinstance(source, (str, os.PathLike)):
        return getattr(source, "filename", "") or f"the {type(source).__name__}"
    text = os.fsdecode(source)
    return text if len(text) <= 200 else text[:200] + "..."


def _tensor(tensor) -> np.ndarray:
    try:
        tensor = tensor.detach().cpu()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    except Exception as error:  # sparse, quantised, on no device
        why = str(error)[:200] or type(error).__name__
        raise RimError(f"the tensor {tuple(tensor.shape)} of {tensor.dtype} is no picture: {why}") from error
    if array.ndim == 4 and len(array) == 1:
        array = array[0]  # a batch of one
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)  # (H, W, C)
    return array


def _array(array: np.ndarray) -> np.ndarray:
    found = f"the array {array.shape} of {array.dtype}"
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        more = "; give one picture at a time" if array.ndim == 4 else ""
        raise RimError(f"{found} is no picture; expected (H, W), (H, W, 3) RGB or (H, W, 4) RGBA{more}")
    if not array.size:
        raise RimError(f"{found} has no pixels")
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind != "f":
        raise RimError(f"{found} is no picture; expected bool, uint8, uint16, or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise RimError(f"{found} holds NaN or infinity; expected numbers in [0, 1]")
    if low < -1 / 255 or high > 1 + 1 / 255:  # less than one level is rounding, more is another scale
        raise RimError(f"{found} goes from {low:.4g} to {high:.4g}; floats must lie in [0, 1]")
    return np.clip(array, 0, 1).astype(np.float32)


def _file(path) -> np.ndarray:
    name = name_of(path)
    if not name or "\0" in name:
        raise RimError(f"{name!r} is not a path")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:", os.fsdecode(path)):
        raise RimError(f"{name}: is an address; only files are read, so download it and give its path")
    try:
        found = os.stat(path)  # before opening, which would wait for ever at a pipe
        stream = open(path, "rb") if stat.S_ISREG(found.st_mode) else None
    except OSError as error:
        raise RimError(f"{name}: cannot be read: {reason(error)}") from error
    if stream is None:
        raise RimError(
            f"{name}: is {'a folder' if stat.S_ISDIR(found.st_mode) else 'a device or a pipe'}, not a picture file"
        )
    with stream, _pillow():
        if found.st_size == 0:
            raise RimError(f"{name}: is empty (0 bytes), not a picture")
        try:
            image = Image.open(stream)
        except UnidentifiedImageError as error:
            raise RimError(f"{name}: is not a picture; expected PNG, JPEG, WebP, TIFF, GIF, BMP or the like") from error
        except Exception as error:  # decoders let all kinds of errors out of broken files
            raise RimError(f"{name}: is broken: {str(error) or type(error).__name__}") from error
        with image:
            if image.format in ("EPS", "WMF"):  # programs in a language of their own, which would be run
                raise RimError(f"{name}: is a drawing ({image.format}), not a picture; convert it to PNG")
            return _image(image, name)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # `convert` copies even where nothing changes


@contextmanager
def _pillow():
    """Pillow without its own limits, which count from `LARGEST` here, and without its warnings; one thread at a time."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _image(image: Image.Image, name: str) -> np.ndarray:
    if not 1 <= image.width * image.height <= LARGEST:
        raise RimError(f"{name}: has {image.width} x {image.height} pixels; 1 to {LARGEST:,} pixels are read")
    try:
        image.load()
        try:
            if image.getexif().get(_ORIENTATION, 1) != 1:  # it would copy an upright picture too
                image = ImageOps.exif_transpose(image)
        except Exception:
            pass  # broken EXIF; the pixels are sound
        if image.mode == "F" or image.mode.startswith("I"):  # Pillow's own conversion would cut off, not scale
            values = np.asarray(image)  # (H, W)
            if image.mode != "F" and values.min() >= 0 and values.max() <= 65535:
                values = values.astype(np.uint16)
        elif image.has_transparency_data or image.mode in ("La", "RGBa"):
            values = np.asarray(_in_mode(_in_mode(image, "LA") if image.mode == "La" else image, "RGBA"))  # (H, W, 4)
        else:
            values = np.asarray(_in_mode(image, "L" if image.mode in ("1", "L") else "RGB"))  # (H, W) or (H, W, 3)
    except Exception as error:
        raise RimError(f"{name}: is broken or cut off: {str(error) or type(error).__name__}") from error
    try:
        return _array(values)
    except RimError as error:
        raise RimError(f"{name}: {error}") from None
