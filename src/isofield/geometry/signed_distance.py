"""Signed distances to triangle meshes: exact lengths, the winding number's sign."""

import numpy as np
from jaxtyping import Float

from isofield.geometry.mesh import Mesh
from isofield.geometry.winding import winding


def signed_distance(mesh: Mesh, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Distance to the nearest triangle, negative where the winding number is above one half.

    Raises:
        ValueError: The mesh has no faces.
    """
    import igl

    if not len(mesh.faces):
        raise ValueError("the mesh has no faces, so nothing is near it")
    places = np.ascontiguousarray(points, np.float64)
    if not len(places):
        return np.zeros(0)
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    squared = igl.point_mesh_squared_distance(places, vertices, np.ascontiguousarray(mesh.faces, np.int64))[0]
    length = np.sqrt(np.maximum(squared, 0))
    return np.where(winding(mesh, places) > 0.5, -length, length)
