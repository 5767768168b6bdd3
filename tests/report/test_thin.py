import numpy as np
import pytest
import trimesh

from isofield.geometry import Mesh
from isofield.report.thin import thin_mesh


def ball(subdivisions: int) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = np.array(made.vertices, dtype=float)
    return Mesh(vertices, np.array(made.faces, dtype=np.int64), colours=(vertices + 1) / 2)


def test_small_meshes_stay_and_get_normals():
    mesh = ball(2)
    thin = thin_mesh(mesh, 1000)
    assert thin.faces is mesh.faces
    assert thin.normals == pytest.approx(mesh.vertices, abs=0.03)


def test_large_meshes_come_below_the_limit_and_keep_shape_and_colour():
    thin = thin_mesh(ball(5), 3000)
    assert 1200 < len(thin.faces) <= 3000
    assert np.linalg.norm(thin.vertices, axis=1) == pytest.approx(1, abs=0.02)
    assert thin.normals == pytest.approx(thin.vertices, abs=0.05)
    assert thin.colours == pytest.approx((thin.vertices + 1) / 2)
    assert thin.face_areas().sum() == pytest.approx(4 * np.pi, rel=0.05)
