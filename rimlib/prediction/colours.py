"""Colours as people write them: `light grey`, `#abc`, `rgb(42, 111, 151)`, `42, 111, 151`, `gray50`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from rimlib.errors import RimError, nearest

NOTHING = ("transparent", "none", "nothing", "clear")
# 255,0,0 and 255 0 0, in brackets or not, with rgb or not; numbers out of range too, which are refused
_NUMBERS = re.compile(r"(?:rgb\s*)?(\(\s*)?(-?\d+(?:\s*,\s*-?\d+){2}|-?\d+(?:\s+-?\d+){2})(?(1)\s*\))")
_SIGNED = re.compile(r"[a-z]+\s*\(.*-\s*\d.*\)")  # Pillow would read 1 for -1
_GREY = re.compile(r"gray(\d{1,3})")  # of X11: per cent of white
_HEX = re.compile(r"[0-9a-f]{6}")


def color_of(source: Any) -> tuple[int, ...] | None:
    """The colour that `source` names, 0 to 255 each of red, green and blue; None where it is no colour.

    Names are those of CSS, in capitals or not, in one word or several, with gray or grey. Raises RimError for numbers
    out of range, and for a colour with an alpha.

    >>> color_of("white"), color_of([42, 111, 151]), color_of("beach.jpg")
    ((255, 255, 255), (42, 111, 151), None)
    >>> color_of("Light Grey"), color_of("#2af"), color_of("42, 111, 151"), color_of("gray50")
    ((211, 211, 211), (34, 170, 255), (42, 111, 151), (127, 127, 127))
    """
    if isinstance(source, str):
        source = _of_text(source)
    if not isinstance(source, (tuple, list)):
        return None
    if len(source) != 3 or not all(isinstance(value, (int, np.integer)) and 0 <= value <= 255 for value in source):
        raise RimError(f"background {tuple(source)}: a colour is three whole numbers of 0 to 255", setting="background")
    return tuple(int(value) for value in source)


def hint(text: str) -> str:
    """The hint for a word that is no colour: the name nearest to it, or an empty string."""
    from PIL import ImageColor

    return nearest(_squeezed(text), ImageColor.colormap)


def _of_text(text: str) -> tuple[int, ...] | None:
    from PIL import ImageColor

    written = text.strip().lower()
    name = _squeezed(text)
    if name in NOTHING:
        raise RimError(
            f"background {text}: a background is opaque; for a transparent one write a cut-out", setting="background"
        )
    if numbers := _NUMBERS.fullmatch(written):
        return tuple(int(value) for value in re.findall(r"-?\d+", numbers[2]))
    if _SIGNED.fullmatch(written) and _function(written):
        raise RimError(f"background {text}: a number of a colour is not below 0", setting="background")
    if (grey := _GREY.fullmatch(name)) and int(grey[1]) <= 100:
        return (int(grey[1]) * 255 // 100,) * 3
    for form in (written, name, f"#{written}" if _HEX.fullmatch(written) else name):
        try:
            color = ImageColor.getrgb(form)
        except ValueError:
            continue
        if len(color) == 4 and color[3] != 255:
            raise RimError(f"background {text}: has an alpha; a background is opaque", setting="background")
        return color[:3]
    return None


def _function(written: str) -> bool:
    """Whether a text is a colour but for its signs."""
    from PIL import ImageColor

    try:
        return bool(ImageColor.getrgb(written.replace("-", "")))
    except ValueError:
        return False


def _squeezed(text: str) -> str:
    """A name as CSS writes it: small letters, in one word, with gray."""
    return re.sub(r"[\s_-]+", "", text.strip().lower()).replace("grey", "gray")
