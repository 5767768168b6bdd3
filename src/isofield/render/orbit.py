"""Journeys of cameras around a scene; those along given cameras are in walk.py."""

from typing import Literal

import numpy as np

from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera

Up = Literal["x", "y", "z"]
TURNS: dict[str, list[list[float]]] = {
    "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
}
"""Rotations that take the named axis up to +y."""


def turntable(
    box: Box,
    count: int,
    size: tuple[int, int],
    elevation: float = 20.0,
    field_of_view: float = 40.0,
    up: Up = "y",
    start: float = 35.0,
) -> list[Camera]:
    """Cameras once around the middle of a box, which just fits their pictures from every side.

    Args:
        box: In the frame of the cameras.
        count: Of the cameras, evenly spread; the one after the last would be the first again.
        size: Height and width of the pictures.
        elevation: Degrees above the horizon.
        field_of_view: Degrees of the smaller edge of a picture.
        up: Axis that points up.
        start: Degrees by which the first camera is turned away from the front.
    """
    height, width = size
    focal = 0.5 * min(size) / np.tan(np.radians(field_of_view) / 2)
    radius = 0.5 * float(np.linalg.norm(box.extent))
    distance = radius / np.sin(np.radians(field_of_view) / 2)
    turn = np.array(TURNS[up], dtype=float)
    upright = Similarity(rotation=turn, translation=-turn @ box.centre)
    cameras = []
    for k in range(count):
        azimuth = np.radians(start + 360 * k / count)
        camera = Camera.orbiting(azimuth, np.radians(elevation), distance, focal, min(size))
        matrix = camera.pixel_from_camera.copy()
        matrix[:2, 2] = width / 2, height / 2
        cameras.append(Camera(matrix, camera.camera_from_world).moved(upright.inverse()))
    return cameras
