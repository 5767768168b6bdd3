"""Photos of a painted model with everything about them known: cameras, masks, depths, the true surface.

Cameras stand on a sphere around the model, from a little below to well above, and the lamp is fixed in
the world: a place on the surface has the same colour in every picture (the cosine law, no shadows).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isofield.data.cameras import over_mesh
from isofield.data.painted import Painted
from isofield.data.render_views import Light, Studio
from isofield.geometry import Box
from isofield.geometry.camera import Camera
from isofield.observation import Views

FOCAL = 1.4
"""Focal length in units of the picture's edge: 39 degrees from side to side."""
FILL = 0.9
"""Share of the picture's edge that the object reaches over in the picture where it is largest."""
LIGHT = Light(np.array([0.48, 0.8, 0.36]) / np.linalg.norm([0.48, 0.8, 0.36]), lamp=0.55, sky=0.4, ground=0.2)


@dataclass(frozen=True)
class Tour:
    """Where the cameras stand."""

    count: int = 60
    held_out: int = 12
    """Of them, spread evenly."""
    size: int = 200
    """Pixels along an edge."""
    elevation: tuple[float, float] = (-10.0, 60.0)
    """Degrees above the horizon."""
    samples: int = 4
    """Rays per pixel, squared."""


def photographed_around(painted: Painted, tour: Tour) -> Views:
    """The pictures in the frame of the model, +y up; every depth is that of the middle of its pixel."""
    box = Box.around(painted.corners.reshape(-1, 3))
    scale = float(box.extent.max())
    unit = painted.in_box(box.centre, scale)
    studio = Studio(unit, tour.samples)
    places = angles(tour)
    distance = _distance(np.unique(unit.corners.reshape(-1, 3), axis=0), places)
    images, masks, depths, cameras = [], [], [], []
    for azimuth, elevation in places:
        camera = Camera.orbiting(azimuth, elevation, distance, FOCAL * tour.size, tour.size)
        image, mask = studio.exposure(camera, tour.size, LIGHT)
        images.append(np.clip(image / np.maximum(mask, 1e-6)[..., None], 0, 1))
        masks.append(mask)
        depths.append(studio.depths(camera, tour.size) * np.float32(scale))
        cameras.append(Camera(camera.pixel_from_camera, over_mesh(camera, box.centre, scale)))
    kept = set(
        np.round((np.arange(tour.held_out) + 0.5) * tour.count / max(tour.held_out, 1)).astype(int).tolist()
    )
    return Views(
        images=images, cameras=cameras, names=[f"{i:03d}.png" for i in range(tour.count)], masks=masks,
        depths=depths, held_out=[i in kept for i in range(tour.count)],
    )  # fmt: skip


def angles(tour: Tour) -> Float[np.ndarray, "n 2"]:
    """Azimuths and elevations in radians, even over the zone of the sphere between the elevations."""
    low, high = np.sin(np.radians(tour.elevation))
    i = np.arange(tour.count)
    azimuth = (i * np.pi * (3 - np.sqrt(5))) % (2 * np.pi)
    return np.stack([azimuth, np.arcsin(low + (i + 0.5) / tour.count * (high - low))], axis=1)


def _distance(points: Float[np.ndarray, "n 3"], places: Float[np.ndarray, "m 2"]) -> float:
    """The least from which every point is within `FILL` of every picture."""
    furthest = 0.0
    for azimuth, elevation in places:
        seen = points @ Camera.orbiting(azimuth, elevation, 1.0, 1.0, 1).camera_from_world[:, :3].T
        # |x| FOCAL / (z + distance) <= FILL / 2, for both x and y
        least = (np.abs(seen[:, :2]).max(axis=1) * FOCAL / (FILL / 2) - seen[:, 2]).max()
        furthest = max(furthest, float(least))
    return furthest
