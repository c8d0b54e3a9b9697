"""Loops for the CPU that no library has, compiled when they are first called.

Three ideas of the details live on them: of each pooling window only the winning pixel matters (`details`), a pixel of an
enlarged map is the sum of few (`upsampled`), and a 3x3 convolution needs fewer multiplications when it makes 4x4 outputs at
a time (`winograd`). Arrays are float32, rows of pixels with the channels last; a loop over channels is the innermost, so that
the processor takes many at a time. `start` and `stop` are a thread's part of the work, see `compiled.share`.
"""

from __future__ import annotations

import numpy as np

from rimlib.clipmat.compiled import compiled

BLOCK = 64  # channels at a time: a tile of 6x6 of them stays in the nearest cache
TILES = 8  # tiles beside each other whose pixels are gathered at a time: they stay in a core's own cache
A, B = np.float32(0.75), np.float32(1.5)  # Winograd's points are 0, ±A, ±B and infinity; see winograd.py
A2, B2 = A * A, B * B
A3, B3 = A2 * A, B2 * B
AB, SUM = A2 * B2, A2 + B2
NEAR, FAR = np.float32(0.75), np.float32(0.25)  # of bilinear enlarging by 2


@compiled
def pool_rows(images, matrix, window, out, at, start, stop):
    """Largest projection of each window of `images` (H, W, 3) by `matrix` (C, 4), the last column a bias: rows start..stop of
    `out` (h, w, at+C), from channel `at` on."""
    red, green, blue, bias = matrix[:, 0].copy(), matrix[:, 1].copy(), matrix[:, 2].copy(), matrix[:, 3].copy()
    for y in range(start, stop):
        for x in range(out.shape[1]):
            pixels = images[y * window : (y + 1) * window, x * window : (x + 1) * window]
            largest(pixels, red, green, blue, bias, out[y, x, at:])


@compiled
def largest(pixels, red, green, blue, bias, best):
    """`best` (C,): the largest projection of `pixels` (s, s, 3), s even: four at a time, for each needs the same three numbers."""
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
    width, channels = images.shape[1] // window, matrix.shape[0]
    red, green, blue, bias = matrix[:, 0].copy(), matrix[:, 1].copy(), matrix[:, 2].copy(), matrix[:, 3].copy()
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


@compiled
def enlarge_rows(taps, row_places, row_values, column_places, column_values, first, out, start, stop):
    """Rows first+start..first+stop of a convolved enlarged map, to rows start..stop of `out` (rows, W, O).

    `taps` (3*h, w*3*O): the small map under the nine taps. A row of the result is the sum of six rows of `taps`, those of
    `row_places` (H, 6) times `row_values` (H, 6); a pixel in it that of six groups of O, by `column_places` and `column_values` (W, 6).
    """
    channels, line = out.shape[2], np.empty(taps.shape[1], np.float32)
    for row in range(start, stop):
        sum_of_six(taps, row_places[first + row], row_values[first + row], line)
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
    a, b, c, d, e, f = rows[places[0]], rows[places[1]], rows[places[2]], rows[places[3]], rows[places[4]], rows[places[5]]
    for i in range(len(out)):
        out[i] = (values[0] * a[i] + values[1] * b[i] + values[2] * c[i] + values[3] * d[i] + values[4] * e[i] + values[5] * f[i])


@compiled
def tiles_of_map(image, first, columns, out, start, stop):
    """Winograd's change of a map `image` (H, W, C): its tiles of 6x6, every fourth row and column, to `out` (tiles, 36, C).

    Tiles start..stop of those from row `first` of tiles on, row by row. A tile begins one pixel above and left of its 4x4
    outputs; what is outside the map is zero.
    """
    patch, tile = np.empty((6, 4 * TILES + 2, image.shape[2]), np.float32), start
    while tile < stop:
        top, left, n = beside(tile, stop, first, columns)
        for y in range(top, top + 6):
            for x in range(left, left + 4 * n + 2):
                if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                    patch[y - top, x - left] = image[y, x]
                else:
                    patch[y - top, x - left] = 0
        change(patch, n, out, tile)
        tile += n


@compiled
def tiles_of_pooling(images, matrix, window, first, columns, out, start, stop):
    """As `tiles_of_map`, of the map that `pool_rows` gives."""
    height, width = images.shape[0] // window, images.shape[1] // window
    red, green, blue, bias = matrix[:, 0].copy(), matrix[:, 1].copy(), matrix[:, 2].copy(), matrix[:, 3].copy()
    patch, tile = np.empty((6, 4 * TILES + 2, len(matrix)), np.float32), start
    while tile < stop:
        top, left, n = beside(tile, stop, first, columns)
        for y in range(top, top + 6):
            for x in range(left, left + 4 * n + 2):
                if 0 <= y < height and 0 <= x < width:
                    pixels = images[y * window : (y + 1) * window, x * window : (x + 1) * window]
                    largest(pixels, red, green, blue, bias, patch[y - top, x - left])
                else:
                    patch[y - top, x - left] = 0
        change(patch, n, out, tile)
        tile += n


