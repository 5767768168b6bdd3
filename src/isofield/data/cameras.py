"""Cameras as the pictures of Choy et al. 2016 (3D-R2N2) have them, and the unit box.

`world_mat` takes points of the original mesh, +y up, to the camera: x right, y down, z forward.
`camera_mat` takes them on to pixels.
"""

import numpy as np
from jaxtyping import Float

from isofield.geometry.camera import Camera

FOLDER = "img_choy2016"
CAMERAS = "cameras.npz"
FOCAL = 35.0 / 32.0
"""Focal length in units of the picture's edge: 35 mm over a sensor of 32 mm."""


def over_mesh(camera: Camera, loc: Float[np.ndarray, "3"], scale: float) -> Float[np.ndarray, "3 4"]:
    """`world_mat` of a camera over the unit box, where x_mesh = loc + scale * x_unit.

    Lengths in the frame of the camera are in the units of the mesh then, so its left part is a rotation.
    """
    rotation, translation = camera.camera_from_world[:, :3], camera.camera_from_world[:, 3]
    return np.concatenate([rotation, (scale * translation - rotation @ loc)[:, None]], axis=1)


def camera_over_unit(
    world_mat: np.ndarray, camera_mat: np.ndarray, loc: Float[np.ndarray, "3"], scale: float
) -> Camera:
    """Inverse of `over_mesh`, up to the units of the camera's frame, which stay those of the mesh."""
    world = np.asarray(world_mat, np.float64)[:3]
    rotation, translation = world[:, :3], world[:, 3]
    matrix = np.concatenate([rotation * scale, (translation + rotation @ loc)[:, None]], axis=1)
    return Camera(np.asarray(camera_mat, np.float64), matrix)
