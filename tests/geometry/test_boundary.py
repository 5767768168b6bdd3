"""Signed distances to meshes beside formulas."""

import numpy as np
import pytest

from isofield.errors import InputError
from isofield.geometry.boundary import Boundary
from isofield.geometry.mesh import Mesh


def cube() -> Mesh:
    """Of edge 1 around the origin, outwards."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def test_a_cube_by_its_formula():
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (2_000, 3))
    q = np.abs(points) - 0.5
    formula = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    np.testing.assert_allclose(Boundary.of(cube(), 0).signed_distance(points), formula, atol=1e-7)


def test_no_points_and_no_faces():
    assert Boundary.of(cube(), 0).signed_distance(np.zeros((0, 3))).shape == (0,)
    with pytest.raises(ValueError, match="no face"):
        Boundary.of(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64)), 0)


def test_faces_within_the_shape_are_no_surface():
    """Two cubes that overlap in a slab: the faces in it count for nothing."""
    one, aside = cube(), np.array([0.6, 0.0, 0.0])
    vertices = np.concatenate([one.vertices, one.vertices + aside])
    both = Mesh(vertices, np.concatenate([one.faces, one.faces + 8]))
    boundary = Boundary.of(both, 0)
    assert not boundary.is_whole
    within = (np.abs(boundary.points[:, 0] - 0.3) < 0.19) & (np.abs(boundary.points[:, 1:]).max(1) < 0.49)
    assert not within.any()
    points = np.random.default_rng(0).uniform([-0.4, -0.4, -0.4], [1.0, 0.4, 0.4], (2_000, 3))
    whole = np.abs(points - [0.3, 0, 0]) - [0.8, 0.5, 0.5]
    np.testing.assert_allclose(boundary.signed_distance(points), whole.max(1), atol=0.01)


def test_a_sheet_encloses_nothing():
    sheet = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="no face has inside"):
        Boundary.of(sheet, 0)
