"""A network in a file is meshed as what it says."""

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh
from isofield.geometry.mesh_checks import check_mesh
from isofield.systems.field_file import read_scene


@pytest.fixture
def octahedron(tmp_path):
    """|x - c|_1 - r as a network, negative inside as these files are."""
    centre, radius = np.array([0.2, -0.1, 0.3]), 0.5
    weight = np.concatenate([np.eye(3), -np.eye(3)], axis=1)
    arrays = {
        "0000.dense.A": weight,
        "0000.dense.b": -centre @ weight,
        "0001.relu._": np.zeros(0),
        "0002.dense.A": np.ones((6, 1)),
        "0002.dense.b": np.array([-radius]),
        "0003.squeeze_last._": np.zeros(0),
    }
    np.savez(tmp_path / "octahedron.npz", **arrays)
    return tmp_path / "octahedron.npz"


@pytest.mark.parametrize("certified", [False, True])
def test_the_mesh_is_the_shape(octahedron, certified):
    scene = read_scene(octahedron)
    values = scene.inside(torch.tensor([[0.2, -0.1, 0.3], [0.2, -0.1, 0.9]]))
    torch.testing.assert_close(values, torch.tensor([0.5, -0.1]))
    mesh = extract_mesh(scene.inside, scene.box, resolution=48, normals="faces", certified=certified)
    checks = check_mesh(mesh)
    assert checks.is_sound
    assert checks.volume == pytest.approx(4 / 3 * 0.5**3, rel=0.02)
    assert mesh.vertices.mean(axis=0) == pytest.approx([0.2, -0.1, 0.3], abs=0.01)
