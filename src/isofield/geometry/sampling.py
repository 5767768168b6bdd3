"""Points drawn on the surface of a mesh."""

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry.mesh import Mesh


def sample_surface(
    mesh: Mesh, count: int, seed: int | np.random.Generator
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Points uniform by area and the unit normals of their faces; zero normals on faces without area.

    Raises:
        ValueError: The mesh has no face with an area.
    """
    return surface_at(mesh, *draw_on_surface(mesh, count, seed))


def draw_on_surface(
    mesh: Mesh, count: int, seed: int | np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """Faces drawn by area, and barycentric weights uniform in each.

    Raises:
        ValueError: The mesh has no face with an area.
    """
    draw = np.random.default_rng(seed)
    area = np.linalg.norm(_cross(mesh), axis=1)
    if not area.sum() > 0:
        raise ValueError("the mesh has no face with an area")
    cumulated = np.cumsum(area) / area.sum()
    face = np.minimum(np.searchsorted(cumulated, draw.random(count)), len(area) - 1)
    root, r = np.sqrt(draw.random(count)), draw.random(count)
    return face, np.stack([1 - root, root * (1 - r), root * r], axis=1)


def surface_at(
    mesh: Mesh, face: Int[np.ndarray, " n"], weights: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Positions at barycentric weights of faces, and the unit normals there; zero without area."""
    points = (mesh.vertices[mesh.faces[face]] * weights[:, :, None]).sum(axis=1)
    cross = _cross(mesh)
    return points, cross[face] / np.maximum(np.linalg.norm(cross, axis=1)[face], 1e-30)[:, None]


def _cross(mesh: Mesh) -> Float[np.ndarray, "f 3"]:
    """Normals of the faces, as long as twice their area."""
    corners = mesh.vertices[mesh.faces]  # (f 3 3)
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
