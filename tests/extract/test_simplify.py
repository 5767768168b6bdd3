"""Simplified meshes stay closed and manifold."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh
from isofield.extract.simplify import mend, simplify
from isofield.geometry import Box, Mesh
from isofield.geometry.mesh_checks import check_mesh

BOX = Box.cube(1.1)


def torus(p):
    return 0.12 - ((p[:, :2].norm(dim=1) - 0.3) ** 2 + p[:, 2] ** 2).sqrt()


def foam(seed):
    """A field with many thin walls and handles."""
    rng = np.random.default_rng(seed)
    waves = torch.tensor(rng.normal(0, 16, (12, 3)), dtype=torch.float32)
    phase = torch.tensor(rng.uniform(0, 6, 12), dtype=torch.float32)
    return lambda p: torch.cos(p @ waves.T + phase).sum(dim=1)


@pytest.mark.parametrize("faces", [200, 1000, 5000])
def test_a_torus_stays_a_torus(faces):
    mesh = extract_mesh(torus, BOX, resolution=96)
    result = simplify(mesh, faces)
    checks = check_mesh(result.mesh)
    assert result.note is None
    assert checks.is_sound
    assert checks.genus == 1
    assert abs(checks.faces - faces) <= 0.1 * faces
    assert checks.volume == pytest.approx(check_mesh(mesh).volume, rel=20 / faces)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("faces", [100, 1500])
def test_foam_stays_sound(seed, faces):
    mesh = extract_mesh(foam(seed), BOX, resolution=32, project=0, normals=None)
    result = simplify(mesh, faces)
    checks = check_mesh(result.mesh)
    assert checks.is_sound, checks
    assert result.note is None
    assert 0.5 * faces < checks.faces < 1.1 * faces


def test_normals_and_colours_are_carried_over():
    mesh = extract_mesh(torus, BOX, resolution=64, colour=lambda p: p + 0.5)
    small = simplify(mesh, 2000).mesh
    np.testing.assert_allclose(small.colours, small.vertices + 0.5, atol=0.02)
    assert (small.normals * small.vertex_normals()).sum(axis=1).mean() > 0.98
    np.testing.assert_allclose(np.linalg.norm(small.normals, axis=1), 1)


def test_far_from_the_origin_nothing_is_lost():
    mesh = extract_mesh(torus, BOX, resolution=64, normals=None)
    far = np.array([500_000.0, 5_000_000.0, 300.0])
    near, away = simplify(mesh, 1500).mesh, simplify(replace(mesh, vertices=mesh.vertices + far), 1500).mesh
    assert check_mesh(away).volume == pytest.approx(check_mesh(near).volume, rel=1e-4)


def test_small_meshes_are_returned_as_they_are():
    mesh = extract_mesh(torus, BOX, resolution=24)
    assert simplify(mesh, len(mesh.faces)).mesh is mesh
    with pytest.raises(ValueError, match="at least 4"):
        simplify(mesh, 3)


CUBE = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=np.float64)
SIDES = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
TRIANGLES = np.array([t for a, b, c, d in SIDES for t in ((a, b, c), (a, c, d))])


def glued(by):
    """Two unit cubes, the second one moved, whose common corners are one vertex."""
    both = np.concatenate([CUBE, CUBE + by])
    vertices, number = np.unique(both, axis=0, return_inverse=True)
    return Mesh(vertices, number.ravel()[np.concatenate([TRIANGLES, TRIANGLES + 8])])


@pytest.mark.parametrize("by", [[1, 1, 1], [1, 1, 0], [1, 0, 1]])
def test_solids_that_touch_come_apart(by):
    checks = check_mesh(mend(glued(np.array(by))))
    assert checks.is_sound
    assert (checks.components, checks.volume, checks.vertices) == (2, pytest.approx(2), 16)


def test_a_wall_shared_back_to_back_disappears():
    """Both cubes cut the shared side along the same diagonal, so its triangles cancel."""
    mesh = glued(np.array([1, 0, 0]))
    faces = mesh.faces.copy()
    x = mesh.vertices[:, 0]
    shared = (x[faces] == 1).all(axis=1)
    first = faces[np.flatnonzero(shared)[:2]]
    faces[np.flatnonzero(shared)[2:]] = first[:, ::-1]
    checks = check_mesh(mend(replace(mesh, faces=faces)))
    assert checks.is_sound
    assert (checks.components, checks.faces, checks.volume) == (1, 20, pytest.approx(2))


def test_a_neck_that_shrank_to_an_edge_is_parted():
    """Two tubes of a ring of cubes meet in one edge whose ends hang together all around."""
    ring = [[0, 0, 0], [1, 1, 0], [2, 0, 0], [1, -1, 0]]
    vertices, number = np.unique(np.concatenate([CUBE + by for by in ring]), axis=0, return_inverse=True)
    faces = np.concatenate([TRIANGLES + 8 * k for k in range(4)])
    touching = Mesh(vertices, number.ravel()[faces])
    assert check_mesh(touching).crowded_edges == 4
    assert check_mesh(mend(touching)).is_sound

    # A collapsed waist: two tetrahedra share the edge 0-1 and, by a bridge of two faces, both its ends.
    apex = np.array(
        [[0, 0, 0], [0, 0, 1], [1, -1, 0.5], [1, 1, 0.5], [-1, -1, 0.5], [-1, 1, 0.5]], dtype=float
    )
    right, left = [[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 2, 1]], [[0, 4, 1], [1, 5, 0], [5, 4, 0], [4, 5, 1]]
    bridged = [f for f in right + left if f not in ([2, 3, 0], [5, 4, 0])]
    bridged += [[2, 4, 0], [4, 2, 5], [2, 3, 5], [3, 0, 5]]
    waist = Mesh(apex, np.array(bridged))
    before = check_mesh(waist)
    assert before.crowded_edges == 1
    assert before.boundary_edges == 0
    after = check_mesh(mend(waist))
    assert after.is_closed
    assert after.is_manifold
    assert after.volume == pytest.approx(before.volume)


def test_folded_faces_are_dropped():
    mesh = Mesh(CUBE, np.concatenate([TRIANGLES, [[0, 0, 1], [2, 3, 2]]]))
    checks = check_mesh(mend(mesh))
    assert checks.is_sound
    assert checks.faces == 12
