"""Loops for the CPU that a convolution by Winograd is made of: see `winograd` for the idea, `loops` for how arrays and parts are given.

For a few tiles at a time: fetch the pixels (of a map, of the sum of two, or of the pooling of a picture), change them to Winograd's
points, multiply them by the weights, change them back, and add what is to be added. All of it stays in a core's own cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rimlib.clipmat.compiled import compiled
from rimlib.clipmat.loops import NONE, enlarge_rows, largest
from rimlib.clipmat.panel import COLUMNS, ROWS, multiply

GROUP = 24  # tiles for which the weights are fetched from memory once, a multiple of any ROWS
TILES = 8  # tiles beside each other whose pixels are gathered at a time: they stay in a core's own cache
BLOCK = 64  # channels that are changed at a time: a tile of 6x6 of them stays in the nearest cache
A, B = np.float32(0.75), np.float32(1.5)  # Winograd's points are 0, ±A, ±B and infinity
A2, B2 = A * A, B * B
A3, B3 = A2 * A, B2 * B
AB, SUM = A2 * B2, A2 + B2
NEAR, FAR = np.float32(0.75), np.float32(0.25)  # of bilinear enlarging by 2


class Source(NamedTuple):
    """A map (H, W, C) that need not exist: `image` itself; or, with `small` (H/2, W/2, C), the sum of both, `small` enlarged by 2
    bilinearly; or, with `matrix` (4, C), what `pool_rows` gives for `image` (H*window, W*window, 3).
    """

    image: np.ndarray
    small: np.ndarray = np.empty((0, 0, 0), np.float32)
    matrix: np.ndarray = NONE
    window: int = 1


@compiled
def convolve(source, weights, bias, enlarged, relu, out, start, stop):
    """A 3x3 convolution by Winograd of the map of `source`, a `Source` of C channels, to `out` (H, W, O): its tiles start..stop of 4x4
    outputs, counted row by row.

    `weights` (36, P, C, COLUMNS): at Winograd's points, in P panels of outputs; `bias` (O,). What `enlarged` gives joins the result, then,
    with `relu`, what is below 0 becomes 0. With `enlarged`, start and stop count rows of tiles.
    """
    if weights.shape[3] != COLUMNS:
        raise ValueError("machine code for another processor was kept: make clean")
    height, columns = out.shape[0], (out.shape[1] + 3) // 4
    patch = np.empty((6, 4 * TILES + 2, weights.shape[2]), np.float32)
    # One tile more: 24 of 128, 256, … channels would put the 36 numbers of a tile a multiple of 4096 bytes apart, into the same few lines
    # of the cache. Zeros: `multiply` takes whole ROWS, also of tiles that are not there.
    changed = np.zeros((36, GROUP + 1, weights.shape[2]), np.float32)
    products = np.empty((36, GROUP + 1, weights.shape[1] * COLUMNS), np.float32)
    add, row = len(enlarged.taps) > 0, start
    if add:
        start, stop = start * columns, stop * columns
    for first in range(start, stop, GROUP):
        count = min(GROUP, stop - first)
        gather(source, first, columns, count, patch, changed)
        for p in range(36):
            for panel in range(weights.shape[1]):
                for tile in range(0, count, ROWS):
                    multiply(changed[p], weights[p, panel], products[p, :, panel * COLUMNS :], tile)
        while add and row * columns < first + count:
            enlarge_rows(enlarged, out, 4 * row, min(4 * row + 4, height))
            row += 1
        scatter(products, bias, add, relu, first, columns, count, out)


@compiled
def gather(source, first, columns, tiles, patch, out):
    """Winograd's change of `tiles` tiles of 6x6 pixels, every fourth row and column, to `out` (36, _, C): tile `first`, first + 1, … of a
    `Source`, counted row by row. A tile begins one pixel above and left of its outputs; outside the map is zero. `patch`
    (6, 4*TILES+2, C) is for what is between.
    """
    height, width = source.image.shape[0] // source.window, source.image.shape[1] // source.window
    tile = 0
    while tile < tiles:
        top, left = 4 * ((first + tile) // columns) - 1, 4 * ((first + tile) % columns) - 1
        count = min(TILES, columns - (first + tile) % columns, tiles - tile)  # beside each other
        for y in range(top, top + 6):
            for x in range(left, left + 4 * count + 2):
                if 0 <= y < height and 0 <= x < width:
                    pixel(source, y, x, patch[y - top, x - left])
                else:
                    patch[y - top, x - left] = 0
        for number in range(count):
            change(patch, 4 * number, out, tile + number)
        tile += count


@compiled
def pixel(source, y, x, out):
    """One pixel of a `Source` to `out` (C,)."""
    if source.matrix.shape[1] > 0:
        s = source.window
        largest(source.image[y * s : (y + 1) * s, x * s : (x + 1) * s], source.matrix, out)
    elif source.small.shape[0] > 0:
        small = source.small
        y_far, x_far = beyond(y, small.shape[0]), beyond(x, small.shape[1])
        near, low, side, far = small[y // 2, x // 2], small[y_far, x // 2], small[y // 2, x_far], small[y_far, x_far]
        large = source.image[y, x]
        for c in range(len(out)):
            out[c] = large[c] + NEAR * (NEAR * near[c] + FAR * side[c]) + FAR * (NEAR * low[c] + FAR * far[c])
    else:
        large = source.image[y, x]
        for c in range(len(out)):
            out[c] = large[c]


@compiled
def beyond(place, size):
    """The farther of the two pixels that a pixel of a line enlarged by 2 is made of; the nearer one is place // 2."""
    return min(max(place // 2 + 2 * (place % 2) - 1, 0), size - 1)


@compiled
def change(patch, left, out, tile):
    """Winograd's change of the 6x6 pixels of `patch` (6, _, C) from column `left` on to `out` (36, _, C)."""
    t = np.empty((6, 6, BLOCK), np.float32)
    for c0 in range(0, patch.shape[2], BLOCK):
        n = min(BLOCK, patch.shape[2] - c0)
        for j in range(6):
            x = left + j
            d0, d1, d2 = patch[0, x, c0:], patch[1, x, c0:], patch[2, x, c0:]
            d3, d4, d5 = patch[3, x, c0:], patch[4, x, c0:], patch[5, x, c0:]
            for c in range(n):
                even, odd = d4[c] - B2 * d2[c], A * (d3[c] - B2 * d1[c])
                more, less = d4[c] - A2 * d2[c], B * (d3[c] - A2 * d1[c])
                t[0, j, c] = AB * d0[c] - SUM * d2[c] + d4[c]
                t[1, j, c], t[2, j, c] = even + odd, even - odd
                t[3, j, c], t[4, j, c] = more + less, more - less
                t[5, j, c] = d5[c] - SUM * d3[c] + AB * d1[c]
        for i in range(6):
            d0, d1, d2, d3, d4, d5 = t[i, 0], t[i, 1], t[i, 2], t[i, 3], t[i, 4], t[i, 5]
            u0, u1, u2 = out[6 * i, tile, c0:], out[6 * i + 1, tile, c0:], out[6 * i + 2, tile, c0:]
            u3, u4, u5 = out[6 * i + 3, tile, c0:], out[6 * i + 4, tile, c0:], out[6 * i + 5, tile, c0:]
            for c in range(n):
                even, odd = d4[c] - B2 * d2[c], A * (d3[c] - B2 * d1[c])
                more, less = d4[c] - A2 * d2[c], B * (d3[c] - A2 * d1[c])
                u0[c] = AB * d0[c] - SUM * d2[c] + d4[c]
                u1[c], u2[c] = even + odd, even - odd
                u3[c], u4[c] = more + less, more - less
                u5[c] = d5[c] - SUM * d3[c] + AB * d1[c]


@compiled
def scatter(x, bias, add, relu, first, columns, tiles, out):
    """Winograd's change back of `x` (36, _, at least O): the 4x4 outputs of tile `first`, first + 1, … and `bias` (O,) go to `out` (H, W, O).
    With `add` they join what is there, with `relu` what is below 0 becomes 0 then.
    """
    height, width, channels = out.shape
    t = np.empty((4, 6, BLOCK), np.float32)
    y = np.empty((4, BLOCK), np.float32)
    for tile in range(tiles):
        top, left = 4 * ((first + tile) // columns), 4 * ((first + tile) % columns)
        for c0 in range(0, channels, BLOCK):
            n = min(BLOCK, channels - c0)
            for j in range(6):
                m0, m1, m2 = x[j, tile, c0:], x[6 + j, tile, c0:], x[12 + j, tile, c0:]
                m3, m4, m5 = x[18 + j, tile, c0:], x[24 + j, tile, c0:], x[30 + j, tile, c0:]
                for c in range(n):
                    p, q, r, s = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                    t[0, j, c], t[1, j, c] = m0[c] + p + r, A * q + B * s
                    t[2, j, c], t[3, j, c] = A2 * p + B2 * r, A3 * q + B3 * s + m5[c]
            for i in range(min(4, height - top)):
                m0, m1, m2, m3, m4, m5 = t[i, 0], t[i, 1], t[i, 2], t[i, 3], t[i, 4], t[i, 5]
                for c in range(n):
                    p, q, r, s = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                    y[0, c], y[1, c] = m0[c] + p + r, A * q + B * s
                    y[2, c], y[3, c] = A2 * p + B2 * r, A3 * q + B3 * s + m5[c]
                for j in range(min(4, width - left)):
                    target = out[top + i, left + j, c0:]
                    if add:
                        for c in range(n):
                            y[j, c] += target[c]
                    for c in range(n):
                        target[c] = y[j, c] + bias[c0 + c]
                    if relu:
                        for c in range(n):
                            target[c] = max(target[c], np.float32(0))  # in this order NaN stays NaN, as in torch
