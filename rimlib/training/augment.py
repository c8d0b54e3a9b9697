"""Changes to a training image that leave its sentences true.

Paper: Sec. 5.1 adopts the augmentation of an earlier work, which flips and crops. A flip turns "left" into "right", so
the words are mirrored with the image (`rimlib.matting.relations`); a crop can remove the "rightmost" one, so there is
none here. Colours are named in the sentences, so light changes little and hue not at all.
"""

from functools import lru_cache

import cv2
import numpy as np


def photometric(image: np.ndarray, rng: np.random.Generator, share: float = 0.5, sigma: float = 10.0) -> np.ndarray:
    """A copy of an image, uint8 (H, W, 3), with a little other light, noise and sharpness, each by chance `share`.

    Contrast and brightness change by 10 % at most; `sigma` is the noise's standard deviation at most, of 255 (Paper:
    Sec. 5.1, the earlier work's value; the noise is clipped, not wrapped around).
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
        strip = _noise(max(2**20, 2 * image.size))
        start = rng.integers(len(strip) - image.size)
        noise = strip[start : start + image.size].reshape(image.shape) * np.float32(rng.uniform(0, sigma))
        image = cv2.add(image, np.rint(noise).astype(np.int16), dtype=cv2.CV_8U)  # saturates
    return image


@lru_cache(maxsize=2)
def _noise(length: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(length, dtype=np.float32)
