"""What a cloud with normals tells about signed distances around it, in the unit ball of DeepSDF.

p  ->  (p, 0), (p + eps n, eps), (p - eps n, -eps); towards its sensor, (x, |x - cloud|)
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud

ROOM = 1.03
"""Radius of the unit ball, in units of the shape's farthest point from the middle of its box."""
ALONG = 4
"""Places asked along each line of sight."""


def ball_around(points: Float[np.ndarray, "n 3"]) -> Similarity:
    """The map that centres the points' box and takes the farthest point to 1 / 1.03 from the middle.

    Raises:
        ValueError: There are no points, or all of them coincide.
    """
    centre = Box.around(points).centre
    farthest = float(np.linalg.norm(points - centre, axis=1).max())
    if not farthest > 0:
        raise ValueError("all points coincide, so the cloud has no size")
    scale = 1 / (ROOM * farthest)
    return Similarity(scale=scale, translation=-centre * scale)


def distances_of(
    cloud: PointCloud, offset: float, seed: int = 0
) -> tuple[Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Places and their signed distances, negative inside, as far as a cloud with normals tells them.

    In front of a point the distance is the offset, or less where another point is nearer. What lies between a
    point and where the scanner stood is free, and about as far from the surface as from the nearest point.

    Args:
        cloud: In the unit ball, with unit normals that point outwards.
        offset: How far in front of and behind the points to tell the distance.
        seed: Of the places along the lines of sight.
    """
    assert cloud.normals is not None
    points, tree = cloud.points, cKDTree(cloud.points)
    places, known = [points], [np.zeros(len(points))]
    for side in (1, -1):
        beside = points + side * offset * cloud.normals
        places.append(beside)
        known.append(side * np.minimum(offset, tree.query(beside)[0]))
    if cloud.sensors is not None:
        free = _seen_through(cloud, offset, seed)
        places.append(free)
        known.append(tree.query(free)[0])
    return torch.from_numpy(np.concatenate(places)).float(), torch.from_numpy(np.concatenate(known)).float()


def _seen_through(cloud: PointCloud, offset: float, seed: int) -> Float[np.ndarray, "f 3"]:
    """Places in the ball between points and sensors, more than twice the offset in front of the points."""
    assert cloud.sensors is not None
    towards = np.repeat(cloud.sensors - cloud.points, ALONG, axis=0)
    length = np.linalg.norm(towards, axis=1, keepdims=True)
    # no longer than the ball's diameter: beyond it nothing is asked
    share = np.random.default_rng(seed).random((len(towards), 1)) * np.minimum(
        2 / np.maximum(length, 1e-12), 1
    )
    free = np.repeat(cloud.points, ALONG, axis=0) + share * towards
    return free[(share * length > 2 * offset)[:, 0] & (np.linalg.norm(free, axis=1) < 1)]
