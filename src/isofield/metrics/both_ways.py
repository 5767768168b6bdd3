"""Exact distances between a result and a true surface, both ways: to triangles wherever there are some."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from isofield.geometry.mesh import Mesh
from isofield.metrics.surface import PREDICTED_SEED, TRUTH_SEED, Samples, spread, to_triangles

COUNT = 50_000
"""Points drawn on each surface."""


@dataclass(frozen=True)
class BothWays:
    """Distances in the unit of the meshes."""

    accuracy: Float[np.ndarray, " p"]
    """From points of the result to the true surface."""
    completeness: Float[np.ndarray, " t"]
    """From points of the true surface to the result."""

    @classmethod
    def of(cls, made: Mesh | Float[np.ndarray, "n 3"], truth: Mesh, count: int = COUNT) -> "BothWays":
        """Of a mesh, or of bare points, to which the true surface has the distance of the nearest.

        Raises:
            ValueError: A mesh has no faces with an area.
        """
        true = Samples.of(truth, TRUTH_SEED, count).points
        if isinstance(made, Mesh):
            points, back = Samples.of(made, PREDICTED_SEED, count).points, to_triangles(true, made)
        else:
            points, back = made, cKDTree(made).query(true)[0]
        return cls(to_triangles(points, truth), back)

    @property
    def error(self) -> float:
        """Mean of the two means."""
        return float(self.accuracy.mean() + self.completeness.mean()) / 2

    def numbers(self, edge: float) -> dict[str, float]:
        """`error`, `error_percent` of an edge, and the spread of both directions."""
        spreads = {**spread(self.accuracy, "accuracy"), **spread(self.completeness, "completeness")}
        return {"error": self.error, "error_percent": 100 * self.error / edge, **spreads}
