"""Where a scan says that there is nothing: beside its outline, as the scanner saw it.

A scanner that had the whole object in view would have hit whatever lies between its place and the background.
So along rays that pass beside every point of the scan, all is free.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_closing, binary_dilation

from isofield.observation import PointCloud

AROUND = 0.35
"""Of the outline's size, how far around it is looked."""
PER_CELL = 3.0
"""Points that should fall into a cell of the picture, where the scan is."""
SIDES = (12, 96)
"""Fewest and most cells along an edge of the picture."""
BEHIND = 1.0
"""How far behind the farthest point is asked, in units of the scan's longest edge."""


def free_beside(scan: PointCloud, count: int, seed: int) -> Float[np.ndarray, "m 3"]:
    """Places along rays beside the outline; none if the sensor's place is unknown, or not one.

    Args:
        scan: With a sensor for each point, all in about the same place.
        count: Of places, at most.
        seed: Of the draws.
    """
    nothing = np.zeros((0, 3))
    if scan.sensors is None:
        return nothing
    sensor, extent = scan.sensors.mean(axis=0), float(np.ptp(scan.points, axis=0).max())
    if np.ptp(scan.sensors, axis=0).max() > 0.05 * extent:
        return nothing
    away = scan.points - sensor
    forward = away.mean(axis=0)
    forward /= np.linalg.norm(forward)
    depth = away @ forward
    if depth.min() < 0.2 * extent:  # inside of what is scanned there is no outline
        return nothing
    axes = _across(forward)
    seen = away @ axes.T / depth[:, None]
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = AROUND * float((high - low).max())
    low, high = low - room, high + room
    empty = ~outline(seen, low, high)
    if not empty.any():
        return nothing
    draw = np.random.default_rng(seed)
    cells = np.argwhere(empty)
    chosen = cells[draw.integers(len(cells), size=count)] + draw.random((count, 2))
    across = low + chosen / empty.shape * (high - low)
    far = draw.uniform(depth.min() - 0.1 * extent, depth.max() + BEHIND * extent, (count, 1))
    return sensor + far * (forward + across @ axes)


def outline(
    seen: Float[np.ndarray, "n 2"], low: Float[np.ndarray, "2"], high: Float[np.ndarray, "2"]
) -> Bool[np.ndarray, "u v"]:
    """Cells of a picture that the scan's points fall into or lie beside, small gaps between them closed."""
    filled = 0.2  # the share of a picture that objects tend to fill
    side = int(np.clip(np.sqrt(len(seen) / PER_CELL / filled), *SIDES))
    counts, *_ = np.histogram2d(seen[:, 0], seen[:, 1], bins=side, range=np.stack([low, high], 1))
    return binary_dilation(binary_closing(counts > 0, iterations=1), iterations=1)


def _across(forward: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2 3"]:
    """Two unit vectors at right angles to a third and to each other."""
    other = np.eye(3)[np.abs(forward).argmin()]
    first = np.cross(forward, other)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(forward, first)])
