import numpy as np
import pytest

from isofield.geometry import Box
from isofield.geometry.mesh_checks import check_mesh
from isofield.observation import Voxels
from isofield.report.cubes import cubes

BOX = Box(np.array([-1.0, 2, 5]), np.array([1.0, 8, 9]))
"""Of a grid of 4 x 6 x 2 voxels, each 0.5 x 1 x 2."""


def grid(*occupied) -> Voxels:
    voxels = np.zeros((4, 6, 2), dtype=bool)
    voxels[tuple(np.transpose(occupied))] = True
    return Voxels(voxels, BOX)


def test_one_voxel_is_a_box_in_its_place():
    mesh = cubes(grid((1, 5, 0)))
    assert len(mesh.faces) == 10 * 6
    assert mesh.vertices.min(axis=0) == pytest.approx([-0.5, 7, 5])
    assert mesh.vertices.max(axis=0) == pytest.approx([0, 8, 7])
    assert mesh.volume() == pytest.approx(0.5 * 1 * 2)  # positive: faces look outwards
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    across = np.cross(b - a, c - a)
    assert across / np.linalg.norm(across, axis=1, keepdims=True) == pytest.approx(
        mesh.normals[mesh.faces[:, 0]]
    )


def test_faces_between_neighbours_are_left_out():
    assert len(cubes(grid((0, 0, 0), (0, 1, 0), (3, 5, 1))).faces) == 10 * (10 + 6)


def test_random_voxels_enclose_their_volume():
    occupied = np.random.default_rng(0).random((4, 6, 2)) < 0.5
    mesh = cubes(Voxels(occupied, BOX))
    assert mesh.volume() == pytest.approx(occupied.sum())
    faces = sum((np.diff(np.pad(occupied, 1).astype(int), axis=axis) != 0).sum() for axis in range(3))
    assert len(mesh.faces) == 10 * faces
    assert check_mesh(mesh).degenerate_faces == 0


def test_rims_are_dark_and_take_their_share_of_each_face():
    mesh = cubes(grid((2, 3, 1)))
    areas, dark = mesh.face_areas(), mesh.colours[mesh.faces[:, 0]].mean(axis=1) < 0.4
    assert areas.sum() == pytest.approx(2 * (0.5 * 1 + 1 * 2 + 0.5 * 2))
    assert areas[~dark].sum() == pytest.approx(0.9**2 * areas.sum())
    assert (mesh.colours[mesh.faces] == mesh.colours[mesh.faces[:, :1]]).all()


def test_no_voxels_no_faces():
    assert cubes(Voxels(np.zeros((4, 6, 2), dtype=bool), BOX)).faces.shape == (0, 3)
