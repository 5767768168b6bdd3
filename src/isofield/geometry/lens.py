"""Lenses: a pinhole with radial and tangential distortion, as calibration programs state it.

A direction (x, y, 1) in the camera's frame falls, with r^2 = x^2 + y^2, on the pixel

    x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2)
    y' = y (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p2 x y + p1 (r^2 + 2 y^2)
    (fx x' + skew y' + cx, fy y' + cy),

pixel centres at +0.5. This is the model of OpenCV and of COLMAP's OPENCV camera.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Lens:
    """How directions fall on a picture of a known size; lengths in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    skew: float = 0.0
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    @property
    def pixel_from_camera(self) -> Float[np.ndarray, "3 3"]:
        """The pinhole's part."""
        return np.array([[self.fx, self.skew, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def is_distorted(self) -> bool:
        return any((self.k1, self.k2, self.k3, self.p1, self.p2))

    def resized(self, width: int, height: int) -> "Lens":
        """The same lens over a picture with another number of pixels."""
        x, y = width / self.width, height / self.height
        return replace(
            self, width=width, height=height, fx=self.fx * x, cx=self.cx * x, skew=self.skew * x,
            fy=self.fy * y, cy=self.cy * y,
        )  # fmt: skip

    def distorted(self, flat: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """(x', y') of the formula above."""
        x, y = flat.T
        square = x * x + y * y
        radial = 1 + square * (self.k1 + square * (self.k2 + square * self.k3))
        cross = x * y
        along_x = x * radial + 2 * self.p1 * cross + self.p2 * (square + 2 * x * x)
        along_y = y * radial + 2 * self.p2 * cross + self.p1 * (square + 2 * y * y)
        return np.stack([along_x, along_y], axis=1)

    def is_single(self, flat: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """Where the radial polynomial still rises.

        Beyond its turning point it folds back, and far directions would be seen inside the picture.
        """
        square = (flat**2).sum(axis=1)
        turn = np.roots([7 * self.k3, 5 * self.k2, 3 * self.k1, 1.0])
        ends = turn.real[(abs(turn.imag) < 1e-9) & (turn.real > 0)]
        return square < ends.min() if len(ends) else np.ones(len(flat), bool)

    def project(
        self, points: Float[np.ndarray, "n 3"], camera_from_world: Float[np.ndarray, "3 4"]
    ) -> Float[np.ndarray, "n 2"]:
        """Pixels of points of the world, distorted."""
        seen = points @ camera_from_world[:, :3].T + camera_from_world[:, 3]
        bent = self.distorted(seen[:, :2] / seen[:, 2:])
        return bent @ self.pixel_from_camera[:2, :2].T + self.pixel_from_camera[:2, 2]
