"""The point of a cell that fits the tangent planes of the surface at the cell's edges best."""

import numpy as np
import torch
from jaxtyping import Float, Int

from isofield.extract.lattice import Lattice
from isofield.extract.project import differences
from isofield.extract.sampler import Sampler

ROUND = 0.01
"""Eigenvalues of a quadric below this share of its largest are curvature or noise, not edges."""
MARGIN = 1e-3
"""Part of a cell that its vertices keep away from other cells, so that no two coincide."""
SWEEPS = 5
"""Over the coordinates of vertices whose best place is outside their cell."""
FIRM = 1e-3
"""How much a quadric pulls towards the mean there in all directions."""
REACH = 1 / 16
"""Half the way of a difference, in cells: near a sharp edge longer ones would see its other side."""
BATCH = 65_536


def placed(
    vertex: Int[np.ndarray, " k"],
    crossings: Float[np.ndarray, "k 3"],
    normals: Float[np.ndarray, "k 3"],
    home: Int[np.ndarray, "v 3"],
    lattice: Lattice,
) -> Float[np.ndarray, "v 3"]:
    """Positions of the vertices, each within its own cell.

    A vertex minimises the sum of (normal . (x - crossing))^2. Directions about which its planes say
    (nearly) nothing keep the place of the crossings' mean: along a sharp edge, across a flat part.

    Args:
        vertex: Whose crossing each row is.
        crossings: Points of the surface on the edges of the grid.
        normals: Perpendicular to the surface there, of any length; zero if unknown.
        home: Cell of each vertex.
        lattice: Where the cells are.
    """
    count = len(home)

    def total(rows: Float[np.ndarray, " k"]) -> Float[np.ndarray, " v"]:
        return np.bincount(vertex, rows, minlength=count)

    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(length > 0, length, 1)
    share = 1 / np.maximum(total(np.ones(len(vertex))), 1)
    mean = np.stack([total(crossings[:, k]) for k in range(3)], axis=1) * share[:, None]
    height = (normals * (crossings - mean[vertex])).sum(axis=1)
    right = np.stack([total(normals[:, k] * height) for k in range(3)], axis=1)
    quadric = np.stack([total(normals[:, i] * normals[:, j]) for i in range(3) for j in range(3)], axis=1)
    quadric = quadric.reshape(-1, 3, 3)
    low, high = lattice.positions(home), lattice.positions(home + 1)
    keep = MARGIN * (high - low)
    low = low + keep * (home > 0) - mean  # caps may lie on the border of the box, where no cell follows
    high = high - keep * (home + 1 < lattice.cells) - mean
    free = _solved(quadric, right)
    vertices = np.clip(free, low, high)
    out = np.flatnonzero((vertices != free).any(axis=1))
    vertices[out] = _within(vertices[out], quadric[out], right[out], low[out], high[out])
    return mean + vertices


def _solved(quadric: Float[np.ndarray, "v 3 3"], right: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
    """The shortest solutions, small eigenvalues left out."""
    values, vectors = np.linalg.eigh(quadric)
    sure = values > np.maximum(ROUND * values[:, -1:], np.finfo(float).tiny)
    along = np.einsum("vij,vi->vj", vectors, right) * sure / np.where(sure, values, 1)
    return np.einsum("vij,vj->vi", vectors, along)


def _within(
    places: Float[np.ndarray, "n 3"],
    quadric: Float[np.ndarray, "n 3 3"],
    right: Float[np.ndarray, "n 3"],
    low: Float[np.ndarray, "n 3"],
    high: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, "n 3"]:
    """Places improved within their bounds, one coordinate after the other.

    A point that was brought back from outside has left the planes that it was on.
    """
    places = places.copy()
    firm = quadric + FIRM * np.trace(quadric, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    for axis in (0, 1, 2) * SWEEPS:
        pull = right[:, axis] - (firm[:, axis] * places).sum(axis=1)
        stiffness = np.maximum(firm[:, axis, axis], np.finfo(float).tiny)
        places[:, axis] = np.clip(places[:, axis] + pull / stiffness, low[:, axis], high[:, axis])
    return places


def gradients_at(points: Float[np.ndarray, "n 3"], sampler: Sampler) -> Float[np.ndarray, "n 3"]:
    """Gradients of the field: its own where it has any, else central differences over an eighth of a cell."""
    try:
        return np.concatenate(
            [_own_gradients(part, sampler) for part in np.array_split(points, 1 + len(points) // BATCH)]
        )
    except RuntimeError:  # not differentiable: torch says so in many ways
        return differences(points, sampler, REACH)


def _own_gradients(points: Float[np.ndarray, "n 3"], sampler: Sampler) -> Float[np.ndarray, "n 3"]:
    with torch.enable_grad():
        places = torch.as_tensor(points, dtype=torch.float32).requires_grad_()
        (found,) = torch.autograd.grad(sampler.inside(places).sum(), places)
    if not found.isfinite().all():
        raise RuntimeError("the gradient is not finite")
    return found.double().numpy()
