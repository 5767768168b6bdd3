"""Points drawn on the surface of a mesh."""

import numpy as np
from jaxtyping import Float

from isofield.geometry.mesh import Mesh


def sample_surface(
    mesh: Mesh, count: int, seed: int | np.random.Generator
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Points uniform by area and the unit normals of their faces; zero normals on faces without area.

    Raises:
        ValueError: The mesh has no face with an area.
    """
    draw = np.random.default_rng(seed)
    corners = mesh.vertices[mesh.faces]  # (f 3 3)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    if not area.sum() > 0:
        raise ValueError("the mesh has no face with an area")
    cumulated = np.cumsum(area) / area.sum()
    face = np.minimum(np.searchsorted(cumulated, draw.random(count)), len(area) - 1)
    root, r = np.sqrt(draw.random(count)), draw.random(count)
    weights = np.stack([1 - root, root * (1 - r), root * r], axis=1)
    points = (corners[face] * weights[:, :, None]).sum(axis=1)
    return points, cross[face] / np.maximum(area[face], 1e-30)[:, None]
