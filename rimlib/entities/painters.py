"""Images of wispy and transparent objects, drawn by code, whose alpha is known exactly.

A matte that people or programs have cut out of a photograph is an estimate. Here each pixel is the mean of SAMPLES x
SAMPLES points, each of which has a known opacity, so alpha is right to the last strand.

A painter takes the side of the image in pixels, a random generator and the RGB colour of the object, and returns the
foreground, uint8 (S, S, 3), and alpha, float32 (S, S) in [0, 1]. Coordinates run over [0, 1], x to the right and y
down; widths are in pixels of an image of 256. Eight painters and what they share make this file long.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SAMPLES = 4
Cutout = tuple[np.ndarray, np.ndarray]


def hair(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A head of long hair from behind: from the crown over the head, then down in locks, with stray strands."""
    count = 2600
    # Each strand has its own joints: shared ones would draw lines across the head, where the tone changes.
    t = np.clip(np.linspace(0, 1, 24) + rng.uniform(-0.02, 0.02, (count, 1)), 0, 1)  # (n, 24)
    side, locks = rng.uniform(-1, 1, (count, 1)), rng.integers(8, 13)
    lock = np.round(side * locks + rng.normal(0, 0.15, (count, 1))) / locks
    over, fall = np.clip(t / 0.4, 0, 1) * np.pi / 2, np.clip((t - 0.4) / 0.6, 0, 1)
    place = side + (lock - side) * 0.85 * fall**1.5  # strands gather into locks
    radius = 0.21 * (1 + rng.normal(0, 0.03, (count, 1)))
    length = 0.29 + rng.uniform(0.12, 0.26) * rng.beta(2, 1.5, (count, 1)) + 0.05 * np.sin(7 * lock * locks)
    x = 0.5 + place * (radius * np.sin(over) + rng.uniform(0.03, 0.11) * fall**1.5)
    y = 0.285 - radius * np.cos(over) + fall * length
    wave = rng.uniform(0.004, 0.035) * (0.1 + fall)
    phase = 2 * lock * locks * (1 - 0.5 * lock) + rng.normal(0, 0.35, (count, 1))
    x = x + wave * np.sin(2 * np.pi * rng.uniform(1, 2.5) * t + phase)
    stray = np.where(rng.random((count, 1)) < 0.12, 1, 0.1)
    x = x + stray * np.clip(rng.normal(0, 0.07, (count, 1)), -0.13, 0.13) * t**2
    y = y + stray * np.clip(rng.normal(0, 0.04, (count, 1)), -0.06, 0.04) * t**2
    at = t + rng.normal(0, 0.03, (count, 1))
    shine = 0.75 * np.exp(-(((at - 0.22) / 0.07) ** 2)) + 0.3 * np.exp(-(((at - 0.62) / 0.08) ** 2))
    tone = np.sort(rng.uniform(0.45, 1.1, (count, 1)), axis=0) * (1 + shine * rng.uniform(0.2, 1, (count, 1)))
    return _strands(size, np.stack([x, y], axis=2), rng.uniform(0.25, 0.7, (count, 1)), tone, rgb)


