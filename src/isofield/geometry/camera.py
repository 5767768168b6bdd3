"""Pinhole cameras: look along +z, x right, y down, pixel centres at +0.5."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isofield.geometry.similarity import Similarity


@dataclass(frozen=True)
class Camera:
    """Where a picture was taken from, and how it lies on the pixels."""

    pixel_from_camera: Float[np.ndarray, "3 3"]
    """Focal lengths and principal point, in pixels."""
    camera_from_world: Float[np.ndarray, "3 4"]
    """A rotation, perhaps scaled, beside a translation."""

    @classmethod
    def orbiting(cls, azimuth: float, elevation: float, distance: float, focal: float, size: int) -> "Camera":
        """A camera that looks at the origin of a world whose +y is up, with square pictures.

        Args:
            azimuth: Radians around y; 0 stands on +z, a right angle on +x.
            elevation: Radians above the xz plane, short of a right angle.
            distance: From the origin.
            focal: In pixels.
            size: Pixels along an edge; the principal point is the centre.
        """
        level = np.cos(elevation)
        place = np.array([level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)])
        right = np.cross(-place, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(-place, right), -place])
        intrinsic = np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
        return cls(intrinsic, np.concatenate([rotation, [[0.0], [0.0], [distance]]], axis=1))

    def resized(self, factor: float) -> "Camera":
        """The camera whose picture has `factor` times as many pixels along each edge."""
        scale = np.diag([factor, factor, 1.0])
        return Camera(scale @ self.pixel_from_camera, self.camera_from_world)

    def moved(self, to_from_world: Similarity) -> "Camera":
        """The same camera in another frame of the world; depths keep the units of the first."""
        back = to_from_world.inverse()
        rotation, translation = self.camera_from_world[:, :3], self.camera_from_world[:, 3]
        matrix = [back.scale * rotation @ back.rotation, (rotation @ back.translation + translation)[:, None]]
        return Camera(self.pixel_from_camera, np.concatenate(matrix, axis=1))

    @property
    def forward(self) -> Float[np.ndarray, "3"]:
        """Unit direction in which the camera looks, in the world."""
        axis = self.camera_from_world[2, :3]
        return axis / np.linalg.norm(axis)

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        """Where the camera stands in the world."""
        return -np.linalg.solve(self.camera_from_world[:, :3], self.camera_from_world[:, 3])

    def project(
        self, points: Float[np.ndarray, "n 3"]
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """Pixels and depths along the axis; points behind the camera have a negative depth."""
        seen = points @ self.camera_from_world[:, :3].T + self.camera_from_world[:, 3]
        flat = seen @ self.pixel_from_camera.T
        return flat[:, :2] / flat[:, 2:], seen[:, 2]

    def directions(self, pixels: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
        """Unit directions, in the world, of the rays from `centre` through the pixels."""
        flat = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
        world_from_pixel = np.linalg.inv(self.pixel_from_camera @ self.camera_from_world[:, :3])
        towards = flat @ world_from_pixel.T
        return towards / np.sqrt(np.einsum("nc,nc->n", towards, towards))[:, None]


def pixel_centres(height: int, width: int) -> Float[np.ndarray, "n 2"]:
    """Columns x and rows y of the middles of all pixels, row by row: the first is (0.5, 0.5)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
