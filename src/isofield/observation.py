"""What was seen, in the user's frame and units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera


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


@dataclass(frozen=True)
class Views:
    """Pictures of one scene with their cameras; every sequence has an entry per picture."""

    images: Sequence[Float[np.ndarray, "_h _w 3"]]
    """RGB in [0, 1] as stored (sRGB), float32; where there are masks, not mixed with any background."""
    cameras: Sequence[Camera]
    """Without distortion: the pictures were undistorted when read."""
    names: Sequence[str]
    """File names, for messages and reports."""
    masks: Sequence[Float[np.ndarray, "_h _w"]] | None = None
    """How much of each pixel is the object."""
    depths: Sequence[Float[np.ndarray, "_h _w"]] | None = None
    """Along the axis of the camera, in units of the world; zero where unknown."""
    held_out: Sequence[bool] | None = None
    """Pictures kept for measuring; None: nothing was said about it."""
    points: Float[np.ndarray, "n 3"] | None = None
    """Known places on surfaces, as from structure from motion."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: Sequence[int] | Int[np.ndarray, " m"]) -> "Views":
        """The chosen pictures, by index."""

        def chosen(all_of_them: Sequence[Any] | None) -> list[Any] | None:
            return None if all_of_them is None else [all_of_them[i] for i in which]

        return Views(
            images=[self.images[i] for i in which],
            cameras=[self.cameras[i] for i in which],
            names=[self.names[i] for i in which],
            masks=chosen(self.masks),
            depths=chosen(self.depths),
            held_out=chosen(self.held_out),
            points=self.points,
        )

    def on(self, background: float) -> list[Float[np.ndarray, "_h _w 3"]]:
        """The pictures over an even grey: 1 is white, 0 black; as they are without masks."""
        if self.masks is None:
            return list(self.images)
        pairs = zip(self.images, self.masks, strict=True)
        return [image * mask[..., None] + background * (1 - mask[..., None]) for image, mask in pairs]


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
