"""What the nearest neighbours of each point tell: areas, planes, spacing, scatter."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
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


def neighbourhood(points: Float[Tensor, "n 3"], count: int = 16) -> Neighbourhood:
    """Areas and unsigned normals from `count` nearest neighbours of each point."""
    x = points.numpy()
    count = min(count, len(x))
    distance, nearest = cKDTree(x).query(x, count, workers=-1)
    tenth = min(10, count - 1)
    area = np.pi * distance[:, tenth].astype(np.float64) ** 2 / tenth
    area = np.maximum(area, 1e-3 * np.median(area))
    near = x[nearest].astype(np.float64)
    near -= near.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near))
    return Neighbourhood(
        area=torch.from_numpy(area.astype(np.float32)),
        normal=torch.from_numpy(np.ascontiguousarray(vectors[:, :, 0]).astype(np.float32)),
        spacing=float(np.sqrt(np.median(area))),
        scatter=torch.from_numpy(np.sqrt(np.maximum(values[:, 0], 0) / count).astype(np.float32)),
    )
