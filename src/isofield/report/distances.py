"""How far the points lie from the mesh, and the mesh from the points."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Mesh
from isofield.geometry.nearest import nearest_on
from isofield.report.thin import unit

SAMPLES = 20_000
"""Points that are measured; a histogram needs no more, and each costs about ten microseconds."""

EXACT_UP_TO = 40_000
"""Faces up to which the closest triangle is sought among all of them."""
CANDIDATES = 8


@dataclass(frozen=True)
class Distances:
    """Measured on an even subset of the points, in the units of the scan."""

    chosen: Int[np.ndarray, " m"]
    """Which points were measured."""
    lengths: Float[np.ndarray, " m"]
    """Distance of each to the closest point of the closest triangle."""
    normals: Float[np.ndarray, "m 3"]
    """Unit normal of that triangle; zero where it has no area."""

    def summary(self) -> dict[str, float | int]:
        """Mean, median, 95 % quantile and largest distance, and how many points were measured."""
        values = self.lengths
        return {
            "measured": len(values),
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "q95": float(np.quantile(values, 0.95)),
            "max": float(values.max()),
        }


def distances_to_mesh(points: Float[np.ndarray, "n 3"], mesh: Mesh, samples: int = SAMPLES) -> Distances:
    """Distances of an even subset of the points to the triangles of the mesh.

    Exact for small meshes. On large ones the triangle is sought among the `CANDIDATES` whose
    centres are nearest, five times faster; extracted meshes have triangles of one size, where
    that finds the closest one, and else gives a little too much, never too little.

    Raises:
        ValueError: There are no points or no faces.
    """
    if not len(points) or not len(mesh.faces):
        raise ValueError("no points or no faces, so no distances")
    chosen = even_subset(len(points), samples)
    # Moved to the origin: squares of far-away coordinates would lose the digits that matter.
    origin = mesh.vertices.mean(axis=0)
    corners = (mesh.vertices - origin)[mesh.faces]  # (f 3 3)
    closest = _closest_exactly if len(mesh.faces) <= EXACT_UP_TO else _closest_among_candidates
    lengths, face = closest(points[chosen] - origin, corners)
    a, b, c = corners[face].transpose(1, 0, 2)
    return Distances(chosen, lengths, unit(np.cross(b - a, c - a)))


def _closest_exactly(
    points: Float[np.ndarray, "n 3"], corners: Float[np.ndarray, "f 3 3"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    lengths, face, _ = nearest_on(corners.reshape(-1, 3), faces, points)
    return lengths, face


def _closest_among_candidates(
    points: Float[np.ndarray, "n 3"], corners: Float[np.ndarray, "f 3 3"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    from scipy.spatial import cKDTree

    # Without balancing, the tree of a surface is built in half the time and is searched as fast.
    tree = cKDTree(corners.mean(axis=1), balanced_tree=False, compact_nodes=False)
    _, near = tree.query(points, k=CANDIDATES)  # (n k)
    lengths = triangle_distance(points[:, None], corners[near])
    best = lengths.argmin(axis=1)
    rows = np.arange(len(points))
    return lengths[rows, best], near[rows, best]


def triangle_distance(
    points: Float[np.ndarray, "*n 3"], corners: Float[np.ndarray, "*m 3 3"]
) -> Float[np.ndarray, "*k"]:
    """Distance from each point to its triangle.

    The foot of the perpendicular if it falls inside, else the nearest of the three edges.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    edges = np.minimum(np.minimum(_edge(points, a, b), _edge(points, b, c)), _edge(points, c, a))
    normal = unit(np.cross(b - a, c - a))
    sides = [(np.cross(normal, q - p) * (points - p)).sum(-1) for p, q in ((a, b), (b, c), (c, a))]
    over = (np.minimum(np.minimum(*sides[:2]), sides[2]) >= 0) & normal.any(axis=-1)
    return np.where(over, np.abs(((points - a) * normal).sum(-1)), edges)


def _edge(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = b - a
    share = ((points - a) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-300)
    return np.linalg.norm(points - a - np.clip(share, 0, 1)[..., None] * along, axis=-1)


def distances_to_points(
    vertices: Float[np.ndarray, "v 3"], points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " v"]:
    """Distance of each vertex to its nearest point; far means that the surface there is a guess."""
    from scipy.spatial import cKDTree

    return cKDTree(points).query(vertices)[0]


def even_subset(count: int, most: int) -> Int[np.ndarray, " m"]:
    """At most `most` indices below `count`, drawn without repetition; the same ones every time.

    Random and not every k-th: files often go back and forth in lines, which strides would alias.
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))
