"""A given shape as voxels, points, or a coarse mesh: what functions of space are compared with."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from isofield.geometry import Box
from isofield.geometry.mesh import Mesh
from isofield.geometry.sampling import sample_surface
from isofield.geometry.winding import occupancies
from isofield.metrics.volume import SIDE

FLOAT, INDEX = 4, 4
"""Bytes of a coordinate and of a corner's number."""


@dataclass(frozen=True)
class Voxelised:
    """Occupied cells of the cube of side 1.1 around the unit box."""

    occupied: Bool[np.ndarray, "x y z"]

    @classmethod
    def of(cls, mesh: Mesh, side: int) -> "Voxelised":
        """Cells whose centre has a winding number above one half; the mesh fills the unit box."""
        centres = Box.cube(SIDE).cell_centres(side)
        return cls(occupancies(mesh, centres).reshape(side, side, side))

    @property
    def bytes(self) -> int:
        """One bit per cell."""
        return -(-self.occupied.size // 8)

    def mesh(self) -> Mesh:
        """The faces between full and empty cells, two triangles each, outwards.

        Raises:
            ValueError: No cell is full.
        """
        if not self.occupied.any():
            raise ValueError("no cell is full")
        full = np.pad(self.occupied, 1)
        corners, unit = [], np.eye(3, dtype=np.int64)
        for axis in range(3):
            change = np.diff(full.astype(np.int8), axis=axis)
            for sign in (1, -1):
                base = np.argwhere(change == sign) - 1
                base[:, axis] += 1
                one, two = unit[(axis + 1) % 3], unit[(axis + 2) % 3]
                loop = [base, base + one, base + one + two, base + two]
                corners.append(np.stack(loop if sign < 0 else loop[::-1], 1).reshape(-1, 3))
        places, number = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
        quads = number.reshape(-1, 4)
        faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        step = SIDE / len(self.occupied)
        return Mesh(places * step - SIDE / 2, faces.astype(np.int64))


def drawn_points(mesh: Mesh, count: int) -> tuple[Float[np.ndarray, "n 3"], int]:
    """Points of the surface, and their bytes."""
    return sample_surface(mesh, count, 11)[0], count * 3 * FLOAT


def mesh_bytes(mesh: Mesh) -> int:
    """Of positions and corners."""
    return len(mesh.vertices) * 3 * FLOAT + len(mesh.faces) * 3 * INDEX


def decimated(mesh: Mesh, most: int) -> Mesh:
    """The mesh with as many faces as fit into so many bytes, by quadric edge collapses, whatever tears.

    A closed mesh has half as many vertices as faces.
    """
    import fast_simplification

    faces = max(4, int(most / (3 * INDEX + 1.5 * FLOAT)))
    if len(mesh.faces) <= faces:
        return replace(mesh, normals=None, colours=None)
    points, triangles = fast_simplification.simplify(
        mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), target_count=faces
    )
    return Mesh(points.astype(np.float64), triangles.astype(np.int64))
