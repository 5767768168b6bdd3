"""Squares and spheres that surfaces are made of."""

import numpy as np
import pytest

from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.geometry.template import icosphere, square


def test_a_square_is_a_grid_with_first_coordinate_slowest():
    vertices, faces = square(4)
    assert vertices.shape == (16, 2)
    np.testing.assert_allclose(vertices[:5], [[0, 0], [0, 1 / 3], [0, 2 / 3], [0, 1], [1 / 3, 0]])
    checks = check_mesh(Mesh(np.pad(vertices, ((0, 0), (0, 1))), faces))
    assert (checks.euler, checks.boundary_edges, checks.faces) == (1, 12, 18)
    assert checks.is_oriented
    assert checks.area == pytest.approx(1)
    with pytest.raises(ValueError, match="no cells"):
        square(1)


@pytest.mark.parametrize(("halvings", "count"), [(0, 12), (1, 42), (4, 2562)])
def test_a_sphere_is_sound_and_of_radius_one(halvings, count):
    vertices, faces = icosphere(halvings)
    assert len(vertices) == count
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1)
    checks = check_mesh(Mesh(vertices, faces))
    assert checks.is_sound
    assert checks.genus == 0
    assert checks.volume < 4 / 3 * np.pi


def test_a_fine_sphere_has_the_volume_of_a_ball():
    assert Mesh(*icosphere(4)).volume() == pytest.approx(4 / 3 * np.pi, rel=5e-3)
