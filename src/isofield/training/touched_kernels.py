"""Compiled step of `touched_adam.py`; raw values and features in a thread each."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from isofield.ops.compiled import compiled, inlined
from isofield.render.voxels import Gradients, VoxelField

if TYPE_CHECKING:
    from isofield.training.touched_adam import Rates

f32 = np.float32
ONE, ZERO = f32(1), f32(0)
B1, B2, EPSILON = f32(0.9), f32(0.99), f32(1e-12)


def step(
    voxels: VoxelField, gradients: Gradients, moments: list[Any], rates: "Rates", corrections: list[Any]
) -> None:
    """Takes a step along the gradients, and clears them."""
    side = voxels.cells.side
    raw = (
        voxels.raw, *gradients.raw, *moments[:2], *gradients.raw_touched, side, f32(rates.raw), *corrections,
        f32(2 * rates.smooth_raw), f32(2 * rates.eikonal), f32(rates.balloon),
    )  # fmt: skip
    features = (
        voxels.features, *gradients.features, *moments[2:], *gradients.rows_touched, f32(rates.features),
        *corrections, voxels.cells.neighbours, f32(2 * rates.smooth_features),
    )  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(step_raw, *raw), pool.submit(step_features, *features)]
        for job in jobs:
            job.result()


@inlined
def moved(g, first, second, rate, c1, c2):
    """New moments, and the step of Adam."""
    first = B1 * first + (ONE - B1) * g
    second = B2 * second + (ONE - B2) * g * g
    return first, second, rate * (first * c1) / (np.sqrt(second * c2) + EPSILON)


@inlined
def steepness(table, node, side, size):
    """Length of the gradient by forward differences."""
    me = table[node]
    a = (table[node + 1] - me) * size
    b = (table[node + side] - me) * size
    c = (table[node + side * side] - me) * size
    return np.sqrt(a * a + b * b + c * c) + f32(1e-6), a + b + c


@compiled
def step_raw(
    table, sums, others, first, second, touched, touched_too, side, rate, c1, c2, smooth, eikonal, balloon
):  # fmt: skip
    """Adam on the touched nodes of a scalar."""
    nodes, margin, size = len(table), 2 * side * side, f32(side - 1)
    for node in range(nodes):
        if touched[node] == 0 and touched_too[node] == 0:
            continue
        touched[node] = touched_too[node] = 0
        g = sums[node] + others[node] + balloon
        sums[node] = others[node] = ZERO
        if margin <= node < nodes - margin:
            me = table[node]
            if smooth > ZERO:
                around = table[node - 1] + table[node + 1] + table[node - side] + table[node + side]
                around += table[node - side * side] + table[node + side * side]
                g += smooth * (f32(6) * me - around)
            if eikonal > ZERO:
                length, total = steepness(table, node, side, size)
                pull = -(length - ONE) / length * total
                for back in (1, side, side * side):
                    length, _ = steepness(table, node - back, side, size)
                    pull += (length - ONE) / length * (me - table[node - back]) * size
                g += eikonal * pull
        first[node], second[node], change = moved(g, first[node], second[node], rate, c1, c2)
        table[node] -= change


@compiled
def step_features(
    table, sums, others, first, second, touched, touched_too, rate, c1, c2, neighbours, smooth
):  # fmt: skip
    """Adam on the touched rows."""
    rows, channels = table.shape
    for row in range(rows):
        if touched[row] == 0 and touched_too[row] == 0:
            continue
        touched[row] = touched_too[row] = 0
        for c in range(channels):
            g = sums[row, c] + others[row, c]
            sums[row, c] = others[row, c] = ZERO
            if smooth > ZERO:
                for k in range(6):
                    other = neighbours[row, k]
                    if other >= 0:
                        g += smooth * (table[row, c] - table[other, c])
            first[row, c], second[row, c], change = moved(g, first[row, c], second[row, c], rate, c1, c2)
            table[row, c] -= change
