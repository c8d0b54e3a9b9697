"""What an image's file holds beside its pixels, for what is made of it: EXIF, colour profile and resolution.

EXIF is rebuilt from the tags that describe a photograph and its taking (camera, lens, time, place, author, rights). The
orientation is left out, since pixels are read upright; so are the size, which a crop changes, the small copy of the
photograph that cameras put in, and what only describes how the file was stored.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rimlib.io import decode, icc

_EXIF, _GPS = 0x8769, 0x8825  # tags of the two directories inside
# ImageDescription, Make, Model, XResolution, YResolution, ResolutionUnit, Software, DateTime, Artist, Copyright.
_BASIC = (0x010E, 0x010F, 0x0110, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x8298)
# Two ratings, and Windows' title, comment, author, keywords and subject.
_MORE = (0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)
_SIZE = (0xA002, 0xA003)  # PixelXDimension, PixelYDimension
_COLOUR_SPACE, _INTEROPERABILITY, _MAKER_NOTE = 0xA001, 0xA005, 0x927C
LONGEST = 65_000  # bytes of EXIF; the segment of a JPEG holds 65,533


@dataclass(frozen=True)
class Metadata:
    """What is written beside the pixels of a file; each may be missing.

    Attributes:
        exif: as `Image.save` takes it.
        profile: ICC, in which the red, green and blue that are written must be.
        dpi: dots per inch, across and down.
    """

    exif: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None

    def options(self, grey: bool = False) -> dict[str, Any]:
        """Arguments of Pillow's `save`; a grey image takes no profile of colours."""
        given = {"exif": self.exif, "icc_profile": b"" if grey else self.profile, "dpi": self.dpi}
        return {name: value for name, value in given.items() if value}


def read(path: str | os.PathLike[str], own_colours: bool = False) -> Metadata:
    """The metadata of an image file; empty where they are broken or there are none.

    path: of a file that `rimlib.io.images` reads. own_colours: with the profile of the file, for its colours as
    `read_visible` gives them with `own_colours`; otherwise only if that is sRGB's.
    """
    try:
        with decode.opened(path) as image:
            profile = icc.own(image)
            if not own_colours and not (profile and icc.is_srgb(profile)):
                profile = b""
            converted = bool(image.info.get("icc_profile")) and not profile
            return Metadata(_exif(image, converted), profile, _dpi(image.info.get("dpi")))
    except Exception:  # decoders let all kinds of errors out of broken files; the pixels do not need what is here
        return Metadata()


def _exif(image: Image.Image, converted: bool) -> bytes:
    """converted: the colours are no longer those that EXIF describes."""
    found = image.getexif()
    directories = {tag: dict(found.get_ifd(tag)) for tag in (_EXIF, _GPS)}
    for tag in (*_SIZE, _INTEROPERABILITY, *([_COLOUR_SPACE] if converted else [])):
        directories[_EXIF].pop(tag, None)
    values = {tag: found[tag] for tag in (*_BASIC, *_MORE) if tag in found}
    if not values and not any(directories.values()):
        return b""
    data = _bytes(values, directories)
    if len(data) > LONGEST:
        directories[_EXIF].pop(_MAKER_NOTE, None)
        data = _bytes(values, directories)
    return data if len(data) <= LONGEST else b""


def _bytes(values: dict[int, Any], directories: dict[int, dict[int, Any]]) -> bytes:
    exif = Image.Exif()
    for tag, value in values.items():
        exif[tag] = value
    for tag, directory in directories.items():
        if directory:
            exif.get_ifd(tag).update(directory)
    return exif.tobytes()


def _dpi(given: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in given)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across <= 100_000 and 1 <= down <= 100_000 else None
