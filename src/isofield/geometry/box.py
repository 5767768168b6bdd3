"""Axis-aligned boxes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Box:
    """The points between two corners, both included."""

    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]

    @classmethod
    def cube(cls, side: float = 1.0) -> "Box":
        """Cube of the given side around the origin; side 1 holds every normalised object."""
        half = np.full(3, side / 2)
        return cls(-half, half)

    @classmethod
    def around(cls, points: Float[np.ndarray, "n 3"]) -> "Box":
        """Smallest box that holds the points.

        Raises:
            ValueError: There are no points.
        """
        if not len(points):
            raise ValueError("no points, so no box around them")
        return cls(points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64))

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        return (self.low + self.high) / 2

    @property
    def extent(self) -> Float[np.ndarray, "3"]:
        """Lengths of the three edges."""
        return self.high - self.low

    def cell_centres(self, side: int) -> Float[np.ndarray, "n 3"]:
        """Centres of side^3 equal cells, x slowest."""
        along = (np.arange(side) + 0.5) / side
        share = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3)
        return self.low + share * self.extent

    def padded(self, margin: float) -> "Box":
        """The box grown by `margin`, a length, on all six sides."""
        return Box(self.low - margin, self.high + margin)

    def contains(self, points: Float[np.ndarray, "n 3"]) -> np.ndarray:
        return np.all((points >= self.low) & (points <= self.high), axis=1)
