"""Changes to a training picture that leave its sentences true.

Paper: Sec. 5.1 adopts the augmentation of an earlier work, which flips and crops. A flip turns "left" into "right",
so the words are mirrored with the picture; a crop can remove the "rightmost" one, so there is none here. Colours are
named in the sentences, so light changes little and hue not at all.
"""

from functools import lru_cache

import cv2
import numpy as np


def mirror_words(sentence: str) -> str:
    """The sentence for the mirrored picture. The words of the relations live in `rimlib.matting.relations`."""
    from rimlib.matting.relations import mirror

    return mirror(sentence)


def photometric(picture: np.ndarray, rng: np.random.Generator, share: float = 0.5, sigma: float = 10.0) -> np.ndarray:
    """A copy with a little other light, noise and sharpness, each with probability `share`.

    picture: uint8 (H, W, 3); sigma: standard deviation of the Gaussian noise at most, of 255 (Paper: Sec. 5.1, the
    earlier work's value; the noise is clipped, not wrapped around). Contrast and brightness change by 10 % at most.
    Returns uint8 (H, W, 3).
    """
    light, noisy, soft = rng.random(3) < share
    if light:
        contrast, brightness = rng.uniform(0.9, 1.1, size=2)
        levels = (np.arange(256) - 127.5) * contrast + 127.5 * brightness
        picture = cv2.LUT(picture, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if soft:
        picture = cv2.GaussianBlur(picture, (3, 3), rng.uniform(0.3, 0.8))
    if noisy:
        # Fresh noise for each picture would be half of the time that a batch takes: a random piece of a long strip does.
        strip = _noise(max(2**20, 2 * picture.size))
        start = rng.integers(len(strip) - picture.size)
        noise = strip[start : start + picture.size].reshape(picture.shape) * np.float32(rng.uniform(0, sigma))
        picture = cv2.add(picture, np.rint(noise).astype(np.int16), dtype=cv2.CV_8U)  # saturates
    return picture


@lru_cache(maxsize=2)
def _noise(length: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(length, dtype=np.float32)