def pompom(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A ball of fur: fibres in all directions, those towards the viewer on top, lit from the upper left."""
    count, s = 5200, np.linspace(0, 1, 7)
    depth = np.sort(rng.uniform(-0.35, 1, (count, 1)), axis=0)
    turn = rng.uniform(0, 2 * np.pi, (count, 1))
    length = 0.37 * (1 + rng.normal(0, 0.06, (count, 1)) + 0.18 * (rng.random((count, 1)) < 0.03)).clip(0, 1.16)
    reach = np.sqrt(1 - depth**2) * length * (0.45 + 0.55 * s)
    bend = turn + rng.normal(0, 0.22, (count, 1)) * s**2
    x = 0.5 + reach * np.cos(bend)
    y = 0.5 + reach * np.sin(bend) + 0.025 * s**2
    light = np.clip(0.66 * depth - np.sqrt(1 - depth**2) * (0.45 * np.cos(turn) + 0.6 * np.sin(turn)), 0, 1)
    tone = (0.86 + 0.32 * light) * (0.86 + 0.18 * s) * rng.uniform(0.85, 1.12, (count, 1))
    core = np.full((1, 7, 2), 0.5)  # round, half the image wide
    curves = np.concatenate([core, np.stack([x, y], axis=2)])
    widths = np.concatenate([[[128]], rng.uniform(0.25, 0.8, (count, 1))])
    return _strands(size, curves, widths, np.concatenate([np.full((1, 7), 0.86), tone]), rgb)


def feather(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A feather: a bent quill, a vane of barbs on each side with a few splits, and down at its foot."""
    bend = rng.uniform(-0.13, 0.13)
    count, t = 1500, np.linspace(0, 1, 10)

    def quill(s: np.ndarray) -> np.ndarray:
        bow = bend * np.sin(np.pi * s)
        return np.stack([0.22 + 0.53 * s + bow, 0.91 - 0.79 * s + bow], axis=-1)

    foot = np.sort(rng.uniform(0.14, 0.995, (count, 1)), axis=0)
    side = rng.choice([-1.0, 1.0], (count, 1))
    splits = np.floor(foot * 14 + 3 * side) * 1.7
    downy = np.clip((0.3 - foot) / 0.12, 0, 1)
    along = quill(foot[:, 0] + 1e-3) - quill(foot[:, 0])
    along = (along / np.linalg.norm(along, axis=1, keepdims=True))[:, None]  # (n, 1, 2)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1) * side[..., None]
    profile = np.clip((1 - foot) / 0.86, 0, 1) ** 0.55 * np.clip((foot - 0.1) / 0.2, 0, 1) ** 0.5
    length = (0.2 - 0.06 * (side > 0)) * profile * (1 + rng.normal(0, 0.03, (count, 1))) + 0.07 * downy
    angle = 0.75 + 0.08 * np.sin(splits) + rng.normal(0, 0.01, (count, 1))
    angle = angle + downy * rng.normal(0.3, 0.5, (count, 1)) - 0.35 * t
    ahead, aside = (np.cumsum(turn(angle), axis=1)[..., None] * length[..., None] / len(t) for turn in (np.cos, np.sin))
    forth = ahead * along + aside * across
    barbs = quill(foot) + np.concatenate([np.zeros((count, 1, 2)), forth[:, :-1]], axis=1)  # (n, 10, 2)
    bands = 1.06 - 0.18 * np.clip(np.sin(foot * 38 - 3 * t), 0, 1) * rng.uniform(0.6, 1)
    tone = bands * rng.uniform(0.82, 1.08, (count, 1)) * np.where(side > 0, 0.93, 1)
    fibre = np.where(downy > 0, 0.25, rng.uniform(0.5, 0.9, (count, 1)))
    spine = quill(np.linspace(0, 0.99, 11))
    pieces = np.linspace(spine[:-1], spine[1:], 10, axis=1)  # (10, 10, 2)
    curves = np.concatenate([barbs, pieces])
    widths = np.concatenate([fibre, np.linspace(3, 0.6, 10)[:, None]])
    return _strands(size, curves, widths, np.concatenate([tone, np.full((10, 10), 0.7)]), rgb)


def net(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A fishing net hung from a rope by its upper edge: a mesh of thin knotted cords."""
    meshes, t = int(rng.integers(7, 10)), np.linspace(0, 1, 40)
    sag, pull, phase = rng.uniform(0.04, 0.1), rng.uniform(0.06, 0.16), rng.uniform(0, 6, 2)

    def hang(p: np.ndarray) -> np.ndarray:
        u, v = p[..., 0], p[..., 1]
        x = 0.5 + 0.84 * (u - 0.5) * (1 - pull * np.sin(np.pi * v)) + 0.012 * np.sin(9 * v + phase[0])
        y = 0.09 + 0.72 * v * (1 - 0.1 * np.cos(7 * u + phase[1])) + sag * np.sin(np.pi * u)
        return np.stack([x, y], axis=-1)

    cords = []
    for c in np.arange(1 - meshes, meshes) / meshes:  # the diagonals u - v = c, and their mirror images
        u = np.linspace(max(c, 0), min(1 + c, 1), len(t))
        cords += [np.stack([u, u - c], axis=-1), np.stack([1 - u, u - c], axis=-1)]
    low, high = 0 * t, 0 * t + 1
    edge = [np.stack(pair, axis=-1) for pair in ((t, low), (t, high), (low, t), (high, t))]
    i, j = np.meshgrid(np.arange(2 * meshes + 1), np.arange(2 * meshes + 1))
    places = np.stack([i, j], axis=-1)[(i + j) % 2 == 0] / (2 * meshes)
    knots = np.repeat(places[:, None], len(t), axis=1)  # (knots, 40, 2), a line of no length
    curves = hang(np.concatenate([cords, edge, knots]))
    widths = np.concatenate([np.full(len(cords), 1.25), [4.25, 1.75, 1.75, 1.75], np.full(len(knots), 2.75)])[:, None]
    twist = 0.9 + 0.2 * np.sin(150 * t)
    return _strands(size, curves, widths, twist * rng.uniform(0.92, 1.1, (len(curves), 1)), rgb)


def cobweb(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A spider's web with dew: spokes, sagging rings with gaps, and drops on them."""
    spokes, t = int(rng.integers(13, 18)), np.linspace(0, 1, 9)
    middle = rng.uniform(0.48, 0.52, 2)
    turns = 2 * np.pi * (np.arange(spokes) + rng.uniform(-0.25, 0.25, spokes)) / spokes
    ends = rng.uniform(0.34, 0.41, spokes)
    curves, widths = [], []
    rays = np.stack([np.cos(turns), np.sin(turns)], axis=1)  # (spokes, 2)
    for k in range(spokes):
        corner, other = rays[k] * ends[k], rays[k - 1] * ends[k - 1]
        curves.append(middle + np.outer(t, corner) * 1.1)
        widths.append(0.55)
        for ring in np.linspace(0.06, 1, 17):
            if rng.random() < 0.04:
                continue
            chord = (np.outer(1 - t, corner) + np.outer(t, other)) * ring * rng.normal(1, 0.008)
            curves.append(middle + chord * (1 - 0.1 * np.sin(np.pi * t))[:, None])
            widths.append(0.8 if ring == 1 else 0.35)
            if rng.random() < 0.35:
                curves.append(np.repeat(curves[-1][[rng.integers(1, 8)]], len(t), axis=0))
                widths.append(rng.uniform(1.2, 2.4))
    tones = rng.uniform(0.85, 1.1, (len(curves), 1)) + 0 * t
    return _strands(size, np.array(curves), np.array(widths)[:, None], tones, rgb)


def smoke(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A plume of smoke that rises and widens; it has no outline, only density."""
    x, y = _grid(size, 1)
    warp = [(fractal(size, rng, 3) - 0.5) * 0.3 for _ in range(2)]
    u, rise = x + warp[0] * (1.2 - y), 1 - y + 0.5 * warp[1]
    middle = 0.5 + rng.uniform(-0.12, 0.12) * np.sin(3 * rise + rng.uniform(0, 6))
    across = (u - middle) / (0.04 + 0.25 * np.clip(rise, 0, 1) ** 0.8)
    at = ((u + 0.3 * warp[1]) * size).astype(np.float32), ((y + warp[1]) * size).astype(np.float32)
    billows = cv2.remap(fractal(size, rng, 5), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    density = np.clip(np.exp(-(across**2)) * (0.25 + 1.5 * billows) - 0.3, 0, None) * (1.5 - rise)
    inside = np.clip((np.minimum.reduce([x, 1 - x, y, 1 - y]) - 0.01) / 0.2, 0, 1)
    alpha = (1 - np.exp(-3.2 * density)) * (inside * inside * (3 - 2 * inside))
    lit = np.clip((density - np.roll(density, (size // 32, size // 32), axis=(0, 1))) * 0.5, -0.25, 0.2)
    tone = 0.8 + 0.35 * billows + lit
    return _finish(rgb * tone[..., None], alpha, samples=1)


def glass(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """An empty tumbler: nearly nothing in the middle, more where the wall is seen edge-on, rim, foot, highlights."""
    x, y = _grid(size, SAMPLES)
    wide, narrow, flat = rng.uniform(0.24, 0.3), rng.uniform(0.17, 0.22), rng.uniform(0.12, 0.2)
    top, foot = rng.uniform(0.12, 0.17), 0.86
    half = wide + (narrow - wide) * np.clip((y - top) / (foot - top), 0, 1)
    e = (x - 0.5) / half

    def oval(cy: float, radius: float) -> np.ndarray:  # 1 on an ellipse, less inside
        return np.hypot((x - 0.5) / radius, (y - cy) / (radius * flat))

    body = (np.abs(e) <= 1) & (y >= top) & (y <= foot) | (oval(top, wide) <= 1) | (oval(foot, narrow) <= 1)
    wall = body & (oval(top, wide) > 1)
    inner = foot - rng.uniform(0.06, 0.11)
    flutes = np.cos(rng.integers(9, 16) * np.arcsin(np.clip(e, -1, 1))) ** 2
    lower = np.clip((y - inner + 0.02) / 0.06, 0, 1)
    streak = np.clip((y - top - 0.07) / 0.08, 0, 1) * np.clip((inner - y) / 0.1, 0, 1)
    layers = [
        (0.9, body * 0.1),
        (0.62, wall * (0.05 * flutes + 0.12 * flutes * np.clip(2.4 * y - 1, 0, 1))),
        (0.38, wall * (0.65 * np.abs(e) ** 20)),
        (0.55, wall * lower * (0.2 + 0.2 * np.cos(9 * e + 2))),
        (1.5, body * 0.6 * np.exp(-(((oval(inner, narrow * 0.93) - 0.97) / 0.035) ** 2))),
        (1.6, wall * 0.85 * np.exp(-(((e + 0.62) / 0.07) ** 2)) * streak),
        (1.6, wall * 0.5 * np.exp(-(((e - 0.7) / 0.03) ** 2)) * streak * np.clip((0.62 - y) / 0.1, 0, 1)),
        (1.6, body * 0.55 * np.exp(-(((oval(foot, narrow) - 0.93) / 0.03) ** 2)) * (y > foot)),
        (1.35 - 0.5 * np.clip(e, 0, 1), (np.abs(oval(top, wide) - 0.965) < 0.035) * 0.8),
    ]
    color, alpha = np.zeros((*x.shape, 3)), np.zeros(x.shape)
    for tone, opacity in layers:
        color, alpha = _over(np.clip(rgb * np.asarray(tone)[..., None], 0, 255), opacity, color, alpha)
    return _finish(color, alpha)


def bubble(size: int, rng: np.random.Generator, rgb: np.ndarray) -> Cutout:
    """A soap bubble: a clear film with the colours of thin films towards its edge, and two reflected windows."""
    x, y = _grid(size, SAMPLES)
    radius = rng.uniform(0.36, 0.44)
    u, v = (x - 0.5) / radius, (y - 0.5) / radius
    rho = np.hypot(u, v)
    swirl = np.kron(fractal(size, rng, 3), np.ones((SAMPLES, SAMPLES)))
    phase = 1.6 * rho**3 + 1.3 * swirl + 0.5 * v + rng.uniform(0, 1)
    film = 0.5 + 0.5 * np.cos(2 * np.pi * (phase[..., None] + np.array([0, 0.33, 0.67])))
    color = rgb * (0.62 + 0.38 * film)
    alpha = (rho <= 1) * (0.05 + 0.1 * swirl * rho**2 + 0.62 * rho**9)
    turn, half = np.arctan2(v, u), rng.uniform(0.25, 0.4)
    for where, at, strength in ((-2.2, 0.76, 0.9), (0.95, 0.8, 0.45)):
        window = (np.abs(turn - where) < half) & (np.abs(rho - at) < 0.09) & (np.abs(turn - where) > 0.02)
        opacity = window * strength * (0.75 + 0.25 * np.cos(3 * (turn - where)))
        color, alpha = _over(np.full(3, 255.0), opacity, color, alpha)
        half *= 0.6
    return _finish(color, alpha)


def fractal(size: int, rng: np.random.Generator, octaves: int, cells: int = 3) -> np.ndarray:
    """Cloudy noise, float32 (S, S) in [0, 1]: random grids, each twice as fine and half as strong as the one before."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        grid = rng.random((cells * 2**octave + 3,) * 2, np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / 2**octave
    return (total - total.min()) / np.ptp(total)


def _strands(size: int, curves: np.ndarray, widths: np.ndarray, tones: np.ndarray, rgb: np.ndarray) -> Cutout:
    """Opaque lines, later ones on top: curves (n, k, 2), widths (n, 1), tones (n, k) that multiply the colour."""
    side = size * SAMPLES
    canvas = np.zeros((side, side, 4), np.uint8)
    points = np.rint((curves * side - 0.5) * 16).astype(int).tolist()  # in sixteenths, which OpenCV calls shift=4
    # OpenCV paints one point for a thickness of 1, and t + 1 points for an even t: so widths are odd, in points.
    widths = np.maximum(1, 2 * np.rint((widths[:, 0] * side / 256 - 1) / 2)).astype(int).tolist()
    tones, rgb = np.broadcast_to(tones, curves.shape[:2]), np.maximum(rgb, 22)  # black hair shines too
    paints = np.dstack([np.clip(tones[..., None] * rgb, 0, 255), np.full(curves.shape[:2], 255)]).tolist()
    for strand, width, paint in zip(points, widths, paints):
        for start, end, color in zip(strand, strand[1:], paint):
            cv2.line(canvas, start, end, color, width, cv2.LINE_8, 4)
    return _finish(canvas[..., :3].astype(np.float32), canvas[..., 3] / np.float32(255))


def _grid(size: int, samples: int) -> Sequence[np.ndarray]:
    """X and y of the centres of the points, each float32 (S * samples, S * samples) in (0, 1)."""
    at = ((np.arange(size * samples) + 0.5) / (size * samples)).astype(np.float32)
    return np.meshgrid(at, at)


def _over(top: np.ndarray, top_alpha: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> Cutout:
    """One layer laid over others, colours not multiplied by alpha."""
    both = top_alpha + alpha * (1 - top_alpha)
    share = (top_alpha / np.maximum(both, 1e-9))[..., None]
    return top * share + color * (1 - share), both


def _finish(color: np.ndarray, alpha: np.ndarray, samples: int = SAMPLES) -> Cutout:
    """The mean over each pixel's points: of alpha, and of colour weighted by alpha, which keeps edges clean."""
    size = len(alpha) // samples

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(size, samples, size, samples, -1).mean(axis=(1, 3))  # (S, S, C)

    weight = mean(alpha)
    paint = mean(color * alpha[..., None])
    typical = paint.sum(axis=(0, 1)) / weight.sum()  # where nothing is, any colour will do
    foreground = np.where(weight > 0, paint / np.maximum(weight, 1e-9), typical)
    return np.rint(np.clip(foreground, 0, 255)).astype(np.uint8), np.clip(weight[..., 0], 0, 1).astype(np.float32)
