"""The true surface of a mesh that overlaps itself, and signed distances to it.

Models made by hand are put together of parts that reach into each other. A face within the shape is no
surface: only faces that have inside on one side alone are.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from isofield.errors import InputError
from isofield.geometry.mesh import Mesh
from isofield.geometry.nearest import nearest_on
from isofield.geometry.sampling import sample_surface
from isofield.geometry.winding import occupancies

COUNT = 100_000
"""Points that stand for the surface where the nearest face is no part of it."""
BESIDE = 5e-4
"""How far in front of and behind a face its sides are looked at, in units of the box's longest edge."""
AWAY = 0.01
"""Share of the way from the nearest place to the middle of its face: on an edge, sides can't be told."""


@dataclass(frozen=True)
class Boundary:
    """What of a mesh's faces has inside, by winding numbers above one half, on one side alone."""

    mesh: Mesh
    points: Float[np.ndarray, "n 3"]
    """On these faces, by area."""
    is_whole: bool
    """Whether all of the points drawn on the mesh were on such faces."""
    beside: float
    """How far from a face its sides are looked at."""

    @classmethod
    def of(
        cls, mesh: Mesh, seed: int | np.random.Generator, count: int = COUNT, beside: float | None = None
    ) -> "Boundary":
        """The boundary of a mesh, as far as points drawn on it tell.

        Args:
            mesh: Wound outwards.
            seed: Of the draw.
            count: Points that are drawn; fewer come back where some are no surface.
            beside: Distance from the faces; by the size of the mesh if None.

        Raises:
            InputError: No face has inside on one side and outside on the other.
            ValueError: The mesh has no area.
        """
        if beside is None:
            beside = BESIDE * float(np.ptp(mesh.vertices, axis=0).max())
        points, normals = sample_surface(mesh, count, seed)
        kept = parts(mesh, points, normals, beside)
        if not kept.any():
            raise InputError("no face has inside on one side and outside on the other")
        return cls(mesh, points[kept], bool(kept.all()), beside)

    def signed_distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Distance of each point to the surface, negative inside.

        To the nearest triangle, exactly; where that lies within the shape, to the nearest of the points.
        """
        if not len(points):
            return np.zeros(0)
        sign = np.where(occupancies(self.mesh, points), -1.0, 1.0)
        return sign * self._distance(points)

    def _distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        distance, face, nearest = nearest_on(self.mesh.vertices, self.mesh.faces, points)
        if self.is_whole:
            return distance
        corners = self.mesh.vertices[self.mesh.faces[face]]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        nearest = nearest + AWAY * (corners.mean(axis=1) - nearest)
        hidden = np.flatnonzero(~parts(self.mesh, nearest, normals, self.beside))
        if len(hidden):
            distance[hidden] = cKDTree(self.points).query(points[hidden])[0]
        return distance


def parts(
    mesh: Mesh, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], beside: float
) -> Bool[np.ndarray, " n"]:
    """Whether points on faces, with their unit normals, have inside on one side alone."""
    front, behind = (occupancies(mesh, points + side * beside * normals) for side in (1, -1))
    return front != behind
