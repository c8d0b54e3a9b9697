"""The pixels of one cut-out or background in a pool's form, made once and kept, with a record of what they were made from.

Paper: Sec. 3.1. A record lies in `parts/entities/NAME.json` or `parts/backgrounds/NAME.json` and is written after the picture. It holds a
stamp of the source's files (name, size, time) and of what was done to them; while the stamp is the same nothing is computed again.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.sources.common import Backdrop, Cutting, read_pixels
from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.matting.foreground import estimate

RECIPE = 1  # a change of what is done to pixels gives another number, and older cut-outs are made again
QUALITY = 92  # of backgrounds that are not JPEG files already


def job(item: Cutting | Backdrop, out: Path, foreground: str) -> tuple:
    """The item, where it goes, how, and its record if it is there and its files have not changed since."""
    paths = item.files() if isinstance(item, Cutting) else [item.file]
    try:
        states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    except OSError as error:
        states = [str(error)]  # reading it will say what is wrong
    how = (foreground, item.faces, item.clean) if isinstance(item, Cutting) else QUALITY
    stamp = hashlib.sha256(repr((RECIPE, item.source, item.path, states, how)).encode()).hexdigest()
    part = "entities" if isinstance(item, Cutting) else "backgrounds"
    kept = None
    if (out / "parts" / part / f"{item.name}.json").is_file():
        record = files.read_json(out / "parts" / part / f"{item.name}.json")
        if record.get("stamp") == stamp and (out / part / record["file"]).is_file():
            kept = record
    return item, out, foreground, stamp, kept


def make(item: Cutting | Backdrop, out: Path, foreground: str, stamp: str) -> tuple:
    """The item and its record, or the error that says which of its files can't be used.

    Raises:
        RimError: what was made can't be written; that is no fault of the item's.
    """
    try:
        size, data = _cut(item, foreground) if isinstance(item, Cutting) else _copy(item)
    except RimError as error:
        return item, error
    part, ending = ("entities", ".png") if isinstance(item, Cutting) else ("backgrounds", ".jpg")
    path = files.write_atomically(out / part / f"{item.name}{ending}", data, durable=False)
    record = {
        "stamp": stamp,
        "file": path.name,
        "height": size[0],
        "width": size[1],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    files.write_json(out / "parts" / part / f"{item.name}.json", record)
    return item, record


def _cut(cutting: Cutting, method: str) -> tuple[tuple[int, int], bytes]:
    picture, foreground, alpha = read_pixels(cutting)
    if picture is not None and (foreground is None or method != "given"):
        foreground = estimate(picture, alpha, "cf" if method == "given" else method)
    foreground = blur_faces(foreground, list(cutting.faces))
    if cutting.clean:
        foreground, alpha = clean_cutout(foreground, alpha, max(alpha.shape) + 4)
    levels = np.rint(alpha * 255).astype(np.uint8)
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    foreground, levels = foreground[window], levels[window]
    return levels.shape, _png(np.dstack([foreground * (levels > 0)[..., None], levels]))


def _copy(backdrop: Backdrop) -> tuple[tuple[int, int], bytes]:
    """A JPEG that needs nothing is copied byte for byte; anything else is decoded and stored as JPEG."""
    from PIL import Image

    picture = images.read_image(backdrop.file)
    with Image.open(backdrop.file) as image:
        plain = image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1
    if plain:
        return picture.shape[:2], backdrop.file.read_bytes()
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
    return picture.shape[:2], buffer.getvalue()


def _png(rgba: np.ndarray) -> bytes:
    """RGBA without loss, by a filter and a level that are quick to undo: half again as quick as a PNG of the usual kind."""
    import cv2

    settings = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12 and later
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
    return cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), settings)[1].tobytes()
