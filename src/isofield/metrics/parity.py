"""Inside by counting crossings, as the evaluation of Occupancy Networks decides it.

From each point a line runs up and down along z. A point is inside if both halves cross the surface
an odd number of times. On closed meshes without overlaps this is what the winding number says; where
two solids overlap it says outside, and behind a hole either.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry.mesh import Mesh

CELLS = 512
"""Cells along x and along y by which triangles and points find each other."""
PAIRS = 4_000_000
"""Pairs of a triangle and a point that are looked at in one go, about."""


def inside_by_parity(mesh: Mesh, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Whether each point is inside: odd crossings above and odd crossings below."""
    crossings = np.zeros((2, len(points)), np.int64)
    if not len(mesh.faces) or not len(points):
        return np.zeros(len(points), bool)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size = max(float((high - low)[:2].max()), 1e-300) / CELLS
    around = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    columns = _Columns(_cells(points[around, :2], low, size))
    corners = mesh.vertices[mesh.faces]
    first = _cells(corners[:, :, :2].min(axis=1), low, size)
    last = _cells(corners[:, :, :2].max(axis=1), low, size)
    for triangle, place in columns.pairs(first, last):
        at = around[place]
        above = _above(corners[triangle], points[at])
        for row, side in enumerate((above > 0, above < 0)):
            crossings[row] += np.bincount(at[side], minlength=len(points))
    return (crossings % 2 == 1).all(axis=0)


def _cells(places: Float[np.ndarray, "n 2"], low: np.ndarray, size: float) -> Int[np.ndarray, "n 2"]:
    return np.clip(((places - low[:2]) / size).astype(np.int64), 0, CELLS - 1)


class _Columns:
    """Points sorted by the column of cells that they lie in."""

    def __init__(self, cells: Int[np.ndarray, "n 2"]) -> None:
        keys = cells[:, 0] * CELLS + cells[:, 1]
        self.order = np.argsort(keys, kind="stable")
        self.starts = np.searchsorted(keys[self.order], np.arange(CELLS**2 + 1))

    def pairs(
        self, first: Int[np.ndarray, "m 2"], last: Int[np.ndarray, "m 2"]
    ) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]]:
        """Triangles and the points below or above their boxes, in parts.

        Cells along y follow each other, so a triangle has one run of points for each row along x.
        """
        triangle, step = _runs(last[:, 0] - first[:, 0] + 1)
        row = (first[triangle, 0] + step) * CELLS
        start = self.starts[row + first[triangle, 1]]
        count = self.starts[row + last[triangle, 1] + 1] - start
        parts = np.searchsorted(np.cumsum(count), np.arange(PAIRS, count.sum() + PAIRS, PAIRS))
        begin = 0
        for end in [*(parts + 1), len(count)]:
            run, offset = _runs(count[begin:end])
            if len(run):
                yield triangle[begin:end][run], self.order[start[begin:end][run] + offset]
            begin = max(begin, end)


def _runs(counts: Int[np.ndarray, " m"]) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """Index i counts[i] times, and 0, 1, ... within each run."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _above(triangles: Float[np.ndarray, "p 3 3"], points: Float[np.ndarray, "p 3"]) -> np.ndarray:
    """Height of each triangle over its point; zero where the line misses it."""
    a, b, c = (triangles[:, i] - points for i in range(3))
    cross = lambda u, v: u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]  # noqa: E731
    weights = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    area = weights.sum(axis=1)
    hit = ((weights > 0).all(axis=1) | (weights < 0).all(axis=1)) & (area != 0)
    heights = np.stack([a[:, 2], b[:, 2], c[:, 2]], axis=1)
    return np.where(hit, (weights * heights).sum(axis=1) / np.where(hit, area, 1), 0.0)
