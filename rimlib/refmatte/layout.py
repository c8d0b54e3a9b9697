"""Where the entities of a scene stand: boxes from sizes, a relation and a seed, without a pixel.

Paper: Sec. 3.2: no occlusion for left, right, top and bottom; front and behind are made by overlap; nothing is cropped.
The paper gives no sizes. Here each entity gets a slot of the canvas and fills it as far as its own shape allows, less a
random share, so that entities stay large.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rimlib.refmatte import relations


@dataclass(frozen=True)
class Placement:
    """An entity's box in the scene, whole pixels, and its depth (larger is nearer to the viewer)."""

    left: int
    top: int
    width: int
    height: int
    depth: int = 0

    @property
    def box(self) -> relations.Box:
        return (self.left, self.top, self.left + self.width, self.top + self.height)


def place(sizes: list[tuple[int, int]], arrangement: tuple[str, str], canvas: tuple[int, int],
          rng: np.random.Generator) -> list[Placement]:
    """Boxes for two or three entities, in the order of the relation (left to right, top to bottom, front first).

    Args:
        sizes: (height, width) of each cut-out; only the ratio matters.
        arrangement: one of `relations.ARRANGEMENTS`.
        canvas: (height, width) of the scene in pixels.
    """
    if arrangement == ("front", "behind"):
        return _overlapping(sizes, canvas, rng)
    along_x = arrangement == ("left", "right")
    length, breadth = (canvas[1], canvas[0]) if along_x else canvas
    shares = rng.dirichlet([12.0] * len(sizes))   # near equal: a slot never gets too thin to see its entity
    edges = np.concatenate([[0], np.cumsum(shares)]) * length
    placements = []
    for (height, width), start, end in zip(sizes, edges[:-1], edges[1:]):
        fill = rng.uniform(0.75, 0.98)
        slot = (breadth, end - start) if along_x else (end - start, breadth)
        scale = fill * min(slot[0] / height, slot[1] / width)
        tall, wide = max(2, int(height * scale)), max(2, int(width * scale))
        along, across = (wide, tall) if along_x else (tall, wide)
        first = int(np.ceil(start)) + rng.integers(0, max(1, int(end) - int(np.ceil(start)) - along + 1))
        # things rest low in a picture more often than they hang high
        free = breadth - across
        second = int(free * (rng.beta(2.5, 1.5) if along_x else rng.uniform()))
        left, top = (first, second) if along_x else (second, first)
        placements.append(Placement(int(left), int(top), wide, tall))
    return placements


def _overlapping(sizes: list[tuple[int, int]], canvas: tuple[int, int], rng: np.random.Generator) -> list[Placement]:
    """The first one in front of the second: boxes overlap, and most of the back one stays in view."""
    best, best_error = None, np.inf
    for _ in range(60):
        placements = []
        for depth, (height, width) in zip((1, 0), sizes):
            scale = rng.uniform(0.55, 0.95) * min(canvas[0] / height, 0.7 * canvas[1] / width)
            tall, wide = max(2, int(height * scale)), max(2, int(width * scale))
            placements.append(Placement(int(rng.integers(0, canvas[1] - wide + 1)), int(rng.integers(0, canvas[0] - tall + 1)),
                                        wide, tall, depth))
        front, back = (placement.box for placement in placements)
        shared = max(0, min(front[2], back[2]) - max(front[0], back[0])) * max(0, min(front[3], back[3]) - max(front[1], back[1]))
        hidden = shared / ((back[2] - back[0]) * (back[3] - back[1]))
        error = max(0.12 - hidden, hidden - 0.4, 0)     # between 12 and 40 % of the back box is covered
        if error < best_error and shared > 0:
            best, best_error = placements, error
        if best_error == 0:
            break
    if best is None:                                    # sixty misses in a row: put one on the other's corner
        back, front = placements[1], placements[0]
        best = [Placement(min(back.left + back.width // 2, canvas[1] - front.width), min(back.top + back.height // 2, canvas[0] - front.height),
                          front.width, front.height, 1), back]
    return best
