"""One planned scene, rendered and written: its image as JPEG, the visible alpha of each entity as PNG.

Paper: Sec. 3.2 and 3.3. A scene is rendered from its own `RenderJob` and from nothing else, so any process, on any
machine and at any time, writes the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.io.images import encode
from rimlib.matting.composition import enlargement, premultiply
from rimlib.refmatte.composite import blend, composite, matte_on_canvas
from rimlib.refmatte.jobs import RenderJob
from rimlib.refmatte.manifest import Row
from rimlib.refmatte.plan import ScenePlan

QUALITY = 92  # of the JPEG images
ENLARGE = 2.0  # a background that would have to grow more than this is refused


@dataclass(frozen=True)
class Written:
    """A rendered scene: its files below the root with sizes and hashes, and how much its background was enlarged."""

    name: str
    files: tuple[tuple[str, Row], ...]
    enlarged: float


def render(pool: Pool, scene: ScenePlan | RenderJob, canvas: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One planned scene in memory.

    Returns:
        The image, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W) in [0, 1].
    """
    cutouts = [pool.cutout(name) for name in scene.entities]
    placements, mirrored = list(scene.placements), list(scene.mirrored)
    return composite(pool.background(scene.background), cutouts, placements, canvas, mirrored, scene.light)


def compose(pool: Pool, job: RenderJob, canvas: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `render`, with uint8 mattes, as they are written; layers are kept in the pool for the next scene."""
    layers, placements = [layer_of(pool, name) for name in job.entities], list(job.placements)
    scene, visible = blend(pool.background(job.background), layers, placements, canvas, list(job.mirrored), job.light)
    return scene, [matte_on_canvas(alpha, place, canvas) for alpha, place in zip(visible, placements)]


def layer_of(pool: Pool, name: str) -> np.ndarray:
    """An entity as a premultiplied layer, uint16 (h, w, 4), kept in the pool. Raises RimError for an empty alpha."""

    def make() -> np.ndarray:
        foreground, alpha = pool.cutout(name, keep=False)
        if not alpha.any():
            raise RimError(f"entity {name!r}: its alpha is empty, so there is nothing to see of it")
        return premultiply(foreground, alpha)

    return pool.keep("layer", name, make)


def write(pool: Pool, job: RenderJob, root: Path, split: str, canvas: tuple[int, int]) -> Written:
    """Compose a scene and write its files, each whole or not at all, the image last.

    Raises:
        RimError: a file that cannot be written, an entity with empty alpha, a background that is too small.
    """
    height, width = pool.background(job.background).shape[:2]
    enlarged = enlargement((height, width), canvas)
    if enlarged > ENLARGE:
        raise RimError(
            f"background {job.background!r}: is {height} x {width} pixels and would be enlarged {enlarged:.1f} times "
            f"for scenes of {canvas[0]} x {canvas[1]}; at most {ENLARGE:g} times is accepted"
        )
    image, mattes = compose(pool, job, canvas)
    encoded = [*map(encode_matte, mattes), encode_image(image)]
    return Written(
        job.name, tuple((path, store(root / path, data)) for path, data in zip(job.files(split), encoded)), enlarged
    )


def encode_image(image: np.ndarray) -> bytes:
    """Encode uint8 (H, W, 3) as JPEG."""
    return encode(image, "JPEG", quality=QUALITY)


def encode_matte(alpha: np.ndarray) -> bytes:
    """Encode uint8 (H, W) as a grey PNG: run lengths suit mattes, as small as the slowest level in 2/3 of the time."""
    return encode(alpha, "PNG", compress_level=1, compress_type=3)  # 3: zlib's Z_RLE


def store(path: Path, data: bytes) -> Row:
    """Write a file of the data set; its size and sha256. A link of this name is replaced and not followed."""
    if path.is_symlink():
        path.unlink()
    files.write_atomically(path, data, durable=False)
    return len(data), hashlib.sha256(data).hexdigest()


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread: a build runs many processes instead, and threads would compete for the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
