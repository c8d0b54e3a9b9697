"""Loops for the CPU that no library has, compiled when they are first called: pooling and enlarging.

Two ideas of the details live on them: of each pooling window only the winning pixel matters (`details`), and a pixel of an
enlarged map is the sum of few (`upsampled`). Arrays are float32, rows of pixels with the channels last; a loop over channels is
the innermost, so that the processor takes many at a time. `start` and `stop` are a thread's part of the work, see `compiled.share`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rimlib.clipmat.compiled import compiled

NONE = np.empty((0, 0), np.float32)


@compiled
def pool_rows(images, matrix, window, out, at, start, stop):
    """Largest projection of each window of `images` (H, W, 3) by `matrix` (4, C), the last row a bias: rows start..stop of
    `out` (h, w, at+C), from channel `at` on.
    """
    for y in range(start, stop):
        for x in range(out.shape[1]):
            pixels = images[y * window : (y + 1) * window, x * window : (x + 1) * window]
            largest(pixels, matrix, out[y, x, at:])


@compiled
def largest(pixels, matrix, best):
    """`best` (C,): the largest projection of `pixels` (s, s, 3), s even, by `matrix` (4, C): four at a time, for each needs the same three
    numbers.
    """
    red, green, blue, bias = matrix[0], matrix[1], matrix[2], matrix[3]
    for y in range(0, pixels.shape[0], 2):
        for x in range(0, pixels.shape[1], 2):
            p0, q0, s0 = pixels[y, x, 0], pixels[y, x, 1], pixels[y, x, 2]
            p1, q1, s1 = pixels[y, x + 1, 0], pixels[y, x + 1, 1], pixels[y, x + 1, 2]
            p2, q2, s2 = pixels[y + 1, x, 0], pixels[y + 1, x, 1], pixels[y + 1, x, 2]
            p3, q3, s3 = pixels[y + 1, x + 1, 0], pixels[y + 1, x + 1, 1], pixels[y + 1, x + 1, 2]
            begun = y + x > 0
            for c in range(len(best)):
                r, g, b = red[c], green[c], blue[c]
                above = max(p0 * r + q0 * g + s0 * b, p1 * r + q1 * g + s1 * b)
                below = max(p2 * r + q2 * g + s2 * b, p3 * r + q3 * g + s3 * b)
                most = max(above, below) + bias[c]
                best[c] = max(best[c], most) if begun else most


@compiled
def pool_winners(images, matrix, window, best, where, start, stop):
    """As `pool_rows`, to `best` (h, w, C), and the offset of the first winner of each window to `where`, uint8 (h, w, C)."""
    width, channels = images.shape[1] // window, matrix.shape[1]
    red, green, blue, bias = matrix[0], matrix[1], matrix[2], matrix[3]
    place = np.empty(channels, np.float32)  # as wide as the values, so that one instruction chooses both
    for row in range(start, stop):
        for column in range(width):
            value = best[row, column]
            for offset in range(window * window):
                y, x = row * window + offset // window, column * window + offset % window
                p, q, s = images[y, x, 0], images[y, x, 1], images[y, x, 2]
                if offset == 0:
                    for c in range(channels):
                        value[c] = p * red[c] + q * green[c] + s * blue[c]
                        place[c] = 0
                else:
                    for c in range(channels):
                        new = p * red[c] + q * green[c] + s * blue[c]
                        place[c] = np.float32(offset) if new > value[c] else place[c]
                        value[c] = max(value[c], new)
            for c in range(channels):
                value[c] += bias[c]
                where[row, column, c] = np.uint8(place[c])


@compiled
def sum_winners(images, where, gradient, window, total, start, stop):
    """Adds to `total` (4, C) the gradient (h, w, C) times the winning pixel of each window, a one for the bias."""
    width, channels = where.shape[1], where.shape[2]
    red, green, blue = np.empty(256, np.float32), np.empty(256, np.float32), np.empty(256, np.float32)
    for row in range(start, stop):
        for column in range(width):
            for offset in range(window * window):
                y, x = row * window + offset // window, column * window + offset % window
                red[offset], green[offset], blue[offset] = images[y, x, 0], images[y, x, 1], images[y, x, 2]
            for c in range(channels):
                place, amount = where[row, column, c], gradient[row, column, c]
                total[0, c] += amount * red[place]
                total[1, c] += amount * green[place]
                total[2, c] += amount * blue[place]
                total[3, c] += amount


class Enlarged(NamedTuple):
    """A convolved enlarged map (H, W, O) that need not exist; without `taps`, nothing.

    `taps` (3*h, w*3*O): the small map under the nine taps. A row of the result is the sum of six rows of `taps`, those of
    `row_places` (H, 6) times `row_values` (H, 6); a pixel in it that of six groups of O, by `column_places` and `column_values` (W, 6).
    """

    taps: np.ndarray = NONE
    row_places: np.ndarray = NONE.astype(np.int64)
    row_values: np.ndarray = NONE
    column_places: np.ndarray = NONE.astype(np.int64)
    column_values: np.ndarray = NONE


@compiled
def enlarge_rows(enlarged, out, start, stop):
    """Rows start..stop of `out` (H, W, O): what `enlarged`, an `Enlarged`, gives."""
    taps, row_places, row_values, column_places, column_values = enlarged
    channels, line = out.shape[2], np.empty(taps.shape[1], np.float32)
    for row in range(start, stop):
        sum_of_six(taps, row_places[row], row_values[row], line)
        groups = line.reshape(-1, channels)
        for column in range(out.shape[1]):
            sum_of_six(groups, column_places[column], column_values[column], out[row, column])


@compiled
def enlarge_plane(taps, row_places, row_values, column_places, column_values, bias, out, start, stop):
    """Rows start..stop of one channel `out` (H, W) of such a map plus a number, from its taps (3*h, 3*w), pixels innermost."""
    line = np.empty(taps.shape[1], np.float32)
    for row in range(start, stop):
        sum_of_six(taps, row_places[row], row_values[row], line)
        for column in range(out.shape[1]):
            total = bias
            for k in range(6):
                total += column_values[column, k] * line[column_places[column, k]]
            out[row, column] = total


@compiled
def sum_of_six(rows, places, values, out):
    """`out` (n,): six of `rows` (_, n), each times its value."""
    a, b, c, d, e, f = (
        rows[places[0]],
        rows[places[1]],
        rows[places[2]],
        rows[places[3]],
        rows[places[4]],
        rows[places[5]],
    )
    for i in range(len(out)):
        out[i] = (
            values[0] * a[i]
            + values[1] * b[i]
            + values[2] * c[i]
            + values[3] * d[i]
            + values[4] * e[i]
            + values[5] * f[i]
        )
