"""Scans that were taken from above: which side of them is outside needs no guessing."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from isofield.observation import PointCloud

ALTITUDE = 20.0
"""Height of the supposed scanner above the terrain, in extents of the terrain."""


def seen_from_above(cloud: "PointCloud", up: str) -> "PointCloud | None":
    """The cloud with a scanner far above it, if it is terrain; None if it isn't, or knows better.

    An open sheet has no inside, so whatever finds out which side is outside has nothing to go by and
    may turn parts of it over. Terrain has one height at each place along `up` and is seen from above.
    """
    import numpy as np

    from isofield.metrics.survey import ONE_HEIGHT, height_layers

    if cloud.sensors is not None or cloud.normals is not None or len(cloud) < 100:
        return None
    axis = "xyz".index(up)
    map_axes = [k for k in range(3) if k != axis]
    turned = cloud.points[:, [*map_axes, axis]] - cloud.points.mean(axis=0)[[*map_axes, axis]]
    spacing = float(np.sqrt(np.prod(np.ptp(turned[:, :2], axis=0)) / len(cloud)))
    if not spacing > 0 or height_layers(turned, spacing) >= ONE_HEIGHT:
        return None
    return replace(cloud, sensors=_above(cloud.points, axis))


def _above(points: "np.ndarray", axis: int) -> "np.ndarray":
    import numpy as np

    place = (points.min(axis=0) + points.max(axis=0)) / 2
    place[axis] += ALTITUDE * np.ptp(points, axis=0).max()
    return np.tile(place, (len(points), 1))
