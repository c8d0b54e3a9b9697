"""From a rough mask to a matte at the image's own size: automatic trimap → matting network, around what was found.

The matting network's attention grows with the fourth power of the side, so it sees what was found, with a margin, at
`LARGEST` pixels at most. Where that is smaller than the image, its matte is refined at the image's own size by the same
network, tile by tile along the edges: memory stays bounded, whatever the image's size.
"""

from __future__ import annotations

import numpy as np

from rimlib.baselines.vitmatte import BAND, Matter, automatic_trimap
from rimlib.io.images import resize
from rimlib.matting import boxes, pyramid, tiles
from rimlib.matting.trimap import trimap_from_alpha

LARGEST = 1024  # pixels of the longer side; some 4,000 patches, whose attention takes 1 GB
MARGIN = 0.1  # of the longer side of what was found: the background beside it must be seen
KERNEL = 17  # pixels; how far from an uncertain pixel of the matte before it a tile's matte may change


def matte(
    matter: Matter, image: np.ndarray, mask: np.ndarray, refine: bool = True, band: float = BAND
) -> tuple[np.ndarray, np.ndarray]:
    """The matte of a mask and the trimap that it was made with: float32 (H, W) in [0, 1], and uint8 (H, W).

    Args:
        matter: the matting network.
        image: uint8 (H, W, 3).
        mask: bool (h, w), of the whole image at any size.
        refine: at the image's own size; otherwise the network's matte is only enlarged.
        band: width of the trimap's unknown band, as a share of the longer side of what was found.
    """
    import cv2

    size = image.shape[:2]
    alpha, trimap = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    found = boxes.visible_box(mask)
    if found is None:
        return alpha, trimap
    margin = int(np.ceil(max(MARGIN, band) * max(cut.stop - cut.start for cut in found))) + 1
    small = boxes.visible_box(mask, margin=margin)
    assert small is not None
    large = tuple(_scaled(cut, own, whole) for cut, own, whole in zip(small, mask.shape, size))
    crop = image[large]
    scale = min(1.0, LARGEST / max(crop.shape))
    limited = tuple(max(1, round(length * scale)) for length in crop.shape[:2])
    given = automatic_trimap(resize(mask[small].astype(np.float32), limited) >= 0.5, band)
    coarse = matter(resize(crop, limited), given)  # `limited`
    if limited == crop.shape[:2]:
        alpha[large] = coarse
    elif refine:
        alpha[large] = pyramid.refine(lambda part, rough: matte_tile(matter, part, rough), crop, coarse)
    else:
        alpha[large] = np.clip(resize(coarse, crop.shape[:2]), 0, 1)
    trimap[large] = cv2.resize(given, crop.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return alpha, trimap


def matte_tile(matter: Matter, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A tile's matte, float32 (h, w), by a rougher one of it: unknown is what that is not certain of, and what is near.

    image: uint8 (h, w, 3); alpha: float32 (h, w) in [0, 1].
    """
    plain = np.where(alpha < tiles.PLAIN, 0, np.where(alpha > 1 - tiles.PLAIN, 1, alpha)).astype(np.float32)
    trimap = trimap_from_alpha(plain, KERNEL)
    return matter(image, trimap) if (trimap == 128).any() else plain


def _scaled(cut: slice, own: int, whole: int) -> slice:
    """A slice of a side of `own` pixels, on the same side of `whole` pixels."""
    return slice(cut.start * whole // own, -(-cut.stop * whole // own))
