"""What was seen, in the user's frame and units."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry import Box, Similarity


@dataclass(frozen=True)
class PointCloud:
    """Points on a surface, with whatever else the scanner knew; float64."""

    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"] | None = None
    """Unit normals pointing outwards, towards the scanner."""
    colours: Float[np.ndarray, "n 3"] | None = None
    """RGB in [0, 1]."""
    sensors: Float[np.ndarray, "n 3"] | None = None
    """Where the scanner stood when it saw each point."""

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, which: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"] | slice) -> "PointCloud":
        """The chosen points, by index or mask, with their attributes."""
        rest = (None if a is None else a[which] for a in (self.normals, self.colours, self.sensors))
        return PointCloud(self.points[which], *rest)

    def transformed(self, similarity: Similarity) -> "PointCloud":
        """The same cloud in another frame."""
        return replace(
            self,
            points=similarity.apply(self.points),
            normals=None if self.normals is None else similarity.rotate(self.normals),
            sensors=None if self.sensors is None else similarity.apply(self.sensors),
        )


@dataclass(frozen=True)
class Voxels:
    """Occupancy of a regular grid, indexed x, y, z."""

    occupied: Bool[np.ndarray, "x y z"]
    box: Box
    """Outer faces of the grid, in the user's frame."""

    def surface(self) -> PointCloud:
        """The middles of the faces between full and empty voxels, with their normals."""
        full = np.pad(self.occupied, 1)
        step = self.box.extent / self.occupied.shape
        places, normals = [], []
        for axis in range(3):
            change = np.diff(full.astype(np.int8), axis=axis)
            found = np.argwhere(change)
            place = found - 0.5  # the padding's layer off, then to the middle of the voxel
            place[:, axis] += 0.5
            places.append(self.box.low + place * step)
            normal = np.zeros((len(found), 3))
            normal[:, axis] = -change[tuple(found.T)]
            normals.append(normal)
        return PointCloud(np.concatenate(places), np.concatenate(normals))


@dataclass(frozen=True)
class Photo:
    """One picture of an object on white, cut to a square as the training pictures are."""

    image: Float[np.ndarray, "h w 3"]
    """RGB in [0, 1]."""


def unit_from_world(points: Float[np.ndarray, "n 3"], side: float = 1.0) -> Similarity:
    """The map that centres the points' box at the origin, its longest edge scaled to `side`.

    Raises:
        ValueError: There are no points, or all of them coincide.
    """
    box = Box.around(points)
    longest = float(box.extent.max())
    if not longest > 0:
        raise ValueError("all points coincide, so the cloud has no size")
    scale = side / longest
    return Similarity(scale=scale, translation=-box.centre * scale)
