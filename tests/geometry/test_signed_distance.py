"""Signed distances to meshes beside formulas."""

import numpy as np
import pytest

from isofield.geometry.mesh import Mesh
from isofield.geometry.signed_distance import signed_distance


def cube() -> Mesh:
    """Of edge 1 around the origin, outwards."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def test_a_cube_by_its_formula():
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (2_000, 3))
    q = np.abs(points) - 0.5
    formula = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    np.testing.assert_allclose(signed_distance(cube(), points), formula, atol=1e-7)


def test_no_points_and_no_faces():
    assert signed_distance(cube(), np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ValueError, match="no faces"):
        signed_distance(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64)), np.zeros((1, 3)))
