"""Step of `touched_adam.py` in plain operations of numpy: all touched rows at once.

The compiled step reads neighbours that it may have moved already; here all are those from before the step.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from isofield.render.voxels import Gradients, VoxelField

if TYPE_CHECKING:
    from isofield.training.touched_adam import Rates


def step(
    voxels: VoxelField, gradients: Gradients, moments: list[Any], rates: "Rates", corrections: list[Any]
) -> None:
    """Takes a step along the gradients, and clears them."""
    touched = np.flatnonzero(gradients.raw_touched[0] | gradients.raw_touched[1])
    slope = (gradients.raw[0] + gradients.raw[1])[touched]
    slope = slope + _raw_terms(voxels, touched, rates)
    _move(voxels.raw, touched, slope, moments[:2], rates.raw, corrections)
    rows = np.flatnonzero(gradients.rows_touched[0] | gradients.rows_touched[1])
    slope = (gradients.features[0] + gradients.features[1])[rows]
    if rates.smooth_features:
        other = voxels.cells.neighbours[rows]
        differences = voxels.features[rows][:, None] - voxels.features[other]
        slope = slope + 2 * rates.smooth_features * (differences * (other >= 0)[..., None]).sum(axis=1)
    _move(voxels.features, rows, slope, moments[2:], rates.features, corrections)
    for lanes in (gradients.raw, gradients.features, gradients.raw_touched, gradients.rows_touched):
        for lane in lanes:
            lane[:] = 0


def _raw_terms(voxels: VoxelField, touched: Int[np.ndarray, " m"], rates: "Rates") -> Float[np.ndarray, " m"]:
    """Slopes of what is asked of the raw values beside the pictures."""
    from isofield.training.touched_adam import inner

    table, side, found = voxels.raw, voxels.cells.side, np.full(len(touched), rates.balloon, np.float32)
    whole = inner(voxels.cells)
    within = (touched >= whole.start) & (touched < whole.stop)
    node, size = touched[within], voxels.cells.resolution
    steps = (1, side, side * side)
    if rates.smooth_raw:
        around = sum(table[node - s] + table[node + s] for s in steps)
        found[within] += 2 * rates.smooth_raw * (6 * table[node] - around)
    if rates.eikonal:

        def steepness(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            along = np.stack([(table[at + s] - table[at]) * size for s in steps])
            return np.sqrt((along**2).sum(axis=0)) + 1e-6, along.sum(axis=0)

        length, total = steepness(node)
        pull = -(length - 1) / length * total
        for s in steps:
            length, _ = steepness(node - s)
            pull += (length - 1) / length * (table[node] - table[node - s]) * size
        found[within] += 2 * rates.eikonal * pull
    return found


def _move(
    table: np.ndarray, rows: np.ndarray, slope: np.ndarray, moments: list[Any], rate: float, corrections: Any
) -> None:
    """The step of Adam in the chosen rows."""
    from isofield.training.touched_adam import BETAS, EPSILON

    first = moments[0][rows] = BETAS[0] * moments[0][rows] + (1 - BETAS[0]) * slope
    second = moments[1][rows] = BETAS[1] * moments[1][rows] + (1 - BETAS[1]) * slope**2
    table[rows] -= rate * first * corrections[0] / (np.sqrt(second * corrections[1]) + EPSILON)
