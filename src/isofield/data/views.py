"""Pictures of a model with their cameras, in the layout of Choy et al. 2016 (3D-R2N2).

    MODEL/img_choy2016/000.jpg, 001.jpg, ...   white background
                      /cameras.npz             world_mat_0 (3 4), camera_mat_0 (3 3), ...

`world_mat` takes points of the original mesh, +y up, to the camera (x right, y down, z forward);
`camera_mat` takes them on to pixels: 35 mm of focal length over a sensor of 32 mm.
"""

import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from isofield.data.cameras import CAMERAS, FOCAL, over_mesh
from isofield.data.painted import Painted
from isofield.data.render_views import Light, Studio
from isofield.geometry.camera import Camera

ELEVATION = (25.0, 30.0)
"""Degrees above the horizon."""
FILL = (0.80, 0.92)
"""How far from the centre, in units of half an edge, the object reaches."""
QUALITY = 92
"""Of the JPEG files."""


@dataclass(frozen=True)
class View:
    """One picture of a model in its unit box."""

    image: UInt8[np.ndarray, "_h _w 3"]
    camera: Camera


def photographed(painted: Painted, count: int, size: int, seed: str) -> list[View]:
    """Pictures from random sides, all a little from above, the object as large as it fits.

    Args:
        painted: The model in its unit box.
        count: How many.
        size: Pixels along an edge.
        seed: The same name gives the same cameras and lamps.
    """
    studio = Studio(painted)
    corners = np.unique(painted.corners.reshape(-1, 3), axis=0)
    views = []
    for number in range(count):
        draw = np.random.default_rng([zlib.crc32(seed.encode()), number])
        camera = fitting(corners, draw, size)
        views.append(View(studio.picture(camera, size, _light(draw, camera)), camera))
    return views


def fitting(points: Float[np.ndarray, "n 3"], draw: np.random.Generator, size: int) -> Camera:
    """A random camera, as near to the origin as the points allow."""
    azimuth, elevation = draw.uniform(0, 2 * np.pi), np.radians(draw.uniform(*ELEVATION))
    fill = draw.uniform(*FILL)
    turn = Camera.orbiting(azimuth, elevation, 1.0, 1.0, size).camera_from_world[:, :3]
    seen = points @ turn.T
    # |x| FOCAL / (z + distance) <= fill / 2, for both x and y
    distance = (np.abs(seen[:, :2]).max(axis=1) * FOCAL / (fill / 2) - seen[:, 2]).max()
    return Camera.orbiting(azimuth, elevation, float(distance), FOCAL * size, size)


def _light(draw: np.random.Generator, camera: Camera) -> Light:
    """A lamp behind the photographer, to the left or right, higher than the object."""
    forward, right = camera.camera_from_world[2, :3], camera.camera_from_world[0, :3]
    side, height = draw.uniform(-1.0, 1.0), draw.uniform(0.5, 1.5)
    towards = -forward + side * right + height * np.array([0.0, 1.0, 0.0])
    return Light(towards / np.linalg.norm(towards), lamp=draw.uniform(0.45, 0.65), sky=draw.uniform(0.3, 0.5))


def write_views(folder: Path, views: list[View], loc: Float[np.ndarray, "3"], scale: float) -> None:
    """The pictures, and their cameras in the frame of the original mesh: x = loc + scale * x_unit."""
    from PIL import Image

    matrices: dict[str, np.ndarray] = {}
    for number, view in enumerate(views):
        buffer = io.BytesIO()
        Image.fromarray(view.image).save(buffer, "JPEG", quality=QUALITY)
        (folder / f"{number:03d}.jpg").write_bytes(buffer.getvalue())
        matrices[f"world_mat_{number}"] = over_mesh(view.camera, loc, scale)
        matrices[f"camera_mat_{number}"] = view.camera.pixel_from_camera
    np.savez(folder / CAMERAS, allow_pickle=False, **matrices)
