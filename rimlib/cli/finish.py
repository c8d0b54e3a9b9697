"""What `rim matte` makes of a result before it is stored: its options checked, and one file written."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib.errors import RimError

if TYPE_CHECKING:
    import numpy as np

    from rimlib.prediction.result import Result

LOSSY = (".jpg", ".jpeg", ".webp")  # formats that have a quality


@dataclass(frozen=True)
class Finish:
    """How a result is changed and stored.

    Attributes:
        kind: "matte", "cut-out" or "composite".
        background: of a composite: a colour by name, or uint8 (H, W, 3) in sRGB.
        grow: pixels that the edge is moved out by.
        feather: pixels to each side over which it is made soft.
        crop: the margin around the object, see `Result.crop`; None keeps all of the image.
        quality: 1 to 100, of JPEG and WebP; the format's usual one if None.
        metadata: keep EXIF, colour profile and resolution of the image's file.
    """

    kind: str = "matte"
    background: Any = None
    grow: int = 0
    feather: float = 0.0
    crop: str | None = None
    quality: int | None = None
    metadata: bool = True

    @classmethod
    def of(cls, options: argparse.Namespace) -> Finish:
        """Of the options of `rim matte`. Raises RimError for a value that cannot be used, before anything is read."""
        from rimlib.matting import adjust

        grow, feather = _number(options.grow, "grow"), _number(options.feather, "feather")
        adjust.check_pixels("--grow", grow, -adjust.FARTHEST)
        adjust.check_pixels("--feather", feather, 0)
        if grow != round(grow):
            raise RimError(f"--grow: is {options.grow}; whole pixels are expected, such as 2 or -2", setting="grow")
        if options.crop is not None:
            adjust.margin_of(options.crop)
        background = None if options.background is None else background_of(options.background)
        kind = "cut-out" if options.cutout else "matte" if background is None else "composite"
        quality = None if options.quality is None else _quality(options.quality)
        return cls(kind, background, round(grow), feather, options.crop, quality, options.metadata)

    def check_ending(self, ending: str) -> None:
        """Raises RimError for a quality of files without one."""
        if self.quality is not None and ending.lower() not in LOSSY:
            where = {"matte": "a matte", "cut-out": "--format webp", "composite": "--format jpg or webp"}[self.kind]
            right = f"{where} has none; leave it out" if self.kind == "matte" else f"it needs {where}"
            raise RimError(f"--quality: a file {ending} is stored without loss; {right}", setting="quality")

    def write(self, target: Path, source: Path, result: Result) -> tuple[Result, dict[str, Any]]:
        """Store a result of an image file: returns it as it is stored, and what more a row has. Raises RimError."""
        from rimlib.io import icc, images
        from rimlib.io.metadata import read
        from rimlib.matting import adjust

        about = read(source, own_colours=icc.has_room(target)) if self.metadata else images.PLAIN
        profile = b"" if self.kind == "matte" else _other_profile(about.profile)
        if profile:  # the colours of the file itself, and not those that the model sees
            result = replace(result, image=_own_colours(source))
        result = result.adjust(self.grow, self.feather)
        row: dict[str, Any] = {}
        if self.crop is not None:
            rows, columns = adjust.window(result.alpha, self.crop)
            row["box"] = [columns.start, rows.start, columns.stop, rows.stop]
            result = result.crop(self.crop)
        if self.kind == "matte":
            images.write_matte(target, result.alpha, metadata=about)
        elif self.kind == "cut-out":
            images.write_cutout(target, *result.cutout(), self.quality, about)
        else:
            pixels = result.over(_background_in(self.background, profile, result.alpha.shape))
            images.write_image(target, pixels, self.quality or 92, metadata=about)
        return result, row


def background_of(given: str) -> Any:
    """A colour, or the pixels of a file."""
    from rimlib.io import images
    from rimlib.prediction import colours

    if colours.color_of(given) is not None:
        return given
    try:
        return images.read_image(given)
    except RimError as error:
        expected = f"neither a colour{colours.hint(given)}, such as white or #2a6f97, nor an image"
        raise RimError(f"--background: {expected}: {error}", path=error.path, setting="background") from None


def _number(given: str | None, name: str) -> float:
    try:
        number = 0.0 if given is None else float(given)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RimError(f"--{name}: {given!r} is no number; pixels such as 2 are expected", setting=name)
    return number


def _quality(given: str) -> int:
    if not given.strip().isdecimal() or not 1 <= int(given) <= 100:
        raise RimError(f"--quality: is {given!r}; a whole number of 1 to 100 is expected", setting="quality")
    return int(given)


def _other_profile(profile: bytes) -> bytes:
    """The profile if it is not that of sRGB."""
    from rimlib.io import icc

    return b"" if not profile or icc.is_srgb(profile) else profile


@lru_cache(1)  # several sentences of one image
def _own_colours(path: Path) -> np.ndarray:
    from rimlib.io import images

    return images.read_visible(path, own_colours=True)[0]


def _background_in(background: Any, profile: bytes, size: tuple[int, ...]) -> Any:
    """The background in the colours of the image that is laid over it."""
    import numpy as np

    from rimlib.io import icc
    from rimlib.prediction import colours, cutout

    if not profile:
        return background
    if isinstance(background, str):
        color = np.array(colours.color_of(background), np.uint8).reshape(1, 1, 3)
        return tuple(int(value) for value in icc.from_srgb(color, profile)[0, 0])
    return icc.from_srgb(cutout.background(background, (size[0], size[1])), profile)
