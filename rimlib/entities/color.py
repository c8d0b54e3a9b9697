"""The colour of an entity: the most frequent cluster of its pixels, by its nearest CSS3 name.

Paper: Sec. 3.1, "cluster all the pixel values of the foreground image, find the most frequent value, and match it with
the specific color in webcolors". Pixels count by their alpha, and the match is made in CIELAB, where distance follows
perception; in RGB a dark green is often nearest to a grey.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import webcolors


def dominant_color(foreground: np.ndarray, alpha: np.ndarray, clusters: int = 5) -> tuple[int, int, int]:
    """The centre of the heaviest of `clusters` k-means clusters of the opaque pixels.

    Args:
        foreground: uint8 (H, W, 3) RGB.
        alpha: float32 (H, W) in [0, 1].
        clusters: how many.

    Returns:
        R, G, B in 0..255.
    """
    side = max(alpha.shape)
    if side > 96:  # more pixels change the centres by less than the step between two names
        size = (max(1, alpha.shape[1] * 96 // side), max(1, alpha.shape[0] * 96 // side))
        foreground, alpha = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (foreground, alpha))
    weights = alpha.reshape(-1)
    chosen = weights > min(0.5, 0.8 * float(weights.max()))
    pixels = _lab(foreground).reshape(-1, 3)[chosen].astype(np.float32)
    weights = weights[chosen]
    if len(pixels) <= clusters:
        centre = pixels.mean(axis=0)
    else:
        cv2.setRNGSeed(0)
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
        start = np.zeros((len(pixels), 1), np.int32)  # unused
        _, labels, centres = cv2.kmeans(pixels, clusters, start, stop, 2, cv2.KMEANS_PP_CENTERS)
        share = np.bincount(labels.reshape(-1), weights=weights, minlength=clusters)
        centre = centres[int(np.argmax(share))]
    rgb = cv2.cvtColor(centre.reshape(1, 1, 3).astype(np.float32), cv2.COLOR_LAB2RGB).reshape(3)
    red, green, blue = (int(round(255 * float(np.clip(value, 0, 1)))) for value in rgb)
    return red, green, blue


def color_name(rgb: tuple[int, int, int]) -> str:
    """The CSS3 name nearest to a colour, one spelling each ("gray", never "grey").

    >>> color_name((250, 128, 110))
    'salmon'
    """
    names, lab = _css3()
    own = _lab(np.array(rgb, np.uint8).reshape(1, 1, 3)).reshape(3)
    return names[int(np.argmin(((lab - own) ** 2).sum(axis=1)))]


@cache
def color_distance(one: str, other: str) -> float:
    """How far two CSS3 colour names are apart in CIELAB, where 100 lies between black and white.

    >>> color_distance("gray", "dimgray") < 15 < 90 < color_distance("gray", "red")
    True
    """
    names, lab = _css3()
    return float(np.linalg.norm(lab[names.index(one)] - lab[names.index(other)]))


@cache
def _css3() -> tuple[list[str], np.ndarray]:
    names = sorted({webcolors.rgb_to_name(webcolors.name_to_rgb(name)) for name in webcolors.names("css3")})
    names = [name.replace("grey", "gray") for name in names]
    values = np.array([tuple(webcolors.name_to_rgb(name)) for name in names], np.uint8)
    return names, _lab(values.reshape(1, -1, 3)).reshape(-1, 3)


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
