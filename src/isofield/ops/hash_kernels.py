"""Compiled loops of `hash_grid.py`: reading a table at points, and adding slopes to it."""

import numpy as np

from isofield.ops.compiled import compiled, inlined

f32, i64 = np.float32, np.int64
ONE, ZERO = f32(1), f32(0)
PRIME_Y, PRIME_Z, MASK = i64(2_654_435_761), i64(805_459_861), i64(0xFFFFFFFF)


@inlined
def placed(value, cells):
    """Cell of a coordinate of the unit interval, and the share of the way through it."""
    place = min(max(value, ZERO), ONE) * f32(cells)
    below = min(i64(place), cells - 1)
    return below, place - f32(below)


@inlined
def row_of(x, y, z, side, mask):
    """Row of a corner in its level's part of the table; a mask of 0 says that each has its own."""
    if mask == 0:
        return x + side * (y + side * z)
    return (x ^ ((y * PRIME_Y) & MASK) ^ ((z * PRIME_Z) & MASK)) & mask


@compiled
def read(table, unit, cells, starts, masks, out):
    """Features of all levels at the points."""
    channels = table.shape[1]
    for point in range(len(unit)):
        for level in range(len(cells)):
            side, start, mask = cells[level] + 1, starts[level], masks[level]
            x, u = placed(unit[point, 0], cells[level])
            y, v = placed(unit[point, 1], cells[level])
            z, w = placed(unit[point, 2], cells[level])
            for c in range(channels):
                out[point, level * channels + c] = ZERO
            for corner in range(8):
                i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
                weight = (u if i else ONE - u) * (v if j else ONE - v) * (w if k else ONE - w)
                row = start + row_of(x + i, y + j, z + k, side, mask)
                for c in range(channels):
                    out[point, level * channels + c] += weight * table[row, c]


@compiled
def add(total, unit, level, cells, starts, masks, slope):
    """Slopes of one level's features, added to the rows that were read."""
    channels = total.shape[1]
    side, start, mask = cells[level] + 1, starts[level], masks[level]
    for point in range(len(unit)):
        x, u = placed(unit[point, 0], cells[level])
        y, v = placed(unit[point, 1], cells[level])
        z, w = placed(unit[point, 2], cells[level])
        for corner in range(8):
            i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (u if i else ONE - u) * (v if j else ONE - v) * (w if k else ONE - w)
            row = start + row_of(x + i, y + j, z + k, side, mask)
            for c in range(channels):
                total[row, c] += weight * slope[point, level * channels + c]
