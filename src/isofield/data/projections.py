"""Cameras from 3x4 matrices that project points of the world onto pixels."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import rq

from isofield.data.shots import sound_rotation
from isofield.errors import InputError


def decomposed(
    where: str, projection: Float[np.ndarray, "3 4"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 4"]]:
    """Intrinsics K, with 1 in the corner, and camera from world [R | t]: P = s K [R | t].

    K has positive focal lengths and R is a rotation; that leaves one choice, the sign of P too, which says
    nothing about images, being free.

    Raises:
        InputError: The left part is singular.
    """
    left = projection[:, :3]
    if not np.isfinite(projection).all():
        raise InputError(f"{where} has numbers that are not finite.")
    sizes = np.linalg.svd(left / max(float(np.abs(left).max()), 1e-300), compute_uv=False)
    if not sizes[2] > 1e-9:
        raise InputError(f"{where} is singular, so it is no camera.")
    if np.linalg.det(left) < 0:
        projection = -projection
    intrinsic, rotation = rq(projection[:, :3])
    signs = np.diag(np.sign(np.diag(intrinsic)))
    intrinsic, rotation = intrinsic @ signs, signs @ rotation
    translation = np.linalg.solve(intrinsic, projection[:, 3])
    rotation = sound_rotation(where, rotation)
    return intrinsic / intrinsic[2, 2], np.concatenate([rotation, translation[:, None]], axis=1)
