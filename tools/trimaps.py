"""Trimaps drawn by hand, kept as numbers, and the mattes that closed-form matting makes of them.

A drawing is a JSON file: an `outline` of polygons traced along the contour by eye, a `band` of pixels to either side of
it that is left to the matting, and `paint`, brush strokes and polygons laid over that in their order. Points are
written as in SVG, `"x,y x,y"`, in pixels of the image.

    {"band": 6, "outline": ["12,40 30,8 52,44"], "paint": [{"label": "unknown", "width": 12, "stroke": "30,8 34,0"}]}

Paper: Sec. 3.3 (the mattes of RefMatte-RW100 were made in image editors). The matting is Levin, Lischinski and Weiss's
closed form.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from rimlib.errors import RimError
from rimlib.io import files
from rimlib.matting.boxes import visible_box

LABELS = {"background": 0, "unknown": 128, "foreground": 255}


def read(path: str | Path) -> dict:
    """A drawing.

    Raises:
        RimError: broken JSON, no outline, or paint of another form; the message names the file.
    """
    drawing = files.read_json(path)
    if not drawing.get("outline"):
        raise RimError(f"{path}: has no outline; it needs a list of polygons, each as 'x,y x,y …'", path=path)
    for mark in drawing.get("paint", []):
        if mark.get("label") not in LABELS or ("stroke" in mark) == ("polygon" in mark):
            raise RimError(
                f"{path}: {mark} is no paint; it needs a label of {', '.join(LABELS)} and either a stroke or a polygon",
                path=path,
            )
    return drawing


def draw(drawing: dict, height: int, width: int) -> np.ndarray:
    """The trimap, uint8 (H, W), 0 background, 128 unknown, 255 foreground.

    >>> drawing = {"band": 1, "outline": ["2,2 7,2 7,7 2,7"]}
    >>> draw(drawing, 10, 10)[5].tolist()
    [0, 128, 128, 255, 255, 255, 255, 128, 128, 0]
    """
    inside = np.zeros((height, width), np.uint8)
    for polygon in drawing["outline"]:
        cv2.fillPoly(inside, [_points(polygon)], 1)
    for polygon in drawing.get("holes", []):
        cv2.fillPoly(inside, [_points(polygon)], 0)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * drawing["band"] + 1,) * 2)
    trimap = np.where(cv2.dilate(inside, brush) > 0, 128, 0).astype(np.uint8)
    trimap[cv2.erode(inside, brush) > 0] = 255  # an object that the image's edge cuts stays certain up to that edge
    for mark in drawing.get("paint", []):
        if "polygon" in mark:
            cv2.fillPoly(trimap, [_points(mark["polygon"])], LABELS[mark["label"]])
        else:
            cv2.polylines(trimap, [_points(mark["stroke"])], False, LABELS[mark["label"]], mark["width"])
    return trimap


def matte(image: np.ndarray, trimap: np.ndarray, margin: int = 24) -> np.ndarray:
    """Closed-form matting of what the trimap leaves open.

    Args:
        image: uint8 (H, W, 3).
        trimap: uint8 (H, W) of 0, 128 and 255.
        margin: pixels kept round what is not background; the rest need not be computed.

    Returns:
        alpha, float32 (H, W) in [0, 1] in steps of 1/255, as it is stored.
    """
    from pymatting import estimate_alpha_cf

    alpha = np.zeros(trimap.shape, np.float32)
    window = visible_box(trimap, margin=margin)
    if window is None:
        return alpha
    known = trimap[window]
    values = estimate_alpha_cf(image[window].astype(np.float64) / 255, np.where(known == 128, 0.5, known / 255.0))
    values = (np.clip(values, 0, 1) - 0.03) / 0.94  # the solver leaves a haze of a few levels
    values = np.where(known == 128, values, known / 255.0)
    alpha[window] = np.round(np.clip(values, 0, 1) * 255) / 255
    return alpha


def _points(text: str) -> np.ndarray:
    return np.array([[int(number) for number in point.split(",")] for point in text.split()], np.int32)  # (N, 2)
