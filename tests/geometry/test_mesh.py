"""What a mesh knows about itself."""

import numpy as np
import pytest

from isofield.geometry import Mesh, Similarity

SQUARE = Mesh(np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]]))


def test_faces_have_normals_and_areas():
    np.testing.assert_array_equal(SQUARE.face_normals(), [[0, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(SQUARE.face_areas(), [2, 2])


def test_vertex_normals_are_weighted_by_area():
    # Two faces meet at a right angle in the edge 0-1; the upright one is three times as large.
    mesh = Mesh(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, -3.0], [9, 9, 9]]), np.array([[0, 1, 2], [1, 0, 3]])
    )
    normals = mesh.vertex_normals()
    np.testing.assert_allclose(normals[0], np.array([0, -3, 1]) / np.sqrt(10))
    np.testing.assert_allclose(normals[2], [0, 0, 1])
    np.testing.assert_array_equal(normals[4], 0)


def test_samples_are_spread_by_area_and_repeatable():
    mesh = Mesh(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [0, 1, 5.0], [1, 1, 1]]),
        np.array([[6, 6, 6], [0, 1, 2], [3, 4, 5]]),
    )
    points, normals = mesh.sampled(40_000, seed=1)
    upper = points[:, 2] > 1
    assert upper.mean() == pytest.approx(0.75, abs=0.01)
    np.testing.assert_allclose(points[~upper].mean(axis=0), [1 / 3, 1 / 3, 0], atol=0.01)
    assert (points[~upper][:, :2].sum(axis=1) <= 1).all()
    np.testing.assert_array_equal(normals, [[0, 0, 1]] * len(points))
    np.testing.assert_array_equal(points, mesh.sampled(40_000, seed=1)[0])
    assert not np.array_equal(points, mesh.sampled(40_000, seed=2)[0])


def test_nothing_to_sample_is_an_error():
    with pytest.raises(ValueError, match="without area"):
        Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])).sampled(1)


def test_with_faces_drops_unused_vertices_and_keeps_their_properties():
    full = Mesh(SQUARE.vertices, SQUARE.faces, np.eye(4, 3), np.arange(12).reshape(4, 3) / 12)
    half = full.with_faces(np.array([False, True]))
    np.testing.assert_array_equal(half.vertices, SQUARE.vertices[[0, 2, 3]])
    np.testing.assert_array_equal(half.faces, [[0, 1, 2]])
    np.testing.assert_array_equal(half.normals, np.eye(4, 3)[[0, 2, 3]])
    np.testing.assert_array_equal(half.colours, full.colours[[0, 2, 3]])


def test_a_similarity_moves_vertices_and_turns_normals():
    turn = Similarity(2.0, np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]), np.array([1.0, 0, 0]))
    mesh = Mesh(SQUARE.vertices, SQUARE.faces, np.tile([1.0, 0, 0], (4, 1))).transformed(turn)
    np.testing.assert_allclose(mesh.vertices[1], [1, 4, 0])
    np.testing.assert_allclose(mesh.normals, [[0, 1, 0]] * 4)
