"""Changes to a training image that leave its sentences true.

Paper: Sec. 5.1 adopts the augmentation of an earlier work (GFM's RSSN), which flips, crops, blurs backgrounds and adds
noise. A flip turns "left" into "right", so the words are mirrored with the image (`rimlib.matting.relations`). A crop
can remove the "rightmost" one, so `crop` keeps whole whatever a sentence needs. Colours are named in the sentences, so
hue is never changed.

RSSN composes its images while it trains, from foregrounds and backgrounds; a RefMatte image is composed already. What
that leaves of it: the noise, as it is. The blur of the background is of what can be seen of it (`blur_background`):
what an entity hides is not known. Denoised copies are of the whole image, where the data set has a folder
`img_denoised` beside `img` (such as `cv2.fastNlMeansDenoisingColored` makes); of foreground and background apart, and
for a data set without such a folder, only composing them anew could do it.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from rimlib.training.pixels import GRID, Window

BLURS = (20, 30, 40, 50, 60)  # RSSN's: width of the box in pixels of the full-size background
SIGMA = 10.0  # RSSN's: of the noise, of 255
NEAR = (7, 7)  # pixels around one on an entity's edge in which the background behind it is looked for
STRIP = 2**20  # length of the noise that pieces are taken of


def photometric(image: np.ndarray, rng: np.random.Generator, share: float = 0.5, sigma: float = SIGMA) -> np.ndarray:
    """A copy of an image, uint8 (H, W, 3), with a little other light, noise and sharpness, each by chance `share`.

    Ours. Contrast and brightness change by 10 % at most; `sigma` is the noise's standard deviation at most, of 255.
    """
    light, noisy, soft = rng.random(3) < share
    if light:
        contrast, brightness = rng.uniform(0.9, 1.1, size=2)
        levels = (np.arange(256) - 127.5) * contrast + 127.5 * brightness
        image = cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if soft:
        image = cv2.GaussianBlur(image, (3, 3), rng.uniform(0.3, 0.8))
    if noisy:
        # Fresh noise for each image would be half of a batch's time: a random piece of a long strip does.
        strip = _noise(max(STRIP, 2 * image.size))
        start = rng.integers(len(strip) - image.size)
        noise = strip[start : start + image.size].reshape(image.shape) * np.float32(rng.uniform(0, sigma))
        image = cv2.add(image, np.rint(noise).astype(np.int16), dtype=cv2.CV_8U)  # saturates
    return image


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image, uint8 (H, W, 3), with RSSN's noise of `SIGMA`, clipped (the original wraps around)."""
    levels = _noise_levels(max(STRIP, 2 * image.size))
    start = rng.integers(len(levels) - image.size)
    return cv2.add(image, levels[start : start + image.size].reshape(image.shape), dtype=cv2.CV_8U)


def blur_background(image: np.ndarray, covered: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """An image whose background is blurred and whose entities stay as sharp as they were.

    Args:
        image: uint8 (H, W, 3).
        covered: uint8 (H, W), the sum of the visible alphas of all its entities, of 255.
        box: height and width of the box that is averaged over, pixels.

    Returns:
        uint8 (H, W, 3): C + (1 - a) (blur(B) - B). Where it is covered, the background B is taken from its
        neighbourhood; where there is none of it near, the image stays.
    """
    bare = (covered == 0).view(np.uint8)
    known = cv2.copyTo(image, bare)
    total, weight = _sums(known, bare, box, cv2.CV_32F)
    blurred = image.copy()
    cv2.copyTo(cv2.convertScaleAbs(total, alpha=1 / (box[0] * box[1])), bare, blurred)  # where all of the box is bare
    close, close_weight = _sums(known, bare, NEAR, cv2.CV_16U)
    near = (weight > 0) & (weight < box[0] * box[1]) & (covered < 255) & (close_weight > 0)
    where = np.flatnonzero(near)
    after = _at(where, total) / _at(where, weight)
    edge = np.flatnonzero(_at(where, covered)[:, 0])  # of these, where an entity covers a part of the background
    there = where[edge]
    seen = 1 - _at(there, covered) / np.float32(255)
    before = _at(there, close) / _at(there, close_weight).astype(np.float32)
    after[edge] = _at(there, image) + seen * (after[edge] - before)
    blurred.reshape(-1, 3)[where] = np.clip(np.rint(after), 0, 255)
    return blurred


def crop(
    shape: tuple[int, int], keep: Sequence[tuple[int, int, int, int]], heights: Sequence[int], rng: np.random.Generator
) -> Window | None:
    """A random window of an image, of its aspect, in which whole boxes lie; None for the whole image.

    Args:
        shape: height and width of the image, pixels.
        keep: left, top, right and bottom of each entity that the sentences need: a keyword and a basic sentence their
            own, a sentence with a relation all of the image, since "leftmost" compares with each of them.
        heights: of windows; one is drawn, and is not taken if it is no smaller than the image or has no room for the
            boxes.
        rng: decides.
    """
    height = int(rng.choice(list(heights)))
    height -= height % GRID
    width = height * shape[1] // shape[0] // GRID * GRID
    places = rng.random(2)
    if height >= shape[0] or min(height, width) < GRID:
        return None
    left, top = (min([box[side] for box in keep], default=length) for side, length in zip((0, 1), shape[::-1]))
    right, bottom = (max([box[side] for box in keep], default=0) for side in (2, 3))
    corner = []
    for low, high, length, whole, place in (
        (top, bottom, height, shape[0], places[0]),
        (left, right, width, shape[1], places[1]),
    ):
        first, last = -(-max(0, high - length) // GRID), min(low, whole - length) // GRID
        if first > last:
            return None
        corner.append(GRID * (first + int(place * (last - first + 1))))
    return Window(corner[0], corner[1], height, width)


def _sums(known: np.ndarray, bare: np.ndarray, box: tuple[int, int], kind: int) -> list[np.ndarray]:
    """Sums over a box around each pixel: of what is known, (H, W, 3), and of how many pixels, (H, W)."""
    return [cv2.boxFilter(part, kind, (box[1], box[0]), normalize=False) for part in (known, bare)]


def _at(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values (H, W) or (H, W, C) of some pixels, (P, 1) or (P, C)."""
    return values.reshape(values.shape[0] * values.shape[1], -1)[where]


@lru_cache(maxsize=2)
def _noise(length: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(length, dtype=np.float32)


@lru_cache(maxsize=2)
def _noise_levels(length: int) -> np.ndarray:
    return np.rint(SIGMA * _noise(length)).astype(np.int16)
