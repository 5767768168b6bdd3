"""What one depth camera sees of a mesh: scans of one side, to practise completion on."""

import numpy as np

from isofield.data.surfaces import OFFSET, Caster
from isofield.geometry.mesh import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.observation import PointCloud

DISTANCE = 2.5
"""Of the camera from the middle; the longest edge is 1."""


def half_scan(
    mesh: Mesh,
    azimuth: float,
    elevation: float = 20.0,
    count: int = 20_000,
    noise: float = 0.0,
    seed: int = 0,
) -> PointCloud:
    """Points of a mesh in its unit box that are in sight from one place, with that place as their sensor.

    Args:
        mesh: Its longest edge is 1; y is up.
        azimuth: Of the camera, in degrees from the front (+z) around y.
        elevation: In degrees above the floor.
        count: Points, at most.
        noise: Standard deviation of their places.
        seed: Of all draws.

    Raises:
        ValueError: The mesh has no area, or nothing of it is in sight.
    """
    turn, rise = np.radians([azimuth, elevation])
    direction = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    camera = DISTANCE * direction
    draw = np.random.default_rng(seed)
    points, _ = sample_surface(mesh, 12 * count, draw)
    towards = camera - points
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    seen = np.flatnonzero(Caster(mesh).escapes(points + OFFSET * towards, towards))[:count]
    if not len(seen):
        raise ValueError("nothing of the mesh is in sight")
    moved = points[seen] + noise * draw.standard_normal((len(seen), 3))
    return PointCloud(moved, sensors=np.tile(camera, (len(seen), 1)))
