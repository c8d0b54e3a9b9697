"""One planned scene, rendered and written: its picture as JPEG, the visible alpha of each entity as PNG.

Paper: Sec. 3.2 and 3.3. A scene is rendered from its own `Order` and from nothing else, so any process, on any machine and at
any time, writes the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rimlib.entities.pool import Pool
from rimlib.errors import RimError
from rimlib.io import files
from rimlib.matting.composition import enlargement, premultiply
from rimlib.refmatte import composite, format
from rimlib.refmatte.jobs import Order
from rimlib.refmatte.plan import ScenePlan

QUALITY = 92  # of the JPEG pictures
ENLARGE = 2.0  # a background that would have to grow more than this is refused


@dataclass(frozen=True)
class Written:
    """A rendered scene: its files as (path below the root, bytes, sha256), and how many times its background was enlarged."""

    name: str
    files: tuple[tuple[str, int, str], ...]
    enlarged: float


def render(pool: Pool, scene: ScenePlan | Order, canvas: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The picture, uint8 (H, W, 3), and the visible alpha of each entity, float32 (H, W) in [0, 1], of one planned scene."""
    return composite.composite(
        pool.background(scene.background),
        [pool.cutout(name) for name in scene.entities],
        list(scene.placements),
        canvas,
        list(scene.mirrored),
    )


def compose(pool: Pool, order: Order, canvas: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `render`, with uint8 mattes, as they are written; what can be used again for the next scene is kept in the pool."""
    scene, visible = composite.blend(
        pool.background(order.background),
        [_layer(pool, name) for name in order.entities],
        list(order.placements),
        canvas,
        list(order.mirrored),
    )
    return scene, [composite.matte_on_canvas(alpha, place, canvas) for alpha, place in zip(visible, order.placements)]


def write(pool: Pool, order: Order, root: Path, split: str, canvas: tuple[int, int]) -> Written:
    """Compose a scene and write its files, each whole or not at all.

    Raises:
        RimError: a file that cannot be written, an entity with empty alpha, a background that is too small; each is named.
    """
    enlarged = enlargement(pool.background(order.background).shape[:2], canvas)
    if enlarged > ENLARGE:
        height, width = pool.background(order.background).shape[:2]
        raise RimError(
            f"background {order.background!r}: is {height} x {width} pixels and would be enlarged {enlarged:.1f} times for scenes "
            f"of {canvas[0]} x {canvas[1]}; at most {ENLARGE:g} times is accepted"
        )
    picture, mattes = compose(pool, order, canvas)
    paths = [format.mask_path(root, split, f"{order.name}_{index + 1}") for index in range(len(mattes))]
    stored = [store(path, encode_matte(alpha)) for path, alpha in zip(paths, mattes)]
    path = format.image_path(root, split, order.name)
    stored.append(store(path, encode_picture(picture)))
    rows = ((file.relative_to(root).as_posix(), *row) for file, row in zip([*paths, path], stored))
    return Written(order.name, tuple(rows), enlarged)


def encode_picture(picture: np.ndarray) -> bytes:
    """uint8 (H, W, 3) as JPEG."""
    return _encode(picture, "JPEG", quality=QUALITY)


def encode_matte(alpha: np.ndarray) -> bytes:
    """uint8 (H, W) as a grey PNG. Run lengths suit mattes: as small as the slowest setting, in two thirds of its time."""
    return _encode(alpha, "PNG", compress_level=1, compress_type=3)  # 3: zlib's Z_RLE


def store(path: Path, data: bytes) -> tuple[int, str]:
    """Write a file of the data set; (bytes, sha256) of it. A link of this name is replaced and not followed."""
    if path.is_symlink():
        path.unlink()
    files.write_atomically(path, data, durable=False)
    return len(data), hashlib.sha256(data).hexdigest()


@contextmanager
def one_thread():
    """OpenCV on one thread: a build runs many processes instead, and threads of its own would fight over the cores."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _layer(pool: Pool, name: str) -> np.ndarray:
    def make() -> np.ndarray:
        foreground, alpha = pool.cutout(name, keep=False)
        if not alpha.any():
            raise RimError(f"entity {name!r}: its alpha is empty, so there is nothing to see of it")
        return premultiply(foreground, alpha)

    return pool.keep("layer", name, make)


def _encode(pixels: np.ndarray, kind: str, **options) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()
