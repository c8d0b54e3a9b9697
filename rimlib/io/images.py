"""Images, cut-outs and mattes: every format in, one convention out, and what cannot be used is refused by name.

An image is uint8 RGB (H, W, 3). A matte is float32 (H, W) in [0, 1], and an 8-bit grey PNG on disk. A cut-out is
a foreground image with its matte, and one RGBA file on disk, colours not multiplied by alpha.

A source is a path, a binary stream, a Pillow image, a NumPy array or a torch tensor. Arrays are grey (H, W), RGB
(H, W, 3) or RGBA (H, W, 4), of bool, uint8, uint16, or floats in [0, 1]; tensors may put the channels first and be a
batch of one. OpenCV's BGR and BGRA cannot be distinguished from RGB and RGBA: reverse them first, by `cv2.cvtColor` or
`image[..., ::-1]`. Files are turned upright by their EXIF orientation; of an animation the first frame counts; 16 bits
are scaled to 8. Colours of another profile than sRGB are converted to it; the values of a matte are not. HEIC takes the
extra `heic`. Files of more than 200 million pixels (`rimlib.io.decode.LARGEST`) are refused.
"""

import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rimlib.errors import RimError
from rimlib.io import icc
from rimlib.io.decode import name_of, pixels_of
from rimlib.io.files import write_atomically
from rimlib.io.metadata import Metadata