@compiled
def tiles_of_sum(small, image, first, columns, out, start, stop):
    """As `tiles_of_map`, of `image` (2h, 2w, C) plus `small` (h, w, C) enlarged by 2 bilinearly."""
    patch, tile = np.empty((6, 4 * TILES + 2, image.shape[2]), np.float32), start
    while tile < stop:
        top, left, n = beside(tile, stop, first, columns)
        for y in range(top, top + 6):
            for x in range(left, left + 4 * n + 2):
                if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                    y_far, x_far = beyond(y, small.shape[0]), beyond(x, small.shape[1])
                    near, low, side, far = small[y // 2, x // 2], small[y_far, x // 2], small[y // 2, x_far], small[y_far, x_far]
                    pixel, target = image[y, x], patch[y - top, x - left]
                    for c in range(len(target)):
                        target[c] = pixel[c] + NEAR * (NEAR * near[c] + FAR * side[c]) + FAR * (NEAR * low[c] + FAR * far[c])
                else:
                    patch[y - top, x - left] = 0
        change(patch, n, out, tile)
        tile += n


@compiled
def beside(tile, stop, first, columns):
    """Of the tiles that are gathered together from `tile` on: their top row, their left column, and how many they are."""
    return 4 * (first + tile // columns) - 1, 4 * (tile % columns) - 1, min(TILES, columns - tile % columns, stop - tile)


@compiled
def beyond(place, size):
    """The farther of the two pixels that a pixel of a line enlarged by 2 is made of; the nearer one is place // 2."""
    return min(max(place // 2 + 2 * (place % 2) - 1, 0), size - 1)


@compiled
def change(patch, count, out, first):
    """Winograd's change of the `count` tiles beside each other in `patch` (6, 4*count+2, C) to `out` (tiles, 36, C) from tile `first` on."""
    t = np.empty((6, 6, BLOCK), np.float32)
    for number in range(count):
        tile = first + number
        for c0 in range(0, patch.shape[2], BLOCK):
            n = min(BLOCK, patch.shape[2] - c0)
            for j in range(6):
                x = 4 * number + j
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
                u0, u1, u2 = out[tile, 6 * i, c0:], out[tile, 6 * i + 1, c0:], out[tile, 6 * i + 2, c0:]
                u3, u4, u5 = out[tile, 6 * i + 3, c0:], out[tile, 6 * i + 4, c0:], out[tile, 6 * i + 5, c0:]
                for c in range(n):
                    even, odd = d4[c] - B2 * d2[c], A * (d3[c] - B2 * d1[c])
                    more, less = d4[c] - A2 * d2[c], B * (d3[c] - A2 * d1[c])
                    u0[c] = AB * d0[c] - SUM * d2[c] + d4[c]
                    u1[c], u2[c] = even + odd, even - odd
                    u3[c], u4[c] = more + less, more - less
                    u5[c] = d5[c] - SUM * d3[c] + AB * d1[c]


@compiled
def tiles_out(x, bias, out, first, columns, add, relu, start, stop):
    """Winograd's change back of `x` (36, n*columns, O): 4x4 outputs a tile and `bias` (O,) go to `out` (H, W, O), whose tile row
    `first` is the strip's row 0. With `add` they join what is there, with `relu` what is below 0 becomes 0 then; tiles start..stop."""
    height, width, channels = out.shape
    t = np.empty((4, 6, BLOCK), np.float32)
    y = np.empty((4, BLOCK), np.float32)
    for tile in range(start, stop):
        row, column = tile // columns, tile % columns
        for c0 in range(0, channels, BLOCK):
            n = min(BLOCK, channels - c0)
            for j in range(6):
                m0, m1, m2 = x[j, tile, c0:], x[6 + j, tile, c0:], x[12 + j, tile, c0:]
                m3, m4, m5 = x[18 + j, tile, c0:], x[24 + j, tile, c0:], x[30 + j, tile, c0:]
                for c in range(n):
                    p, q, r, s = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                    t[0, j, c], t[1, j, c] = m0[c] + p + r, A * q + B * s
                    t[2, j, c], t[3, j, c] = A2 * p + B2 * r, A3 * q + B3 * s + m5[c]
            for i in range(4):
                if 4 * (first + row) + i >= height:
                    break
                m0, m1, m2, m3, m4, m5 = t[i, 0], t[i, 1], t[i, 2], t[i, 3], t[i, 4], t[i, 5]
                for c in range(n):
                    p, q, r, s = m1[c] + m2[c], m1[c] - m2[c], m3[c] + m4[c], m3[c] - m4[c]
                    y[0, c], y[1, c] = m0[c] + p + r, A * q + B * s
                    y[2, c], y[3, c] = A2 * p + B2 * r, A3 * q + B3 * s + m5[c]
                for j in range(min(4, width - 4 * column)):
                    target = out[4 * (first + row) + i, 4 * column + j, c0:]
                    if add:
                        for c in range(n):
                            y[j, c] += target[c]
                    for c in range(n):
                        target[c] = y[j, c] + bias[c0 + c]
                    if relu:
                        for c in range(n):
                            target[c] = max(np.float32(0), target[c])
