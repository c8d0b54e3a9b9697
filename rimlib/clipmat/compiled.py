"""Loops for the CPU that no library has, compiled when they are first called (Numba keeps them for the next time).

Two ideas of the details live on them: of each pooling window only the winning pixel matters (`details`), and a 3x3
convolution needs fewer multiplications when it makes 4x4 outputs at a time (`winograd`). Arrays are float32, rows of
pixels with the channels last; a loop over channels is the innermost, so that the processor takes many at a time.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Thread

import numpy as np
import torch
from numba import njit

BLOCK = 64  # channels at a time: a tile of 6x6 of them stays in the nearest cache
A, B = np.float32(0.75), np.float32(1.5)  # Winograd's points are 0, ±A, ±B and infinity; see winograd.py
A2, B2 = A * A, B * B
A3, B3 = A2 * A, B2 * B
AB, SUM = A2 * B2, A2 + B2


def compiled(function):
    """`function` as machine code that leaves Python's lock to other threads. Where the code can't be kept, it is made anew."""
    options = {"nogil": True, "fastmath": {"contract"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that can be written to
        return njit(**options)(function)


def share(work: Callable[[int, int], None], count: int) -> None:
    """`work(start, stop)` over 0..count, in as many threads as torch uses.

    These are torch's own threads where they can be had: they keep a core busy for a while after each of torch's operations, waiting
    for the next one, and threads of ours beside them would get half of it.
    """
    pieces = max(1, min(torch.get_num_threads(), count))
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    if pieces == 1:
        return work(0, count)
    numbers, errors = itertools.count(), []

    def one(_=None):
        try:
            number = next(numbers)
            if number < pieces:
                work(*bounds[number : number + 2])
        except BaseException as error:  # it would be lost on its way through the other library
            errors.append(error)

    if team := torch_team():
        team(_CALLED(one), None, pieces, 0)
        for _ in range(pieces):  # a team may come with fewer
            one()
    else:
        threads = [Thread(target=one) for _ in range(pieces - 1)]
        for thread in threads:
            thread.start()
        one()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


_CALLED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@lru_cache(maxsize=1)
def torch_team():
    """GNU OpenMP's call for "all threads of the team, do this", of the library that torch brings; None where it brings another."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        try:
            team = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        team.argtypes, team.restype = (_CALLED, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
        return team
    return None


@compiled
def pool_rows(images, matrix, window, first, out, start, stop):
    """Largest projection of each window of `images` (H, W, 3) by `matrix` (C, 4), the last column a bias: row r of
    `out` (rows, 1+w+more, C) gets row first+r of the result, from column 1 on; what is outside the map is left."""
    height, width, channels = images.shape[0] // window, images.shape[1] // window, matrix.shape[0]
    red, green, blue, bias = matrix[:, 0].copy(), matrix[:, 1].copy(), matrix[:, 2].copy(), matrix[:, 3].copy()
    for r in range(start, stop):
        if first + r < 0 or first + r >= height:
            continue
        for column in range(width):
            best = out[r, 1 + column]
            for y in range((first + r) * window, (first + r + 1) * window):
                for x in range(column * window, (column + 1) * window):
                    p, q, s = images[y, x, 0], images[y, x, 1], images[y, x, 2]
                    if y == (first + r) * window and x == column * window:
                        for c in range(channels):
                            best[c] = p * red[c] + q * green[c] + s * blue[c]
                    else:
                        for c in range(channels):
                            best[c] = max(best[c], p * red[c] + q * green[c] + s * blue[c])
            for c in range(channels):
                best[c] += bias[c]


@compiled
def pool_winners(images, matrix, window, best, where, start, stop):
    """As `pool_rows`, for rows start..stop of `best` (h, w, C) without a border, and the offset of the first winner of each
    window in `where`, uint8 (h, w, C)."""
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
def tiles_in(x, out, columns, start, stop):
    """Winograd's change of a padded strip `x` (4n+2, 4*columns+2, C): its tiles of 6x6, every fourth row and column, to
    `out` (36, n*columns, C); tiles start..stop, row by row."""
    t = np.empty((6, 6, BLOCK), np.float32)
    for tile in range(start, stop):
        row, column = tile // columns, tile % columns
        for c0 in range(0, x.shape[2], BLOCK):
            n = min(BLOCK, x.shape[2] - c0)
            for j in range(6):
                d0, d1, d2 = x[4 * row, 4 * column + j, c0:], x[4 * row + 1, 4 * column + j, c0:], x[4 * row + 2, 4 * column + j, c0:]
                d3, d4, d5 = x[4 * row + 3, 4 * column + j, c0:], x[4 * row + 4, 4 * column + j, c0:], x[4 * row + 5, 4 * column + j, c0:]
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