PLAIN = Metadata()
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FORMATS |= {".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}


def read_image(source: Any, least: tuple[int, int] | None = None) -> np.ndarray:
    """An image, uint8 RGB (H, W, 3). What is transparent is composited over white.

    With `least`, (height, width), a JPEG file may come at 1/2, 1/4 or 1/8 of its size, but no smaller than that: for
    what is going to be resized to it. Raises RimError for a source that cannot be used, and for NaN or values out of
    range in an array.

    >>> read_image(np.array([[0.0, 0.5, 1.0]]))[..., 0]
    array([[  0, 128, 255]], dtype=uint8)
    """
    return read_visible(source, least)[0]


def read_visible(
    source: Any, least: tuple[int, int] | None = None, own_colours: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """An image as `read_image` gives it, and what is visible of it: float32 (H, W) in [0, 1], None where all is.

    own_colours: of a file in a profile of its own its red, green and blue as they are stored, not converted to sRGB.
    """
    pixels = pixels_of(source, least, colour=not own_colours)
    opacity = _to_float(pixels[..., 3]) if pixels.shape[2] == 4 else None
    pixels = _to_uint8(pixels)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2), None  # (H, W, 3)
    if opacity is not None:
        cutout = Image.fromarray(pixels)
        pixels = np.asarray(Image.alpha_composite(Image.new("RGBA", cutout.size, "white"), cutout))
    # A copy: neither Pillow's read-only memory nor the caller's own array.
    return np.array(pixels[..., :3], order="C"), None if opacity is None or opacity.min() == 1 else opacity


def read_cutout(source: Any) -> tuple[np.ndarray, np.ndarray]:
    """A cut-out: its foreground, uint8 RGB (H, W, 3), and its alpha, float32 (H, W) in [0, 1].

    Raises RimError as `read_image` does, and for a source without an alpha channel.
    """
    pixels = pixels_of(source, colour=True)
    if pixels.shape[2] != 4:
        raise _refused(source, "has no alpha channel; a cut-out is RGBA, such as a PNG with transparency")
    return np.array(_to_uint8(pixels)[..., :3], order="C"), _to_float(pixels[..., 3])


def read_matte(source: Any) -> np.ndarray:
    """A matte, float32 (H, W) in [0, 1]; 0 is background and 1 is foreground.

    RGB is taken for grey where its channels agree to two levels of 255 (what JPEG makes of grey).
    Raises RimError as `read_image` does, for colour, and for a source with transparency of its own.
    """
    return _to_float(_grey(source))


def read_levels(source: Any) -> np.ndarray:
    """A matte as `read_matte` takes it, in the 256 levels of a file: uint8 (H, W), 255 is foreground."""
    return _to_uint8(_grey(source))


def write_image(
    path: str | Path, image: Any, quality: int = 92, durable: bool = True, metadata: Metadata = PLAIN
) -> Path:
    """Write an image, whole or not at all, in the format of the path's ending.

    image: any source that `read_image` takes; quality: 1 to 100, for JPEG and WebP; durable: see
    `files.write_atomically`; metadata: of the photograph that it was made of, see `rimlib.io.metadata.read`.
    Raises RimError.
    """
    options = {"quality": quality} | metadata.options()
    return _write(path, read_image(image), "an image", _FORMATS, durable, **options)


def write_matte(path: str | Path, alpha: Any, durable: bool = True, metadata: Metadata = PLAIN) -> Path:
    """Write a matte as an 8-bit grey PNG, whole or not at all; alpha is float (H, W) in [0, 1]. Raises RimError.

    metadata: as for `write_image`, without the profile.
    """
    return _write(path, _to_uint8(read_matte(alpha)), "a matte", [".png"], durable, **metadata.options(grey=True))


def write_cutout(
    path: str | Path, foreground: Any, alpha: Any, quality: int | None = None, metadata: Metadata = PLAIN
) -> Path:
    """Write a foreground, uint8 (H, W, 3), and its alpha, float (H, W) in [0, 1], as one RGBA file.

    Without loss, or in a `.webp` with the quality given (1 to 100), where alpha still loses nothing but its steps
    below 1/255. Colours under alpha 0 are kept. metadata: as for `write_image`. Raises RimError.
    """
    foreground, alpha = read_image(foreground), read_matte(alpha)
    if foreground.shape[:2] != alpha.shape:
        shapes = f"the foreground has the shape {foreground.shape} and the alpha {alpha.shape}"
        raise RimError(f"{path}: {shapes}; H and W must agree", path=path)
    options: dict[str, Any] = {"lossless": True} if quality is None else {"quality": quality}
    options |= metadata.options()
    pixels = np.dstack([foreground, _to_uint8(alpha)])
    return _write(path, pixels, "a cut-out", [".png", ".webp", ".tif", ".tiff"], exact=True, **options)


def encode(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """The bytes of an image file, of pixels uint8 (H, W), (H, W, 3) or (H, W, 4).

    kind: Pillow's name of the format, such as "PNG"; options: that Pillow's `save` takes, such as `quality`.

    >>> encode(np.zeros((2, 3), np.uint8), "PNG")[1:4]
    b'PNG'
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def resize(array: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """An array at another size, by averaging where it shrinks, so that thin strands fade and do not break.

    array: (H, W) or (H, W, C), uint8 or float; size: (height, width) in pixels. Where it grows, uint8 colour is
    cubic and all else linear; floats stay within the range that they had. Returns the same dtype and layout.

    >>> resize(np.array([[0.0, 1.0]]), (1, 1))
    array([[0.5]])
    """
    import cv2

    height, width = (int(length) for length in size)
    if height < 1 or width < 1:
        raise RimError(f"size is {height} x {width}; both must be 1 or more", setting="size")
    array = np.asarray(array)
    if array.dtype != np.uint8 and array.dtype.kind != "f" or array.ndim not in (2, 3) or not array.size:
        expected = "(H, W) or (H, W, C), uint8 or float"
        raise RimError(f"an array {array.shape} of {array.dtype} cannot be resized; expected {expected}")
    result = np.asarray(array, np.float32 if array.dtype == np.float16 else None)
    # One axis may shrink while the other grows, and OpenCV averages only where both shrink.
    small = min(height, array.shape[0]), min(width, array.shape[1])
    grow = cv2.INTER_CUBIC if array.dtype == np.uint8 and array.shape[2:] == (3,) else cv2.INTER_LINEAR
    for (rows, columns), method in ((small, cv2.INTER_AREA), ((height, width), grow)):
        if result.shape[:2] != (rows, columns):
            result = cv2.resize(result, (columns, rows), interpolation=method)
    if array.dtype.kind == "f":
        result = np.clip(result, array.min(), array.max())
    return result.reshape(height, width, *array.shape[2:]).astype(array.dtype)  # (H, W) or (H, W, C)


def resize_cutout(foreground: np.ndarray, alpha: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Resize a cut-out without pulling the colours of invisible pixels into its edge.

    Returns float32 foreground (h, w, 3) in 0..255 and alpha (h, w). Colours are weighted by alpha, since
    a plain resize would mix in whatever lies under alpha 0.
    """
    if alpha.shape == tuple(size):
        return foreground.astype(np.float32), alpha
    weighted = resize(foreground.astype(np.float32) * alpha[..., None], size)
    alpha = np.clip(resize(np.ascontiguousarray(alpha), size), 0, 1)
    return np.clip(weighted / np.maximum(alpha, 1e-3)[..., None], 0, 255), alpha


def size_of(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) of an image file by its header, upright by its EXIF; no pixel is decoded.

    Raises RimError for a file that is no image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                turned = image.getexif().get(0x0112, 1) >= 5
                return image.size if turned else image.size[::-1]
    except Exception as error:  # decoders let all kinds of errors out of broken files
        raise RimError(f"{path}: is not an image that can be read ({type(error).__name__})", path=path) from error


def _write(
    path: str | Path, pixels: np.ndarray, what: str, endings: Iterable[str], durable: bool = True, **options: Any
) -> Path:
    ending, endings = Path(path).suffix.lower(), tuple(endings)
    if ending not in endings:
        expected = ", ".join(endings)
        raise RimError(f"{path}: {what} cannot be stored with the ending {ending!r}; expected {expected}", path=path)
    if not 1 <= options.get("quality", 1) <= 100:
        raise RimError(f"{path}: quality is {options['quality']}; it goes from 1 to 100", path=path, setting="quality")
    profile = options.get("icc_profile", b"")
    if profile and not icc.has_room(path) and not icc.is_srgb(profile):
        raise RimError(f"{path}: {ending} holds no colour profile; write a .png, or colours of sRGB", path=path)
    try:
        data = encode(pixels, _FORMATS[ending], **options)
    except (OSError, ValueError) as error:  # such as more pixels on a side than the format has numbers for
        size = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        raise RimError(f"{path}: {size} cannot be stored as {ending}: {error}", path=path) from error
    return write_atomically(path, data, durable)


def _grey(source: Any) -> np.ndarray:
    pixels = pixels_of(source)
    if pixels.shape[2] == 4:
        if _to_float(pixels[..., 3]).min() < 1:
            raise _refused(source, "is a cut-out with transparency; a matte is plain grey (see read_cutout)")
        pixels = pixels[..., :3]
    if pixels.shape[2] == 3:
        values = _to_uint8(pixels)
        if np.any(values.max(axis=2) - values.min(axis=2) > 2):
            raise _refused(source, "is a colour image; a matte is grey, black for background")
    return pixels[..., 0]


def _refused(source: Any, why: str) -> RimError:
    return RimError(f"{name_of(source)}: {why}", path=source if isinstance(source, (str, os.PathLike)) else None)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return values if values.dtype == np.uint8 else np.rint(values * np.float32(255)).astype(np.uint8)


def _to_float(values: np.ndarray) -> np.ndarray:
    scale = {"uint8": 255, "uint16": 65535}.get(values.dtype.name, 1)
    return np.array(values, np.float32) / np.float32(scale)
