"""Points sorted into the cells of a cubic grid."""

import numpy as np
from jaxtyping import Float, Int


def cell_keys(points: Float[np.ndarray, "n 3"], cell: float) -> Int[np.ndarray, " n"]:
    """One number per point, the same for points in the same cell; ordered by x, then y, then z.

    The grid starts at the lowest corner of the points, so results move with them.

    Raises:
        ValueError: The cell has no size, or there are more than 2^63 cells.
    """
    if not cell > 0:
        raise ValueError("a cell needs a positive size")
    low = points.min(axis=0)
    counts = np.floor((points.max(axis=0) - low) / cell) + 1
    if np.prod(counts) >= 2.0**63:
        raise ValueError("the cells are so small that they can't be numbered")
    _, wide, high = counts.astype(np.int64)
    key = np.zeros(len(points), np.int64)
    for axis, factor in enumerate((1, wide, high)):
        key *= factor
        key += ((points[:, axis] - low[axis]) / cell).astype(np.int64)
    return key


def one_per_cell(points: Float[np.ndarray, "n 3"], cell: float) -> Int[np.ndarray, " m"]:
    """Index of the first point in each cell that has any, ascending."""
    return np.sort(np.unique(cell_keys(points, cell), return_index=True)[1])
