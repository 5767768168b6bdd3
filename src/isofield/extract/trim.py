"""A surface cut off where nothing supports it, along a smooth line."""

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import directed_edges

ISLAND = 12.0
"""Edge, in cells, of a square as large as the smallest island that stays."""
HOLE = 8.0
"""Edge, in cells, of a square as large as the largest hole that is filled."""
SWEEPS = 4
"""Averages over neighbouring vertices before the cut: its edge loses the teeth of single points."""


def trim(mesh: Mesh, support: Float[np.ndarray, " v"], cell: float, level: float = 0.5) -> Mesh:
    """The part of the mesh where `support` is at least `level`; triangles on its edge are cut through.

    Support is averaged along the surface first. Small holes stay filled and small islands go,
    judged in cells of length `cell`, but the largest part of the surface stays however small it is.
    The result is empty if no vertex is supported.
    """
    if not (support >= level).any():
        return mesh.with_faces(np.zeros(len(mesh.faces), bool))
    high = _averaged(mesh, support) - level
    if not (high >= 0).any():
        high = support - level
    areas = _vertex_areas(mesh)
    high = _without_patches(mesh, high, areas, (HOLE * cell) ** 2, high < 0)
    smallest = min((ISLAND * cell) ** 2, _largest_patch(mesh, areas, high >= 0))
    return _cut(mesh, _without_patches(mesh, high, areas, smallest, high >= 0))


def _averaged(mesh: Mesh, values: Float[np.ndarray, " v"]) -> Float[np.ndarray, " v"]:
    """Values after some sweeps of averaging with the mean of the neighbours."""
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    count = len(mesh.vertices)
    degree = np.maximum(np.bincount(start, minlength=count) + np.bincount(end, minlength=count), 1)
    for _ in range(SWEEPS):
        total = np.bincount(start, values[end], count) + np.bincount(end, values[start], count)
        values = 0.5 * values + 0.5 * total / degree
    return values


def _vertex_areas(mesh: Mesh) -> Float[np.ndarray, " v"]:
    """A third of the area of each vertex's faces."""
    return np.bincount(mesh.faces.ravel(), np.repeat(mesh.face_areas() / 3, 3), len(mesh.vertices))


def _patches(mesh: Mesh, chosen: Bool[np.ndarray, " v"]) -> Int[np.ndarray, " v"]:
    """Number of the patch of each vertex: chosen vertices hang together along edges between them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    both = chosen[start] & chosen[end]
    count = len(mesh.vertices)
    links = coo_array((np.ones(int(both.sum()), bool), (start[both], end[both])), shape=(count, count))
    return connected_components(links, directed=False)[1]


def _largest_patch(mesh: Mesh, areas: Float[np.ndarray, " v"], chosen: Bool[np.ndarray, " v"]) -> float:
    return float(np.bincount(_patches(mesh, chosen)[chosen], areas[chosen]).max())


def _without_patches(
    mesh: Mesh,
    high: Float[np.ndarray, " v"],
    areas: Float[np.ndarray, " v"],
    smallest: float,
    chosen: Bool[np.ndarray, " v"],
) -> Float[np.ndarray, " v"]:
    """The values with those of patches below an area brought to the other side of zero."""
    if not chosen.any():
        return high
    patch = _patches(mesh, chosen)
    small = chosen & (np.bincount(patch, areas)[patch] < smallest)
    return np.where(small, -high, high)


def _cut(mesh: Mesh, high: Float[np.ndarray, " v"]) -> Mesh:
    """The part of the mesh where `high`, linear on each triangle, is positive.

    Corners go to new vertices on the crossed edges; a triangle with two corners left becomes two.
    """
    high = np.where(high == 0, 1e-12, high)
    kept = high > 0
    inside = kept[mesh.faces].sum(axis=1)
    edge, _, corner = directed_edges(mesh.faces, len(mesh.vertices))
    number = np.empty(mesh.faces.size, np.int64)
    number[corner] = edge
    start = mesh.faces.ravel()[corner]
    end = np.roll(mesh.faces, -1, axis=1).ravel()[corner]
    first = np.unique(edge, return_index=True)[1]
    a, b = np.minimum(start, end)[first], np.maximum(start, end)[first]
    crossed = kept[a] != kept[b]
    name = len(mesh.vertices) + np.cumsum(crossed) - 1
    of_edge = np.where(crossed, name, -1)[number.reshape(-1, 3)]  # (f 3): of the edge from corner k
    one, two = (
        _turned(mesh.faces, of_edge, inside == 1, kept),
        _turned(mesh.faces, of_edge, inside == 2, ~kept),
    )
    faces = [
        mesh.faces[inside == 3],
        np.stack([one[:, 0], one[:, 3], one[:, 5]], axis=1),
        np.stack([two[:, 3], two[:, 1], two[:, 2]], axis=1),
        np.stack([two[:, 3], two[:, 2], two[:, 5]], axis=1),
    ]
    a, b = a[crossed], b[crossed]
    # Cuts right through a vertex would leave triangles without area.
    t = np.clip(high[a] / (high[a] - high[b]), 0.02, 0.98)[:, None]
    grown = Mesh(
        np.concatenate([mesh.vertices, mesh.vertices[a] * (1 - t) + mesh.vertices[b] * t]),
        np.concatenate(faces),
        None if mesh.normals is None else _unit(_extended(mesh.normals, a, b, t)),
        None if mesh.colours is None else _extended(mesh.colours, a, b, t),
    )
    return grown.with_faces(np.ones(len(grown.faces), bool))


def _turned(
    faces: Int[np.ndarray, "f 3"],
    of_edge: Int[np.ndarray, "f 3"],
    which: Bool[np.ndarray, " f"],
    single: Bool[np.ndarray, " v"],
) -> Int[np.ndarray, "m 6"]:
    """Corners and cut vertices of some faces, turned so that the only `single` corner comes first."""
    lone = np.argmax(single[faces[which]], axis=1)
    order = (lone[:, None] + np.arange(3)) % 3
    return np.concatenate(
        [np.take_along_axis(faces[which], order, 1), np.take_along_axis(of_edge[which], order, 1)], axis=1
    )


def _extended(
    values: Float[np.ndarray, "v 3"], a: np.ndarray, b: np.ndarray, t: np.ndarray
) -> Float[np.ndarray, "w 3"]:
    return np.concatenate([values, values[a] * (1 - t) + values[b] * t])


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
