"""What the outlines of an object in several pictures leave of space (Laurentini 1994).

A place belongs to the hull when it falls within the outline in every picture that it falls into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.geometry import Box
from isofield.geometry.camera import Camera

LARGE = 320
"""Pixels along an edge beyond which outlines are coarsened, to their outside."""
SHARE = 0.5
"""Of the pictures, in which a place must fall to be judged at all."""


@dataclass(frozen=True)
class Outline:
    """A mask, ready to be asked how far outside of it a pixel is."""

    camera: Camera
    distance: Float[np.ndarray, "_h _w"]
    """From each pixel to the object, in pixels; zero on it."""

    @classmethod
    def of(cls, camera: Camera, mask: Float[np.ndarray, "_h _w"]) -> "Outline":
        """The mask counts where it is above one half; coarser pixels where any of theirs is."""
        from scipy.ndimage import distance_transform_edt

        object_here = mask > 0.5
        times = -(-max(mask.shape) // LARGE)
        rows, columns = (np.arange(0, size, times) for size in mask.shape)
        object_here = np.maximum.reduceat(np.maximum.reduceat(object_here, rows, axis=0), columns, axis=1)
        if not object_here.any():
            return cls(camera.resized(1 / times), np.full(object_here.shape, np.inf, np.float32))
        distance = distance_transform_edt(~object_here).astype(np.float32)
        return cls(camera.resized(1 / times), distance)

    def extent_of(self, points: Float[np.ndarray, "n 3"]) -> float:
        """Share of the outline's width or height, whichever is less, that the points reach over."""
        rows, columns = np.nonzero(self.distance == 0)
        pixels, depth = projected(self.camera, points)
        pixels = np.clip(pixels[depth > 0], 0, self.distance.shape[::-1])
        if not len(rows) or not len(pixels):
            return 0.0
        shares = np.ptp(pixels, axis=0) / (np.ptp(columns) + 1, np.ptp(rows) + 1)
        return float(shares.min())

    def judge(
        self, points: Float[np.ndarray, "n 3"], radius: float
    ) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Whether balls around the points fall into the picture, and whether they miss the outline there."""
        pixels, depth = projected(self.camera, points)
        height, width = self.distance.shape
        ahead = depth > 0
        inside = ahead & (pixels >= 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
        x, y = np.floor(pixels[inside]).astype(np.int64).T
        scale = np.cbrt(abs(np.linalg.det(self.camera.camera_from_world[:, :3])))
        reach = radius * scale * self.camera.pixel_from_camera[0, 0] / depth[inside]
        missed = np.zeros(len(points), bool)
        missed[inside] = self.distance[y, x] > np.maximum(reach, 0.5)
        return inside, missed


def projected(
    camera: Camera, points: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Pixels and depths; pixels mean nothing where the depth is not positive, even zero."""
    seen = points @ camera.camera_from_world[:, :3].T + camera.camera_from_world[:, 3]
    flat = seen @ camera.pixel_from_camera.T
    return flat[:, :2] / np.where(seen[:, 2] > 0, flat[:, 2], 1.0)[:, None], seen[:, 2]


def misses(
    outlines: Sequence[Outline], points: Float[np.ndarray, "n 3"], radius: float, most: int
) -> Int[np.ndarray, " n"]:
    """In how many pictures each place lies outside the outline; `most` + 1 stands for more.

    Places that fall into less than half of the pictures count as outside.

    Args:
        outlines: Of the object.
        points: Where to ask.
        radius: Places this near to the hull count, a length in the world.
        most: Misses beyond which a place is given up.
    """
    count = np.zeros(len(points), np.int64)
    seen = np.zeros(len(points), np.int64)
    left = np.arange(len(points))
    for outline in outlines:
        inside, missed = outline.judge(points[left], radius)
        seen[left] += inside
        count[left] += missed
        left = left[count[left] <= most]
    count[seen < max(2, SHARE * len(outlines))] = most + 1
    return np.minimum(count, most + 1)


def hull_box(
    outlines: Sequence[Outline],
    start: Box,
    sides: Sequence[int] = (24, 32, 48),
    most: int = 0,
    growths: int = 2,
) -> Box | None:
    """Box around the hull, at most a cell of its last grid too large; None where there is no hull.

    Args:
        outlines: Of the object.
        start: Where to look.
        sides: Cells along each edge, grid after grid, each in the box that the last one left.
        most: Pictures that may disagree about a place.
        growths: How often `start` may double when the hull reaches its faces.
    """
    box = start
    for number, side in enumerate(sides):
        # half of a cell's diagonal finds every cell with some hull; in the end half an edge is closer
        reach = 0.5 if number == len(sides) - 1 else 0.87
        for growth in range(1 if number else 1 + growths):
            if growth:
                box = box.padded(float(box.extent.max()) / 2)
            cell = float(box.extent.max()) / side
            kept = hull_cells(outlines, box, side, reach, most)
            if not len(kept):
                return None
            found = Box.around(kept)
            if (found.low - cell > box.low).all() and (found.high + cell < box.high).all():
                break
        box = found.padded(cell)
    return found.padded(cell / 2)


def hull_cells(
    outlines: Sequence[Outline], box: Box, side: int, reach: float = 0.87, most: int = 0
) -> Float[np.ndarray, "n 3"]:
    """Centres of the cells of a grid that have some hull, up to `reach` cells from their centre."""
    centres = box.cell_centres(side)
    radius = reach * float(box.extent.max()) / side
    return centres[misses(outlines, centres, radius, most) <= most]


def fills(outlines: Sequence[Outline], box: Box, most: int = 0, side: int = 24) -> float:
    """How much of the outlines' width and height the hull has in the middle one of the pictures.

    One where masks and cameras agree; less where a wrong mask has cut away what the others show.
    """
    cells = hull_cells(outlines, box, side, most=most)
    shares = [outline.extent_of(cells) for outline in outlines]
    return float(np.median(shares)) if len(cells) else 0.0
