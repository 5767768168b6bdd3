"""Textures keep to corners; only formats see seams."""

import numpy as np
import pytest

from isofield.geometry import Mesh, Similarity, Texture

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
WHITE = np.full((2, 2, 3), 255, np.uint8)


def square(uv) -> Mesh:
    return Mesh(SQUARE, FACES, texture=Texture(np.array(uv, float), WHITE))


@pytest.fixture
def whole() -> Mesh:
    """Both faces in one chart."""
    return square(SQUARE[FACES][..., :2])


@pytest.fixture
def parted() -> Mesh:
    """The second face lies elsewhere in the picture, so its two shared corners do, too."""
    return square([[[0, 0], [1, 0], [1, 1]], [[0.5, 0], [1, 0.5], [0, 0]]])


def test_vertices_are_doubled_along_seams_only(whole, parted):
    for mesh, count in ((whole, 4), (parted, 6)):
        source, places, faces = mesh.texture.along_seams(mesh.faces)
        assert len(source) == len(places) == count
        np.testing.assert_array_equal(source[faces], mesh.faces)
        np.testing.assert_array_equal(places[faces], mesh.texture.uv)


def test_faces_keep_their_places(parted):
    for keep in (np.array([False, True]), np.array([1])):
        kept = parted.with_faces(keep)
        np.testing.assert_array_equal(kept.texture.uv, parted.texture.uv[1:])
    moved = parted.transformed(Similarity(scale=2.0))
    assert moved.texture is parted.texture
