"""Figures: pictures with alpha on a checkerboard, rows with captions, trimaps, and the source of a function.

One place for how the book looks: fixed width, a palette that colour-blind readers can distinguish.
"""

from __future__ import annotations

import html
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rimlib.entities import rwmini
from rimlib.entities.entity import KINDS
from rimlib.entities.pool import Pool
from rimlib.errors import RimError, require
from rimlib.io import images
from rimlib.matting import composition
from rimlib.matting.boxes import visible_box

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")  # Okabe and Ito's
WIDTH = 9.0  # inches of every figure


def checkerboard(height: int, width: int, cell: int = 12) -> np.ndarray:
    """Light grey squares, uint8 (H, W, 3): what is seen through a transparent image."""
    rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None] // cell
    return np.repeat(np.where((rows + columns) % 2, 255, 215).astype(np.uint8)[..., None], 3, axis=2)


def over(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray | tuple | None = None) -> np.ndarray:
    """A foreground (uint8 (H, W, 3)) blended by alpha over a background, a colour, or the checkerboard."""
    return composition.over(foreground, alpha, checkerboard(*alpha.shape) if background is None else background)


def gray(alpha: np.ndarray) -> np.ndarray:
    """A matte in [0, 1], or any map (scaled to its own range), as uint8 (H, W, 3)."""
    alpha = np.asarray(alpha, np.float32)
    if alpha.min() < 0 or alpha.max() > 1:
        alpha = (alpha - alpha.min()) / max(float(np.ptp(alpha)), 1e-9)
    return np.repeat(np.round(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)


def heat(values: Any, image: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """A coarse map over a grey image: dark blue is low, yellow is high. uint8 (H, W, 3).

    values: (h, w), a cell of it for equal parts of the image; image: uint8 (H, W, 3); low, high: the range of the
    colours, the map's own if None.
    """
    plt = require("matplotlib.pyplot", "course")
    values = np.asarray(values, np.float32)
    low, high = values.min() if low is None else low, values.max() if high is None else high
    shades = plt.get_cmap("cividis")(np.clip((values - low) / max(high - low, 1e-9), 0, 1))[..., :3]
    shades = _enlarged(shades, image.shape[:2])
    return (255 * (0.75 * shades + 0.25 * image.mean(axis=2, keepdims=True) / 255)).astype(np.uint8)


def colors(maps: Any, size: tuple[int, int] | None = None) -> list[np.ndarray]:
    """Maps of many channels by their three principal directions, so that places with like features get like colours.

    maps: a tensor or an array (B, C, h, w); size: (height, width) of the pictures, those of the maps if None. Returns B
    pictures, uint8 (h, w, 3); the directions and their ranges are shared by all B.
    """
    values = np.moveaxis(np.asarray(maps, np.float32), 1, -1)  # (B, h, w, C)
    rows = values.reshape(-1, values.shape[-1])
    rows = rows - rows.mean(0)
    rows = rows @ np.linalg.svd(rows.T @ rows)[0][:, :3]  # (B*h*w, 3)
    low, high = np.percentile(rows, [2, 98], axis=0)
    shades = np.uint8(255 * np.clip((rows - low) / np.maximum(high - low, 1e-9), 0, 1)).reshape(*values.shape[:3], -1)
    return [shade if size is None else _enlarged(shade, size) for shade in shades]


def grid(
    pictures: Iterable[np.ndarray | None],
    titles: Iterable[str] | None = None,
    columns: int | None = None,
    row_titles: Sequence[str] | None = None,
    title_size: float = 8,
    alt: str | None = None,
) -> Any:
    """Show pictures in rows, each with its title above; returns the matplotlib figure.

    Args:
        pictures: uint8 (H, W, 3), mattes (H, W) or None for a gap, in reading order.
        titles: one for each picture.
        columns: of the grid; one row if None.
        row_titles: written on the left of each row.
        title_size: in points.
        alt: the alternative text, kept in the figure's metadata for the caption's author.
    """
    plt = require("matplotlib.pyplot", "course")
    pictures = list(pictures)
    titles = list(titles) if titles is not None else [""] * len(pictures)
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    shapes = [picture.shape[0] / picture.shape[1] for picture in pictures if picture is not None]
    ratio = max(shapes) if shapes else 1
    wrapped = ["\n".join(textwrap.wrap(title, max(14, int(150 / columns)))) for title in titles]
    longest = max((title.count("\n") + 1 for title in wrapped if title), default=0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * (WIDTH / columns * ratio + 0.14 * longest + 0.05)), squeeze=False
    )
    for position, axis in enumerate(axes.flat):
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        picture = pictures[position] if position < len(pictures) else None
        if picture is None:
            axis.set_visible(row_titles is not None and position % columns == 0)
            continue
        axis.imshow(gray(picture) if picture.ndim == 2 else picture)
        if wrapped[position]:
            axis.set_title(wrapped[position], fontsize=title_size, pad=2)
        if row_titles is not None and position % columns == 0:
            axis.set_ylabel(row_titles[position // columns], fontsize=title_size)
    figure.tight_layout(pad=0.3)
    if alt:
        figure.set_label(alt)
    return figure


def curves(
    rows: list[dict],
    x: str,
    ys: list[str],
    labels: Sequence[str] | None = None,
    xlabel: str | None = None,
    ylabel: str = "",
) -> Any:
    """Lines of columns of a run's log against one of them; returns the figure."""
    plt = require("matplotlib.pyplot", "course")
    figure, axis = plt.subplots(figsize=(WIDTH, 3))
    across = [row[x] for row in rows]
    for y, label, color in zip(ys, labels or ys, PALETTE):
        axis.plot(across, [row[y] for row in rows], color=color, label=label, linewidth=1.5)
    axis.set_xlabel(xlabel or x)
    axis.set_ylabel(ylabel)
    axis.spines[["top", "right"]].set_visible(False)
    if len(ys) > 1:
        axis.legend(frameon=False)
    figure.tight_layout()
    return figure


def cloud(counts: Counter, size: tuple[int, int] = (480, 720), most: int = 120) -> np.ndarray:
    """A word cloud, uint8 (H, W, 3): the higher a word's count, the larger it is. Equal counts give equal pictures.

    counts: how often each word, or words, is used. size: (height, width) in pixels. most: words at most.
    Raises RimError where nothing was counted.
    """
    ordered = sorted((-count, word) for word, count in counts.items() if count > 0)[:most]
    if not ordered:
        raise RimError("cloud: no words; at least one count above 0 is expected", setting="counts")
    wordcloud, fonts = require("wordcloud", "course"), require("matplotlib.font_manager", "course")
    readable = [color for color in PALETTE if color != "#F0E442"]  # yellow is not, on white
    color_of = {word: readable[place % len(readable)] for place, (_, word) in enumerate(ordered)}
    cloud = wordcloud.WordCloud(
        width=size[1],
        height=size[0],
        background_color="white",
        max_words=most,
        random_state=1,
        font_path=fonts.findfont("DejaVu Sans"),
        prefer_horizontal=1.0,
        relative_scaling=0.5,
        margin=4,
        max_font_size=size[0] // 5,
        color_func=lambda word, **_: color_of[word],
    )
    return cloud.generate_from_frequencies({word: -count for count, word in ordered}).to_array()


def source(thing: Any) -> Any:
    """The source of a function, class or method as a coloured block, read from the installed package itself."""
    return require("IPython.display", "course").Code(inspect.getsource(thing), language="python")


def table(rows: list[dict], columns: list[str] | None = None, digits: int = 3) -> Any:
    """Rows as a table (HTML: pages read no Markdown in a cell's output). Numbers stand right, texts left; None: "–"."""
    columns = columns or list(rows[0])

    def cell(value: Any) -> str:
        text = f"{value:.{digits}f}" if isinstance(value, float) else html.escape("–" if value is None else str(value))
        side = "right" if isinstance(value, (int, float)) and not isinstance(value, bool) else "left"
        return f'<td style="text-align: {side}">{text}</td>'

    head = "".join(f"<th>{html.escape(str(column))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(cell(row.get(column, "")) for column in columns) + "</tr>" for row in rows)
    whole = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    whole = f'<div style="overflow-x: auto"><table class="table" style="font-size: 85%">{whole}</table></div>'
    return require("IPython.display", "course").HTML(whole)


def contact_sheet(cutouts: Iterable[tuple[np.ndarray, np.ndarray]], columns: int = 16, cell: int = 96) -> np.ndarray:
    """Many cut-outs, each (foreground, alpha), on one checkerboard, uint8."""
    cutouts = list(cutouts)
    rows = -(-len(cutouts) // columns)
    sheet = checkerboard(rows * cell, columns * cell, 8)
    for position, (foreground, alpha) in enumerate(cutouts):
        scale = (cell - 6) / max(alpha.shape)
        size = tuple(max(1, round(length * scale)) for length in alpha.shape)
        foreground, alpha = images.resize_cutout(foreground, alpha, size)
        top = position // columns * cell + (cell - size[0]) // 2
        left = position % columns * cell + (cell - size[1]) // 2
        window = sheet[top : top + size[0], left : left + size[1]]
        window[:] = np.round(window + alpha[..., None] * (foreground - window)).astype(np.uint8)
    return sheet


def pool_sheet(pool: Pool, columns: int = 20) -> np.ndarray:
    """A contact sheet of all cut-outs of a pool, people first, uint8 (H, W, 3)."""
    order = sorted(pool.entities, key=lambda entity: (KINDS.index(entity.kind), entity.category, entity.name))
    return contact_sheet([pool.cutout(entity.name) for entity in order], columns)


def rwmini_sheet(folder: str | Path = rwmini.FOLDER, height: int = 200) -> np.ndarray:
    """A sheet of RW-mini, uint8 (H, W, 3): in each row an image, its mattes as coloured veils, and each cut-out.

    folder: RW-mini's, or another of its form; height: pixels of a row.
    """
    rows, lines = rwmini.labels(folder), []
    for name in dict.fromkeys(row["image_name"] for row in rows.values()):
        image = veiled = images.read_image(Path(folder) / "image" / f"{name}.jpg")
        cutouts = []
        for index, mask_id in enumerate(mask_id for mask_id, row in rows.items() if row["image_name"] == name):
            alpha = images.read_matte(Path(folder) / "mask" / f"{mask_id}.png")
            window = visible_box(alpha, threshold=0.02, margin=8)
            cutouts.append(over(image[window], alpha[window]))
            hue = np.array([int(PALETTE[index][start : start + 2], 16) for start in (1, 3, 5)], np.uint8)
            veiled = over(np.broadcast_to(hue, image.shape), 0.6 * alpha, veiled)
        sizes = [
            (part, (height, max(1, round(height * part.shape[1] / part.shape[0]))))
            for part in (image, veiled, *cutouts)
        ]
        lines.append(np.hstack([images.resize(part, size) for part, size in sizes]))
    width = max(line.shape[1] for line in lines)
    sheet = [np.pad(line, ((0, 4), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    return np.vstack(sheet)


def _enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, C) at (H, W), each cell a block of one colour."""
    rows, columns = (np.arange(length) * cells // length for length, cells in zip(size, values.shape))
    return values[rows][:, columns]
