"""Surfaces cut off where nothing supports them: areas, edges and counts are known."""

import numpy as np
import pytest

from isofield.extract.trim import trim
from isofield.geometry import Mesh
from isofield.geometry.mesh_checks import check_mesh

CELLS = 60


@pytest.fixture
def square() -> Mesh:
    """[0, 60]^2 at z = 0 in cells of edge 1, looking up, coloured by x."""
    x, y = np.meshgrid(np.arange(CELLS + 1.0), np.arange(CELLS + 1.0), indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    a = (np.arange(CELLS)[:, None] * (CELLS + 1) + np.arange(CELLS)).ravel()
    faces = np.concatenate(
        [np.stack([a, a + CELLS + 1, a + CELLS + 2], 1), np.stack([a, a + CELLS + 2, a + 1], 1)]
    )
    colours = np.repeat(vertices[:, :1] / CELLS, 3, axis=1)
    return Mesh(vertices, faces, np.tile([0.0, 0, 1], (len(vertices), 1)), colours)


def disc(mesh: Mesh, centre: tuple[float, float], radius: float) -> np.ndarray:
    """Falls from 1 through 1/2 at the radius to 0."""
    away = np.linalg.norm(mesh.vertices[:, :2] - centre, axis=1)
    return np.clip(0.5 + (radius - away) / 8, 0, 1)


def test_a_disc_is_cut_out_along_a_circle(square):
    found = trim(square, disc(square, (30, 30), 20), 1.0)
    checks = check_mesh(found)
    assert checks.area == pytest.approx(np.pi * 400, rel=0.01)
    assert (checks.components, checks.euler) == (1, 1)
    assert checks.is_oriented
    assert checks.is_manifold
    assert checks.degenerate_faces == 0
    rim = np.linalg.norm(found.vertices[:, :2] - 30, axis=1)
    assert rim.max() == pytest.approx(20, abs=0.15)  # no teeth: within a sixth of a cell
    assert (found.face_normals()[:, 2] > 0.99).all()
    assert np.allclose(found.colours[:, 0], found.vertices[:, 0] / CELLS)
    assert np.allclose(found.normals, [0, 0, 1])


def test_small_islands_go_and_small_holes_are_filled(square):
    support = np.maximum(disc(square, (20, 20), 17), disc(square, (52, 52), 5))
    support -= disc(square, (20, 20), 3.5) * 0.9
    found = trim(square, support, 1.0)
    assert (check_mesh(found).components, check_mesh(found).euler) == (1, 1)
    assert check_mesh(found).area == pytest.approx(np.pi * 17**2, rel=0.02)


def test_large_islands_and_holes_stay(square):
    support = np.maximum(disc(square, (20, 20), 17), disc(square, (50, 50), 8.5))
    support = np.minimum(support, 1 - disc(square, (20, 20), 8))
    found = check_mesh(trim(square, support, 1.0))
    assert (found.components, found.euler) == (2, 1)  # a ring and a disc


def test_the_only_island_stays_however_small(square):
    found = trim(square, disc(square, (30, 30), 3), 1.0)
    assert check_mesh(found).area == pytest.approx(np.pi * 9, rel=0.35)


def test_single_unsupported_vertices_leave_no_teeth(square):
    support = disc(square, (30, 30), 20)
    support[np.random.default_rng(0).random(len(support)) < 0.05] = 0
    found = check_mesh(trim(square, support, 1.0))
    assert (found.components, found.euler) == (1, 1)


def test_everything_and_nothing(square):
    everything = trim(square, np.ones(len(square.vertices)), 1.0)
    assert np.array_equal(everything.faces, square.faces)
    assert len(trim(square, np.zeros(len(square.vertices)), 1.0).faces) == 0
