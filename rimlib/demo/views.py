"""What the page shows of a result, and what can be made of it.

Paper: supplement Sec. 1, a case study of interactive image editing: an object is highlighted, or pasted on another
background or on one colour. Taking it out of its image is ours: what was behind it is filled from what surrounds it.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from rimlib import show
from rimlib.demo.attention import Word
from rimlib.demo.request import BLUR, EDITS, Source
from rimlib.demo.saved import address
from rimlib.io import images
from rimlib.matting import ellipse
from rimlib.prediction import cutout
from rimlib.prediction.answer import Answer
from rimlib.sentences import short

if TYPE_CHECKING:
    from rimlib.prediction.result import Result

VIEWS = ("image", "matte", "cut-out", "edited")
TINT = (230, 159, 0)  # of the overlay
FILLED = 256  # pixels: the longer side at which what was behind is filled


def edited(
    edit: str, image: np.ndarray, foreground: np.ndarray, alpha: np.ndarray, background: str | Source
) -> np.ndarray:
    """The image after an edit, uint8 (H, W, 3).

    edit: one of `EDITS`; image, foreground: uint8 (H, W, 3); alpha: float32 (H, W) in [0, 1]; background: of a new
    background a colour, `BLUR` or an image.
    """
    if edit == EDITS[1]:
        return highlighted(image, foreground, alpha)
    if edit == EDITS[2]:
        return show.over(np.broadcast_to(np.array(TINT, np.uint8), image.shape), 0.6 * alpha, image)
    if edit == EDITS[3]:
        return removed(image, alpha)
    if background == BLUR:
        place = blurred(removed(image, alpha))
    else:
        given = background.image if isinstance(background, Source) else background
        place = cutout.background(given, alpha.shape)
    return show.over(foreground, alpha, place)


def highlighted(image: np.ndarray, foreground: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The object in its colours before the image in dark grey, uint8 (H, W, 3)."""
    gray = (0.45 * image.mean(axis=2, keepdims=True)).astype(np.uint8)
    return show.over(foreground, alpha, np.broadcast_to(gray, image.shape))


def blurred(image: np.ndarray) -> np.ndarray:
    """An image out of focus, uint8 (H, W, 3)."""
    import cv2

    return cv2.GaussianBlur(image, (0, 0), max(1.0, max(image.shape) / 60))


def removed(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The image without the object, uint8 (H, W, 3): its place is filled from what surrounds it (Telea, 2004)."""
    import cv2

    if not alpha.any():
        return image
    hole = ellipse.dilate(alpha > 0.02, 2 * max(2, max(alpha.shape) // 150) + 1)
    if hole.all():
        return image
    scale = min(1.0, FILLED / max(alpha.shape))
    size = tuple(max(1, round(length * scale)) for length in alpha.shape)
    small = (images.resize(hole.astype(np.float32), size) > 0).astype(np.uint8)
    filled = images.resize(cv2.inpaint(images.resize(image, size), small, 3, cv2.INPAINT_TELEA), alpha.shape)
    edge = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.5)
    return show.over(filled, np.maximum(edge, hole), image)


def summary(result: Result) -> str:
    """What was found, in a line."""
    covered = float(result.alpha.mean())
    found = f"{100 * covered:.0f} % of the image, score {result.score:.2f}"
    if result.message:
        return f"{found}; {result.message}" if result.found else result.message
    if covered < 0.001:
        return f"nothing in this image seems to fit; the matte is empty, score {result.score:.2f}"
    if result.answer == Answer.AMBIGUOUS:
        return f"{found}; it has several parts: if you mean one of them, give its side or order"
    return found


def attended(words: tuple[Word, ...]) -> str:
    """HTML: the words, the darker the more of the attention inside the matte; nothing for no words."""
    if not words:
        return ""
    most = max(word.inside for word in words)
    parts = []
    for word in words:
        said = f"{100 * word.inside:.0f} % inside the matte, {100 * word.outside:.0f} % outside it"
        style = f"padding: 2px 4px; border-radius: 4px; background: rgba(230, 159, 0, {0.8 * word.inside / most:.2f})"
        share = f"<sub>{100 * word.inside:.0f}</sub>"
        parts.append(f'<span title="{said}" style="{style}">{html.escape(word.text)}{share}</span>')
    return f"Words attended to inside the matte, per cent of the attention to words: {' '.join(parts)}"


def picture(view: str, pixels: np.ndarray, sentence: str) -> str:
    """HTML: a view with its alternative text; a matte without loss, others as JPEG, since they go to the browser."""
    kind = "png" if view == "matte" else "jpeg"
    asked = f"“{short(sentence)}”" if sentence else "nothing yet"
    texts = {
        "image": "The image",
        "matte": f"The matte of {asked}: white is the object",
        "cut-out": f"The object of {asked}, on a checkerboard",
        "edited": f"The image, edited by the matte of {asked}",
    }
    source = address(images.encode(pixels, kind, quality=90), kind)
    return f'<img alt="{html.escape(texts[view])}" style="width: 100%" src="{source}">'
