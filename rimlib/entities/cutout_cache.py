"""The pixels of one cut-out or background in a pool's form, made once and cached, with a record of their origin.

Paper: Sec. 3.1. A record lies in `parts/entities/NAME.json` or `parts/backgrounds/NAME.json` and is written after the
image. It holds a stamp of the source's files (name, size, time) and of what was done to them; while the stamp is the
same nothing is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm  # plain text, which papermill can pass on to the terminal

from rimlib.entities.clean import blur_faces, clean_cutout
from rimlib.entities.sources.common import BackgroundFile, CutoutFiles, read_pixels
from rimlib.errors import RimError
from rimlib.io import files, images
from rimlib.matting.boxes import visible_box
from rimlib.matting.foreground import estimate

RECIPE = 1  # a change of what is done to pixels gives another number, and older cut-outs are made again
QUALITY = 92  # of backgrounds that are not JPEG files already
ORIENTATION = 0x0112  # EXIF's tag; 1 is upright


@dataclass(frozen=True)
class Job:
    """One image to make."""

    item: CutoutFiles | BackgroundFile  # what it is made from
    out: Path  # the pool's folder
    foreground: str  # the method, see `build_pool.build`

    @property
    def part(self) -> str:
        """The pool's sub-folder."""
        return "entities" if isinstance(self.item, CutoutFiles) else "backgrounds"

    @property
    def record_path(self) -> Path:
        """Where its record lies."""
        return self.out / "parts" / self.part / f"{self.item.name}.json"

    def stamp(self) -> str:
        """A hash of the source's files and of what is done to them."""
        item = self.item
        how: object = QUALITY
        paths = [item.file] if isinstance(item, BackgroundFile) else item.files()
        if isinstance(item, CutoutFiles):
            how = (self.foreground, item.faces, item.clean)
        try:
            states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        except OSError:
            states = []  # reading it will raise the error
        return hashlib.sha256(repr((RECIPE, item.source, item.path, states, how)).encode()).hexdigest()

    def cached(self) -> dict | None:
        """The record, if its image is there and the source's files have not changed since."""
        if not self.record_path.is_file():
            return None
        record = files.read_json(self.record_path)
        same = record.get("stamp") == self.stamp() and (self.out / self.part / record["file"]).is_file()
        return record if same else None

    def run(self) -> dict | RimError:
        """Make the image and its record; or the error that names which of the source's files can't be used.

        Raises:
            RimError: what was made can't be written; that is no fault of the item's.
        """
        stamp = self.stamp()
        try:
            size, data = _background(self.item) if isinstance(self.item, BackgroundFile) else self._cutout(self.item)
        except RimError as error:
            return error
        ending = ".png" if self.part == "entities" else ".jpg"
        path = self.out / self.part / f"{self.item.name}{ending}"
        files.write_atomically(path, data, durable=False)
        digest = hashlib.sha256(data).hexdigest()
        record = {"stamp": stamp, "file": path.name, "height": size[0], "width": size[1], "sha256": digest}
        files.write_json(self.record_path, record)
        return record

    def _cutout(self, item: CutoutFiles) -> tuple[tuple[int, int], bytes]:
        image, foreground, alpha = read_pixels(item)
        if image is not None and (foreground is None or self.foreground != "given"):
            foreground = estimate(image, alpha, "cf" if self.foreground == "given" else self.foreground)
        assert foreground is not None, item.path
        foreground = blur_faces(foreground, list(item.faces))
        if item.clean:
            foreground, alpha = clean_cutout(foreground, alpha, max(alpha.shape) + 4)
        levels = np.rint(alpha * 255).astype(np.uint8)
        window = visible_box(levels)
        assert window is not None, item.path  # read_pixels refuses an empty alpha
        foreground, levels = foreground[window], levels[window]
        height, width = levels.shape
        return (height, width), encode_png(np.dstack([foreground * (levels > 0)[..., None], levels]))


def run_jobs(
    cached: list[tuple[Job, dict | None]], workers: int, progress: bool
) -> Iterator[tuple[Job, dict | RimError]]:
    """The record or the error of each job, cached ones first, the others in whatever order they are done."""
    todo = [job for job, record in cached if record is None]
    title = "cut-outs and backgrounds"
    with tqdm(total=len(cached), initial=len(cached) - len(todo), desc=title, disable=not progress) as bar:
        yield from ((job, record) for job, record in cached if record is not None)
        done = (
            Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(_run)(job) for job in todo)
            if workers > 1
            else map(_run, todo)
        )
        for pair in done:
            bar.update()
            yield pair


def _run(job: Job) -> tuple[Job, dict | RimError]:
    return job, job.run()


def encode_png(rgba: np.ndarray) -> bytes:
    """RGBA without loss, by a filter and a level that are decoded half again as quickly as a PNG of the usual kind."""
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12 and later
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
    return cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), settings)[1].tobytes()


def _background(item: BackgroundFile) -> tuple[tuple[int, int], bytes]:
    """A JPEG that needs nothing is copied byte for byte; anything else is decoded and stored as JPEG."""
    image = images.read_image(item.file)
    height, width = image.shape[:2]
    with Image.open(item.file) as file:
        plain = file.format == "JPEG" and file.mode == "RGB" and file.getexif().get(ORIENTATION, 1) == 1
    if plain:
        return (height, width), item.file.read_bytes()
    return (height, width), images.encode(image, "JPEG", quality=QUALITY)
