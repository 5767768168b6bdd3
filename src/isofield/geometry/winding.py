"""Inside and outside of triangle meshes by the generalised winding number (Jacobson et al. 2013).

Unlike ray parity it stays meaningful on meshes with holes, overlaps and loose sheets. libigl's
tree evaluation (Barill et al. 2018) answers; its signed distance of the same name is not used,
because its magnitudes are wrong on open meshes.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float

from isofield.geometry.mesh import Mesh
from isofield.geometry.order import near_order


def winding(mesh: Mesh, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """How often the mesh winds around each point, as a share of the full sphere.

    1 inside and 0 outside of a closed mesh, in between near holes, 2 where two solids overlap,
    -1 inside a mesh that is turned inside out. Zeros where there are no faces.
    """
    import igl

    if not len(mesh.faces) or not len(points):
        return np.zeros(len(points))
    points = np.ascontiguousarray(points, np.float64)
    order = near_order(torch.from_numpy(points)).numpy()  # neighbours walk the same branches of the tree
    found = np.empty(len(points))
    found[order] = igl.fast_winding_number(
        np.ascontiguousarray(mesh.vertices, np.float64),
        np.ascontiguousarray(mesh.faces, np.int64),
        points[order],
    )
    return found


def occupancies(mesh: Mesh, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
    """Whether each point is inside: winding number above one half."""
    return winding(mesh, points) > 0.5
