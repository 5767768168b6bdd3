"""Rotation, uniform scale and translation between two frames."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation, in float64.

    Names read as products: `world_from_scene.apply(points_in_scene)`.
    """

    scale: float = 1.0
    rotation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    translation: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))

    def apply(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return self.scale * (points @ self.rotation.T) + self.translation

    def rotate(self, directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Directions and unit normals: turned, neither scaled nor moved."""
        return directions @ self.rotation.T

    def inverse(self) -> "Similarity":
        back = self.rotation.T
        return Similarity(1 / self.scale, back, -(back @ self.translation) / self.scale)

    def __matmul__(self, other: "Similarity") -> "Similarity":
        """The map that applies `other` first."""
        return Similarity(
            self.scale * other.scale,
            self.rotation @ other.rotation,
            self.scale * (self.rotation @ other.translation) + self.translation,
        )
