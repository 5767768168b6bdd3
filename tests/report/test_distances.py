import numpy as np
import pytest

from isofield.geometry import Mesh
from isofield.report import distances as d


@pytest.fixture
def square() -> Mesh:
    """The unit square at z = 0, in two triangles."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


@pytest.mark.parametrize("most", [0, 100], ids=["candidates", "exact"])
def test_distances_to_a_square(square, most, monkeypatch):
    monkeypatch.setattr(d, "EXACT_UP_TO", most)
    monkeypatch.setattr(d, "CANDIDATES", 2)
    points = np.array([[0.3, 0.6, 0.25], [2, 0.5, 0], [-3, -4, 0], [0.9, 0.1, -1], [0.5, 0.5, 0.0]])
    found = d.distances_to_mesh(points + 1e5, Mesh(square.vertices + 1e5, square.faces))
    assert found.lengths == pytest.approx([0.25, 1, 5, 1, 0], abs=1e-9)
    assert found.normals == pytest.approx(np.tile([0, 0, 1], (5, 1)))


def test_candidates_agree_with_the_exact_way(monkeypatch):
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=3)
    mesh = Mesh(np.array(ball.vertices, dtype=float), np.array(ball.faces, dtype=np.int64))
    points = np.random.default_rng(1).normal(size=(500, 3))
    exact = d.distances_to_mesh(points, mesh)
    monkeypatch.setattr(d, "EXACT_UP_TO", 0)
    near = d.distances_to_mesh(points, mesh)
    assert near.lengths == pytest.approx(exact.lengths, abs=1e-6)


def test_a_subset_is_measured_and_stays_the_same(square):
    points = np.random.default_rng(0).random((1000, 3))
    one, two = (d.distances_to_mesh(points, square, samples=100) for _ in range(2))
    assert (one.chosen == two.chosen).all()
    assert len(np.unique(one.chosen)) == 100
    assert one.lengths == pytest.approx(points[one.chosen, 2])
    assert one.summary()["measured"] == 100


def test_nothing_to_measure_is_said(square):
    with pytest.raises(ValueError, match="no points or no faces"):
        d.distances_to_mesh(np.zeros((0, 3)), square)


def test_guessed_surface_is_far_from_points(square):
    found = d.distances_to_points(square.vertices, np.zeros((1, 3)))
    assert found == pytest.approx([0, 1, np.sqrt(2), 1])
