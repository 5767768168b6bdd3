"""Shapes as voxels, points and coarse meshes."""

import numpy as np
import pytest
import trimesh

from isofield.geometry.mesh import Mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.metrics.explicit import Voxelised, decimated, drawn_points, mesh_bytes


def ball(subdivisions: int = 5) -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    return Mesh(np.array(sphere.vertices), np.array(sphere.faces))


@pytest.mark.parametrize("side", [16, 33])
def test_voxels_of_a_ball_have_its_volume_and_a_closed_surface(side):
    voxels = Voxelised.of(ball(), side)
    mesh = voxels.mesh()
    made = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert made.volume == pytest.approx(np.pi / 6, rel=0.03)
    assert made.volume == pytest.approx(voxels.occupied.mean() * 1.1**3)
    assert check_mesh(mesh).is_closed
    assert voxels.bytes == -(-(side**3) // 8)
    np.testing.assert_allclose(made.bounds, [[-0.5] * 3, [0.5] * 3], atol=1.1 / side)


def test_empty_voxels_have_no_surface():
    with pytest.raises(ValueError, match="no cell is full"):
        Voxelised(np.zeros((4, 4, 4), bool)).mesh()


def test_points_lie_on_the_surface():
    points, size = drawn_points(ball(), 100)
    assert size == 1200
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.5, atol=1e-3)


@pytest.mark.parametrize("most", [3_000, 30_000])
def test_a_coarse_mesh_fits_into_its_bytes(most):
    coarse = decimated(ball(), most)
    assert 0.8 * most < mesh_bytes(coarse) < 1.1 * most
    assert mesh_bytes(decimated(ball(1), 10**6)) == 42 * 12 + 80 * 12
