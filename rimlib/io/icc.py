"""Colour profiles (ICC): an image's colours in sRGB, which a model sees, and sRGB in an image's own profile.

A photograph of a telephone is mostly in Display P3, one of a camera may be in Adobe RGB. Its numbers mean other colours
than the same numbers in sRGB: shown without their profile they look pale.
"""

from __future__ import annotations

import io
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STRIP = 256  # rows that `from_srgb` converts at a time
SAME = 3  # levels of 255 that rounding and the two ways to adapt a white point make between two profiles of sRGB


def in_srgb(image: Image.Image) -> Image.Image:
    """The image with its colours converted from its profile to sRGB; as it is where the profile cannot be used."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    if image.mode in ("P", "PA"):  # its palette is in the profile
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode not in ("RGB", "RGBA", "CMYK", "L") or is_srgb(profile):
        return image
    from PIL import ImageCms

    try:
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, _opened(profile), _srgb(), outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile, or one of another colour space; the pixels are sound


def own(image: Image.Image) -> bytes:
    """The profile in which an image's values of red, green and blue are to be read; empty where there is none.

    Empty for grey and CMYK too, which become RGB when they are read, and for a profile into which no colour can be
    converted, as that of a scanner may be.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "P", "PA"):
        return b""
    from PIL import ImageCms

    try:
        ImageCms.buildTransform(_srgb(), _opened(profile), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError):
        return b""
    return profile


@lru_cache(8)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile is that of sRGB, as that of most files is; False for one that cannot be read.

    By what it makes of greys and of each primary, whatever its name is: "Linear sRGB" is not sRGB.
    """
    from PIL import ImageCms

    levels = np.arange(0, 256, 5, dtype=np.uint8)
    ramps = np.zeros((4, len(levels), 3), np.uint8)
    ramps[0] = levels[:, None]
    for channel in range(3):
        ramps[channel + 1, :, channel] = levels
    try:
        transform = ImageCms.buildTransform(_opened(profile), _srgb(), "RGB", "RGB")
        converted = np.asarray(ImageCms.applyTransform(Image.fromarray(ramps), transform))
    except (ImageCms.PyCMSError, OSError):
        return False
    return bool(np.abs(converted.astype(int) - ramps).max() <= SAME)


def has_room(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this ending can hold a profile; the numbers of others are read as those of sRGB.

    >>> has_room("dog.JPG"), has_room("dog.bmp")
    (True, False)
    """
    return Path(path).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


def from_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Colours of sRGB in the numbers of another profile of RGB, both uint8 (H, W, 3)."""
    from PIL import ImageCms

    transform = ImageCms.buildTransform(_srgb(), _opened(profile), "RGB", "RGB")
    result = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), STRIP):
        strip = Image.fromarray(np.ascontiguousarray(pixels[start : start + STRIP]))
        result[start : start + STRIP] = np.asarray(ImageCms.applyTransform(strip, transform))
    return result


def _opened(profile: bytes) -> Any:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")
