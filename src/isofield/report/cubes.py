"""Voxels as something to look at: their outer faces, with darker seams."""

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Mesh
from isofield.observation import Voxels

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
"""Corners of a face, in the two axes that follow its normal's: counter-clockwise seen from its tip."""
SEAM = 0.05
"""Width of the darker rim of a face, in voxels."""
FACE_COLOUR = np.array([0.36, 0.50, 0.63])
SEAM_COLOUR = np.array([0.20, 0.29, 0.38])


def cubes(voxels: Voxels) -> Mesh:
    """The faces between occupied voxels and empty ones, flatly shaded, each with a rim.

    A face is a square within four trapezia, 10 triangles, which share no vertices, so that each
    keeps its colour and its normal.
    """
    size = voxels.box.extent / voxels.occupied.shape
    parts = [_faces(voxels, axis, side) for axis in range(3) for side in (0, 1)]
    outer = np.concatenate([corner for corner, _ in parts])  # (q 4 3)
    normals = np.concatenate([np.tile(normal, (len(corner), 1)) for corner, normal in parts])
    centre = outer.mean(axis=1, keepdims=True)
    inner = centre + (1 - 2 * SEAM) * (outer - centre)
    rim = np.stack([outer, np.roll(outer, -1, 1), np.roll(inner, -1, 1), inner], axis=2)  # (q 4 4 3)
    squares = np.concatenate([inner[:, None], rim], axis=1)  # (q 5 4 3)
    corners = np.arange(20 * len(outer)).reshape(-1, 4)
    colours = np.stack([FACE_COLOUR, *[SEAM_COLOUR] * 4])
    return Mesh(
        voxels.box.low + squares.reshape(-1, 3) * size,
        corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3).astype(np.int64),
        np.repeat(normals, 20, axis=0),
        np.tile(np.repeat(colours, 4, axis=0), (len(outer), 1)),
    )


def _faces(voxels: Voxels, axis: int, side: int) -> tuple[Float[np.ndarray, "q 4 3"], Float[np.ndarray, "3"]]:
    """Corners, in voxels, of all outer faces that look along one axis, and their normal."""
    where = _uncovered(voxels, axis, side)
    corner = np.zeros((4, 3))
    corner[:, axis] = side
    corner[:, [(axis + 1) % 3, (axis + 2) % 3]] = SQUARE if side else SQUARE[::-1]
    normal = np.zeros(3)
    normal[axis] = 2 * side - 1
    return where[:, None] + corner, normal


def _uncovered(voxels: Voxels, axis: int, side: int) -> Int[np.ndarray, "q 3"]:
    """Occupied voxels without a neighbour on that side."""
    padded = np.pad(voxels.occupied, 1)
    neighbour = np.roll(padded, -1 if side else 1, axis)
    return np.argwhere((padded & ~neighbour)[1:-1, 1:-1, 1:-1])
