"""What is asked in an order of its own is what libigl says, point by point."""

import igl
import numpy as np
import pytest
import trimesh

from isofield.geometry import Mesh
from isofield.geometry.nearest import nearest_on
from isofield.geometry.winding import winding


@pytest.fixture(scope="module")
def ring():
    made = trimesh.creation.torus(major_radius=1.0, minor_radius=0.4)
    return Mesh(np.array(made.vertices), np.array(made.faces, np.int64))


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).uniform(-1.5, 1.5, (3000, 3))


def test_the_order_changes_nothing(ring, points):
    squared, face, place = igl.point_mesh_squared_distance(points, ring.vertices, ring.faces)
    found = nearest_on(ring.vertices, ring.faces, points)
    assert (found[0] == np.sqrt(squared)).all()
    assert (found[1] == face).all()
    assert (found[2] == place).all()
    assert (winding(ring, points) == igl.fast_winding_number(ring.vertices, ring.faces, points)).all()


def test_distances_are_those_of_the_formula(ring, points):
    distance, _, place = nearest_on(ring.vertices, ring.faces, points)
    true = np.abs(np.hypot(np.hypot(points[:, 0], points[:, 1]) - 1.0, points[:, 2]) - 0.4)
    assert np.abs(distance - true).max() < 0.02
    assert np.linalg.norm(points - place, axis=1) == pytest.approx(distance)


def test_no_points_are_near_nothing(ring):
    assert [len(part) for part in nearest_on(ring.vertices, ring.faces, np.zeros((0, 3)))] == [0, 0, 0]
