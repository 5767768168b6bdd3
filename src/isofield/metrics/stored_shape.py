"""The occupancy of a shape anywhere, from what a data set keeps of it.

A data set keeps labelled points in space and oriented points on the surface. Whichever of the two
is nearer to a place tells: near the surface the side is that of the nearest surface point, away from
it that of the nearest labelled point. Nothing is solved or meshed, so thin boards stay.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from isofield.metrics.surface import Samples

if TYPE_CHECKING:
    from scipy.spatial import cKDTree


@dataclass(frozen=True)
class StoredShape:
    """A shape in its unit box."""

    points: Float[np.ndarray, "n 3"]
    inside: Bool[np.ndarray, " n"]
    surface: Samples
    """With outward normals."""

    @cached_property
    def _near_points(self) -> "cKDTree":
        from scipy.spatial import cKDTree

        return cKDTree(self.points)

    @cached_property
    def _near_surface(self) -> "cKDTree":
        from scipy.spatial import cKDTree

        return cKDTree(self.surface.points)

    def occupied(self, places: Float[np.ndarray, "m 3"]) -> Bool[np.ndarray, " m"]:
        """Whether each place is inside.

        Raises:
            ValueError: The surface has no normals.
        """
        if self.surface.normals is None:
            raise ValueError("the surface points have no normals, so they don't tell inside from outside")
        to_point, point = self._near_points.query(places)
        # Points on the surface count only where they are nearer: no need to look further.
        bound = float(to_point.max(initial=0)) + 1e-9
        to_surface, foot = self._near_surface.query(places, distance_upper_bound=bound)
        near = to_surface < to_point
        inside = self.inside[point]
        foot = foot[near]
        offset = places[near] - self.surface.points[foot]
        inside[near] = (offset * self.surface.normals[foot]).sum(axis=1) < 0
        return inside
