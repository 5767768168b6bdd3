"""Cells of a grid."""

import numpy as np
import pytest

from isofield.ops.cells import cell_keys, one_per_cell


def test_keys_order_cells_by_x_then_y_then_z():
    points = np.array([[0.0, 0, 0], [0.9, 0.9, 0.9], [0, 0, 1.5], [0, 1.5, 0], [1.5, 0, 0]])
    keys = cell_keys(points, 1.0)
    assert keys[0] == keys[1]
    assert keys[0] < keys[2] < keys[3] < keys[4]


def test_one_per_cell_takes_the_first():
    points = np.array([[5.0, 0, 0], [0, 0, 0], [5.1, 0, 0], [0.2, 0.1, 0]])
    assert one_per_cell(points, 1.0).tolist() == [0, 1]


@pytest.mark.parametrize("cell", [0.0, -1.0, 1e-8])
def test_impossible_cells(cell):
    with pytest.raises(ValueError, match="cell"):
        cell_keys(np.eye(3), cell)
