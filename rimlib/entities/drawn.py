"""The drawn pool: wispy and transparent objects made by code, with an alpha that is known and not estimated.

Paper: Sec. 3.1 takes its entities from matting data sets, whose alphas people drew. This pool stands beside those:
tests compare with it exactly, and it has what photographs lack, smoke and glass and single hairs.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import numpy as np
import webcolors

from rimlib.entities import painters
from rimlib.entities.entity import Background, Entity
from rimlib.entities.pool import Pool
from rimlib.errors import RimError

CATEGORIES = {  # category: (transparent, wispy, colours)
    "hair": (False, True, ("saddlebrown", "goldenrod", "black", "sienna", "dimgray")),
    "pompom": (False, True, ("hotpink", "orange", "steelblue", "seagreen", "whitesmoke")),
    "feather": (False, True, ("whitesmoke", "royalblue", "crimson", "slategray", "darkorange")),
    "net": (False, True, ("tan", "teal", "olivedrab", "navy", "firebrick")),
    "cobweb": (False, True, ("gainsboro", "whitesmoke", "silver", "lightgray", "white")),
    "smoke": (True, True, ("gainsboro", "dimgray", "lightsteelblue", "silver", "rosybrown")),
    "glass": (True, False, ("lightcyan", "azure", "honeydew", "lavender", "aliceblue")),
    "bubble": (True, False, ("lavender", "lightcyan", "mistyrose", "honeydew", "aliceblue")),
}
"""What can be drawn: each category is the name of a painter, and each colour a CSS3 name."""

PLACES = ("sky", "meadow", "wall", "sunset")
SOURCE: dict[str, Any] = {"source": "drawn", "licence": "MIT", "credit": "drawn by rimlib"}


def load(size: int = 256, seed: int = 0, variants: int = 3) -> Pool:
    """The drawn pool, a pool like any other; each cut-out is drawn when it is first used.

    Args:
        size: the side of each cut-out in pixels, 16 or more; backgrounds have 1.5 by 2 times that.
        seed: another seed gives other shapes and other colours under the same names.
        variants: entities a category. Every third one, and one of the four backgrounds, is in the test split.

    Raises:
        RimError: a size or a number of variants out of range.

    >>> pool = load(size=32, variants=1)
    >>> pool.categories()
    ['bubble', 'cobweb', 'feather', 'glass', 'hair', 'net', 'pompom', 'smoke']
    >>> foreground, alpha = pool.cutout("drawn-glass-0")
    >>> foreground.shape, alpha.shape
    ((32, 32, 3), (32, 32))
    """
    if not 16 <= size <= 4096:
        raise RimError(f"size is {size}; the drawn pool goes from 16 to 4096 pixels", setting="size")
    if variants < 1:
        raise RimError(f"variants is {variants}; it must be 1 or more", setting="variants")
    entities = []
    for category, (transparent, wispy, colors) in CATEGORIES.items():
        order = _generator(seed, category).permutation(len(colors))
        for variant in range(variants):
            name, color = f"drawn-{category}-{variant}", colors[order[variant % len(colors)]]
            split = "test" if variant % 3 == 2 else "train"
            entities.append(Entity(name, "thing", category, color, True, transparent, wispy, split=split, **SOURCE))
    splits = {place: "test" if place == "sunset" else "train" for place in PLACES}
    backgrounds = [Background(f"drawn-{place}", place, split, **SOURCE) for place, split in splits.items()]
    readers = partial(_cutout, size=size, seed=seed), partial(_background, size=size, seed=seed)
    return Pool(entities, backgrounds, *readers)


def draw(category: str, color: str, size: int = 256, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One cut-out: foreground uint8 (size, size, 3) and alpha float32 (size, size) in [0, 1].

    Args:
        category: a key of CATEGORIES.
        color: a CSS3 name; shading makes parts lighter and darker.
        size: the side in pixels.
        seed: the same one draws the same image, whatever was drawn before.

    Raises:
        RimError: an unknown category or colour.
    """
    if category not in CATEGORIES:
        raise RimError(f"category is {category!r}; drawn are {', '.join(CATEGORIES)}", setting="category")
    try:
        rgb = np.array(webcolors.name_to_rgb(color), np.float32)
    except ValueError:
        raise RimError(f"color is {color!r}; expected a CSS3 colour name such as teal", setting="color") from None
    return getattr(painters, category)(size, _generator(seed, category), rgb)


def _cutout(entity: Entity, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return draw(entity.category, entity.color, size, zlib.crc32(f"{entity.name}/{seed}".encode()))


def _background(background: Background, size: int, seed: int) -> np.ndarray:
    """A place, uint8 (1.5 S, 2 S, 3), by what makes it: gradients and cloudy noise."""
    rng = _generator(seed, background.name)
    height, width = size * 3 // 2, size * 2
    noise = (painters.fractal(width, rng, octaves, cells) for octaves, cells in ((5, 3), (4, 40)))
    coarse, fine = (values[:height, :, None] for values in noise)
    down = np.linspace(0, 1, height)[:, None, None]  # (H, 1, 1)
    if background.category == "sky":
        clouds = np.clip(2.5 * coarse - 1.1, 0, 1) * (1 - 0.6 * down)
        image = _blend(_blend((58, 118, 196), (176, 212, 240), down), (250, 250, 252), clouds)
    elif background.category == "meadow":
        blades = np.clip(0.55 * coarse + 0.9 * (fine - 0.5) * (0.3 + down) + 0.2, 0, 1)
        grass = _blend((52, 92, 28), (142, 168, 70), blades)
        far = np.clip((0.4 - down) / 0.04, 0, 1)
        image = _blend(grass, _blend((190, 214, 232), (216, 228, 226), down), far)
    elif background.category == "wall":
        plaster = _blend((150, 132, 112), (206, 192, 172), np.clip(0.6 * coarse + 0.5 * fine - 0.05, 0, 1))
        image = plaster * (1.05 - 0.2 * down)
    else:
        dusk = _blend((40, 44, 92), (232, 120, 72), np.clip(down * 1.7, 0, 1))
        glow = _blend(dusk, (250, 206, 120), np.clip(2.4 * coarse - 1.3, 0, 1) * down)
        image = _blend(glow, (24, 26, 34), down > 0.82 + 0.08 * (coarse[height // 2] - 0.5))
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _blend(low: Any, high: Any, share: Any) -> np.ndarray:
    return np.asarray(low) * (1 - share) + np.asarray(high) * share


def _generator(seed: int, name: str) -> np.random.Generator:
    # crc32 and not hash(), which is another one in each process
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
