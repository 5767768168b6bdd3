"""One averaged point per cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isofield.observation import PointCloud
from isofield.thinning import grid_thin


def naive(points, cell):
    """A dictionary of cells, filled point by point."""
    cells = {}
    for p in points:
        cells.setdefault(tuple(np.floor((p - points.min(axis=0)) / cell).astype(int)), []).append(p)
    return np.array([np.mean(cells[key], axis=0) for key in sorted(cells)])


@given(st.integers(1, 200), st.floats(0.05, 3), st.integers(0, 9))
def test_equals_a_dictionary_of_cells(count, cell, seed):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    np.testing.assert_allclose(grid_thin(PointCloud(points), cell).points, naive(points, cell), atol=1e-12)


def test_attributes_are_averaged_too():
    points = np.array([[0.0, 0, 0], [0.1, 0, 0], [5, 0, 0]])
    normals = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
    cloud = PointCloud(points, normals, colours=np.abs(normals), sensors=points + 1)
    thin = grid_thin(cloud, 1.0)
    np.testing.assert_allclose(thin.points, [[0.05, 0, 0], [5, 0, 0]])
    np.testing.assert_allclose(thin.normals, [[0.5**0.5, 0.5**0.5, 0], [0, 0, -1]])
    np.testing.assert_allclose(thin.colours, [[0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_allclose(thin.sensors, [[1.05, 1, 1], [6, 1, 1]])


def test_normals_that_cancel_out_are_unknown():
    points = np.array([[0.0, 0, 0], [0.1, 0, 0], [5, 0, 0]])
    normals = np.array([[0.0, 0, 1], [0, 0, -1], [1, 0, 0]])
    np.testing.assert_array_equal(grid_thin(PointCloud(points, normals), 1.0).normals, [[0, 0, 0], [1, 0, 0]])


def test_order_and_place_do_not_matter():
    points = np.random.default_rng(0).random((5000, 3))
    thin = grid_thin(PointCloud(points), 0.07).points
    shuffled = np.random.default_rng(1).permutation(points)
    np.testing.assert_allclose(grid_thin(PointCloud(shuffled), 0.07).points, thin, atol=1e-12)
    far = grid_thin(PointCloud(points + 2.0**22), 0.07).points - 2.0**22
    assert abs(len(far) - len(thin)) < 10  # cell walls may cut differently in the last bits


def test_impossible_cells():
    cloud = PointCloud(np.random.default_rng(0).random((10, 3)))
    for cell in (0.0, -1.0, float("nan"), 1e-9):
        with pytest.raises(ValueError, match="cell"):
            grid_thin(cloud, cell)
