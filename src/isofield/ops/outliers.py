"""Points that no surface explains."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree


def outliers(points: Float[np.ndarray, "n 3"], count: int = 8, factor: float = 4.0) -> Bool[np.ndarray, " n"]:
    """Which points lie far from all others, compared with how their neighbours lie.

    A point is one if its `count`-th neighbour is `factor` times as far away as is usual among
    its neighbours. Slow changes of density, as in laser scans, leave nothing behind.
    """
    if len(points) <= 4 * count:
        return np.zeros(len(points), bool)
    distance, nearest = cKDTree(points).query(points, count + 1, workers=-1)
    reach = distance[:, -1]
    usual = np.median(reach[nearest[:, 1:]], axis=1)
    return reach > factor * np.maximum(usual, 1e-12)


def far_off(
    points: Float[np.ndarray, "n 3"], share: float = 0.005, reach: float = 10.0
) -> Bool[np.ndarray, " n"]:
    """Which points lie more than `reach` extents away from where all but a `share` of them are."""
    some = points[:: max(1, len(points) // 100_000)]
    low, high = np.quantile(some, (share, 1 - share), axis=0)
    room = reach * (high - low).max()
    return ((points < low - room) | (points > high + room)).any(axis=1)
