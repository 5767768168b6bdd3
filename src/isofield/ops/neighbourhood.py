"""What the nearest neighbours of each point tell: areas, planes, spacing, scatter."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor


@dataclass(frozen=True)
class Neighbourhood:
    """What the nearest neighbours of each point tell."""

    area: Float[Tensor, " n"]
    """Surface that each point stands for, from the distance of its tenth neighbour."""
    normal: Float[Tensor, "n 3"]
    """Unit normals of the local planes; their signs mean nothing yet."""
    spacing: float
    """Median distance between neighbours on the surface, sqrt(area)."""
    scatter: Float[Tensor, " n"]
    """Standard deviation of the neighbours from the local plane."""


FEWEST = 6
"""Neighbours that make a plane."""
FLAT = 0.1
"""Scatter over spacing below which no other sheet can be among the neighbours."""
MIXED = 2.2
"""From half the neighbours to all, the scatter of noise grows less than 1.8 times, that of a plane with
points of another sheet behind it far more."""


def neighbourhood(points: Float[Tensor, "n 3"], count: int = 16) -> Neighbourhood:
    """Areas and unsigned normals from `count` nearest neighbours of each point.

    Where the farther half of the neighbours lies on another sheet, as on the two sides of a thin
    board, the nearer half decides.
    """
    x = points.numpy()
    count = min(count, len(x))
    distance, nearest = cKDTree(x).query(x, count, workers=-1)
    tenth = min(10, count - 1)
    area = np.pi * distance[:, tenth].astype(np.float64) ** 2 / tenth
    area = np.maximum(area, 1e-3 * np.median(area))
    normal, scatter = planes(x, nearest)
    if count >= 2 * FEWEST:
        thick = np.flatnonzero(scatter > FLAT * np.sqrt(area))
        near_normal, near_scatter = planes(x, nearest[thick, : count // 2])
        mixed = scatter[thick] > MIXED * near_scatter
        normal[thick[mixed]] = near_normal[mixed]
    return Neighbourhood(
        area=torch.from_numpy(area.astype(np.float32)),
        normal=torch.from_numpy(normal.astype(np.float32)),
        spacing=float(np.sqrt(np.median(area))),
        scatter=torch.from_numpy(scatter.astype(np.float32)),
    )


def planes(
    points: Float[np.ndarray, "p 3"], nearest: Int[np.ndarray, "n k"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Normals of the planes through each row of points, and how far the points lie off them."""
    near = points[nearest].astype(np.float64)
    near -= near.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near))
    off = np.sqrt(np.maximum(values[:, 0], 0) / nearest.shape[1])
    return np.ascontiguousarray(vectors[:, :, 0]), off
