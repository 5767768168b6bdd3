"""Where a scan says that there is nothing: beside its outline as the scanner saw it, and before its points.

A scanner that had the whole object in view would have hit whatever lies between its place and the background.
So along rays that pass beside every point of the scan all is free, and along the others what comes before the
first point.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_closing, distance_transform_edt, grey_opening, map_coordinates
from torch import Tensor

from isofield.observation import PointCloud

AROUND = 0.35
"""Of the outline's size, how far around it is looked."""
PER_CELL = 3.0
"""Points that should fall into a cell of the picture, where the scan is."""
FILLED = 0.2
"""Share of a picture that objects tend to fill."""
SIDES = (12, 96)
"""Fewest and most cells along an edge of the picture."""
BEHIND = 1.0
"""How far behind the farthest point is asked, in units of the scan's longest edge."""
SLACK = 0.5
"""Cells that the outline is taken to be larger, for what lies between the points."""


@dataclass(frozen=True)
class View:
    """The scan as a picture from the place of its sensor, in the frame of the scan."""

    sensor: Float[np.ndarray, "3"]
    forward: Float[np.ndarray, "3"]
    across: Float[np.ndarray, "2 3"]
    low: Float[np.ndarray, "2"]
    """Corner of the picture, per unit of depth."""
    cell: float
    """Edge of a cell, per unit of depth."""
    beside: Float[np.ndarray, "u v"]
    """How deep within the outline a cell's middle lies, in cells; negative outside."""
    depth: Float[np.ndarray, "u v"]
    """Of the nearest point of the scan that falls into or beside a cell."""
    reach: tuple[float, float]
    """Depths between which something may be."""

    @classmethod
    def of(cls, scan: PointCloud) -> "View | None":
        """Of a scan from one place outside of it; None for others."""
        if scan.sensors is None:
            return None
        sensor, extent = scan.sensors.mean(axis=0), float(np.ptp(scan.points, axis=0).max())
        away = scan.points - sensor
        forward = away.mean(axis=0)
        forward /= max(float(np.linalg.norm(forward)), 1e-12)
        depth = away @ forward
        if np.ptp(scan.sensors, axis=0).max() > 0.05 * extent or depth.min() < 0.2 * extent:
            return None
        across = _across(forward)
        seen = away @ across.T / depth[:, None]
        low, high = seen.min(axis=0), seen.max(axis=0)
        size = (1 + 2 * AROUND) * float((high - low).max())
        low = (low + high - size) / 2
        side = int(np.clip(np.sqrt(len(seen) / PER_CELL / FILLED), *SIDES))
        cells = np.clip(((seen - low) / size * side).astype(int), 0, side - 1)
        nearest = np.full((side, side), np.inf)
        np.minimum.at(nearest, tuple(cells.T), depth)
        outline = binary_closing(np.isfinite(nearest), iterations=1)
        reach = float(depth.min() - 0.1 * extent), float(depth.max() + BEHIND * extent)
        return cls(
            sensor, forward, across, low, size / side, signed_cells(outline) + SLACK, _spread(nearest), reach
        )

    def free(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """About how far each point lies outside of what may be full, in units of the scan's frame.

        Negative where the scan does not forbid that something is.
        """
        away = points.double().numpy() - self.sensor
        depth = np.maximum(away @ self.forward, 1e-9)
        place = (away @ self.across.T / depth[:, None] - self.low) / self.cell - 0.5
        beside = -map_coordinates(self.beside, place.T, order=1, mode="nearest") * self.cell * depth
        first = map_coordinates(self.depth, place.T, order=0, mode="nearest")
        before = first - depth - self.cell * depth
        return torch.from_numpy(np.maximum(beside, before)).to(points)


def signed_cells(outline: Bool[np.ndarray, "u v"]) -> Float[np.ndarray, "u v"]:
    """Distance of each cell's middle to the border of the outline, in cells, positive inside."""
    inside, outside = distance_transform_edt(outline), distance_transform_edt(~outline)
    return np.where(outline, inside - 0.5, 0.5 - outside)


def _spread(nearest: Float[np.ndarray, "u v"]) -> Float[np.ndarray, "u v"]:
    """Depths with holes between points filled by their neighbours, the nearest of which counts."""
    known = np.isfinite(nearest)
    index = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return grey_opening(nearest[tuple(index)], size=3)


def free_beside(view: View, count: int, seed: int) -> Float[np.ndarray, "m 3"]:
    """Places along rays beside the outline of a scan; none if it fills the picture."""
    cells = np.argwhere(view.beside < 0)
    if not len(cells):
        return np.zeros((0, 3))
    draw = np.random.default_rng(seed)
    chosen = cells[draw.integers(len(cells), size=count)] + draw.random((count, 2))
    across = view.low + chosen * view.cell
    far = draw.uniform(*view.reach, (count, 1))
    return view.sensor + far * (view.forward + across @ view.across)


def _across(forward: Float[np.ndarray, "3"]) -> Float[np.ndarray, "2 3"]:
    """Two unit vectors at right angles to a third and to each other."""
    other = np.eye(3)[np.abs(forward).argmin()]
    first = np.cross(forward, other)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(forward, first)])
