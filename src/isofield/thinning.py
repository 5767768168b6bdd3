"""Clouds thinned to what a resolution can use."""

import numpy as np
from jaxtyping import Float, Int

from isofield.observation import PointCloud
from isofield.ops.cells import cell_keys


def grid_thin(cloud: PointCloud, cell: float) -> PointCloud:
    """One point per cell of a cubic grid: the mean of the points there, their colours and sensors too.

    Normals are averaged and brought back to length 1; where they cancel out they are zero. The
    order is that of the cells, so the order of the input doesn't matter (but for the last bits).
    Ten million points take a few seconds and, beside the cloud, 16 bytes per point.

    Raises:
        ValueError: The cell has no size, or is so small that its cells can't be numbered.
    """
    if not len(cloud):
        return cloud
    keys = cell_keys(cloud.points, cell)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    del keys
    normals = None if cloud.normals is None else _means(cloud.normals, order, starts)
    return PointCloud(
        _means(cloud.points, order, starts),
        None if normals is None else _unit(normals),
        None if cloud.colours is None else _means(cloud.colours, order, starts),
        None if cloud.sensors is None else _means(cloud.sensors, order, starts),
    )


def _means(
    values: Float[np.ndarray, "n 3"], order: Int[np.ndarray, " n"], starts: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m 3"]:
    """Mean of each run of the ordered rows, one axis at a time to save memory.

    Taken relative to the first value, so that coordinates far from the origin lose no digits.
    """
    counts = np.diff(np.r_[starts, len(order)])
    result = np.empty((len(starts), values.shape[1]))
    for axis in range(values.shape[1]):
        origin = values[0, axis]
        result[:, axis] = np.add.reduceat(values[order, axis] - origin, starts) / counts + origin
    return result


def _unit(normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), 0.0)
