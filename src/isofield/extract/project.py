"""Vertices and normals on the level set itself."""

import numpy as np
from jaxtyping import Float

from isofield.extract.marching import Surface
from isofield.extract.refine import Sampler
from isofield.geometry import Mesh

MARGIN = 1e-3
"""Part of an edge that its vertex keeps away from both ends, so that no triangles collapse."""


def place_vertices(surface: Surface, sampler: Sampler, steps: int) -> Float[np.ndarray, "v 3"]:
    """Positions of the surface's vertices, each strictly inside its own edge.

    The crossing of the straight line between the end values, improved by `steps` evaluations of
    the Illinois method: a secant that halves the weight of an end which stays (Dowell and Jarratt
    1971), so it converges on steps as well as on slopes. The mesh's topology cannot change. Caps
    lie exactly on the border of the box; middle vertices in the middle of their loop.
    """
    lattice = sampler.lattice
    inner, outer = lattice.positions(surface.inner), lattice.positions(surface.outer)
    free = np.isfinite(surface.outer_value)
    share = np.ones(len(inner))
    share[free] = _crossings(
        sampler, inner[free], outer[free], surface.inner_value[free], surface.outer_value[free], steps
    )
    vertices = inner + share[:, None] * (outer - inner)
    return np.concatenate([vertices, _middles(vertices, surface.loops)])


def _crossings(
    sampler: Sampler,
    inner: Float[np.ndarray, "e 3"],
    outer: Float[np.ndarray, "e 3"],
    inner_value: Float[np.ndarray, " e"],
    outer_value: Float[np.ndarray, " e"],
    steps: int,
) -> Float[np.ndarray, " e"]:
    """Where the field is zero, as a share of the way from the inner to the outer end."""
    low, high = np.zeros(len(inner)), np.ones(len(inner))
    low_value, high_value = inner_value.copy(), outer_value.copy()
    last = np.zeros(len(inner), dtype=np.int8)

    def secant() -> Float[np.ndarray, " e"]:
        return low + (high - low) * (low_value / (low_value - high_value))

    for _ in range(steps if len(inner) else 0):
        share = np.clip(secant(), MARGIN, 1 - MARGIN)
        value = sampler.values(inner + share[:, None] * (outer - inner)).astype(np.float64)
        within = value >= 0
        side = np.where(within, 1, -1).astype(np.int8)
        repeated = side == last
        low_value = np.where(within, value, np.where(repeated, low_value / 2, low_value))
        high_value = np.where(within, np.where(repeated, high_value / 2, high_value), value)
        low, high = np.where(within, share, low), np.where(within, high, share)
        last = side
    return np.clip(secant(), MARGIN, 1 - MARGIN)


def _middles(vertices: Float[np.ndarray, "e 3"], loops: np.ndarray) -> Float[np.ndarray, "m 3"]:
    """Mean of each loop's vertices."""
    there = loops >= 0
    return (vertices[loops] * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)


def field_normals(mesh: Mesh, sampler: Sampler) -> Float[np.ndarray, "v 3"]:
    """Unit normals against the field's gradient, by differences over one finest cell.

    On caps of the box, and where the gradient vanishes, the area-weighted normal of the faces.
    """
    box, step = sampler.lattice.box, sampler.lattice.step
    gradient = np.empty_like(mesh.vertices)
    for axis in range(3):
        reach = np.zeros(3)
        reach[axis] = step[axis] / 2
        # Beyond the box the field means nothing: differences become one-sided there.
        ahead, behind = (
            np.minimum(mesh.vertices + reach, box.high),
            np.maximum(mesh.vertices - reach, box.low),
        )
        change = sampler.values(ahead).astype(np.float64) - sampler.values(behind)
        gradient[:, axis] = change / np.maximum(ahead[:, axis] - behind[:, axis], np.finfo(float).tiny)
    near = 1e-6 * step
    capped = ((mesh.vertices <= box.low + near) | (mesh.vertices >= box.high - near)).any(axis=1)
    length = np.linalg.norm(gradient, axis=1)
    flat = capped | (length <= 1e-6 * np.median(length)) | (length == 0)
    normals = -gradient / np.where(length == 0, 1, length)[:, None]
    if flat.any():
        normals[flat] = mesh.vertex_normals()[flat]
    return normals
