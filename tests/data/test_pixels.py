"""Pixels with their rays: where they lie, how they are drawn, and what is beside outlines."""

import numpy as np
import pytest
import torch

from isofield.data.pixels import Pixels, PixelSource
from isofield.geometry import Similarity
from isofield.geometry.camera import Camera
from isofield.observation import Views

SIZE = (6, 8)


@pytest.fixture
def views():
    """Three pictures, the second held out; red and green tell the pixel, blue the picture."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    images = [np.stack([x / 10, y / 10, np.full(SIZE, k / 10)], -1).astype(np.float32) for k in range(3)]
    masks = [((x >= 2) & (x < 6) & (y >= 2) & (y < 4)).astype(np.float32)] * 3
    cameras = [Camera.orbiting(k, 0.3, 2.0, 9.0, 8) for k in range(3)]
    depths = [np.full(SIZE, 1.5, np.float32)] * 3
    return Views(images, cameras, ["a", "b", "c"], masks=masks, depths=depths, held_out=[False, True, False])


def test_rays_are_those_of_the_cameras_in_the_frame_of_the_scene(views):
    unit = Similarity(2.0, np.eye(3), np.array([1.0, 0, 0]))
    pixels = Pixels.of(views, unit)
    assert len(pixels) == 2 * 48
    assert pixels.view.unique().tolist() == [0, 1]
    camera = views.cameras[2]
    np.testing.assert_allclose(pixels.origins[1], 2 * camera.centre + [1, 0, 0], atol=1e-6)
    number = 48 + 3 * 8 + 5
    expected = camera.directions(np.array([[5.5, 3.5]]))[0]
    np.testing.assert_allclose(pixels.directions[number], expected, atol=1e-6)
    np.testing.assert_allclose(pixels.colours[number], [0.5, 0.3, 0.2], atol=1e-6)
    np.testing.assert_allclose(pixels.axes[1], camera.camera_from_world[:, :3].T, atol=1e-6)


def test_depths_become_lengths_along_rays(views):
    pixels = Pixels.of(views, Similarity(2.0, np.eye(3), np.zeros(3)))
    forward = pixels.axes[pixels.view][:, :, 2]
    along = (pixels.directions * forward).sum(1) * pixels.depths
    np.testing.assert_allclose(along, 3.0, rtol=1e-5)


def test_draws_are_functions_of_the_step(views):
    source = PixelSource(Pixels.of(views, Similarity()), 32, seed=3, on_object=0.5)
    first, again, next_one = source.batch(4, 0, 1), source.batch(4, 0, 1), source.batch(5, 0, 1)
    assert torch.equal(first.colours, again.colours)
    assert not torch.equal(first.colours, next_one.colours)
    assert (first.mask[0, :16] == 1).all()
    assert first.step == 4
    assert source.batch(4, 1, 2).directions.shape == (1, 16, 3)


def test_patches_are_squares_of_four(views):
    pixels = Pixels.of(views, Similarity())
    batch = pixels.draw(np.random.default_rng(0), 400, patches=True)
    places = (batch.colours[0, :, :2] * 10).round().long().view(-1, 4, 2)
    steps = places - places[:, :1]
    inner = (places[:, 0, 0] < SIZE[1] - 1) & (places[:, 0, 1] < SIZE[0] - 1)
    assert inner.any()
    assert (steps[inner] == torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])).all()
    assert (steps[~inner] == 0).all()  # the last row and column have no square


def test_edges_are_where_the_mask_changes(views):
    pixels = Pixels.of(views, Similarity())
    edges = pixels.edges()
    assert len(edges) == 2 * 12  # of each picture: the sides of a rectangle of 4 x 2
    assert set(edges.tolist()) >= {1 * 8 + 2, 2 * 8 + 1, 3 * 8 + 5}


def test_pixels_beside_edges_are_pairs_of_their_picture(views):
    pixels = Pixels.of(views, Similarity())
    edges = pixels.edges()
    pairs = pixels.beside(edges, np.random.default_rng(1), 5, 1).view(2, -1)
    assert pairs.shape == (2, 10)
    assert pixels.view[pairs[0]].tolist() == pixels.view[pairs[1]].tolist() == [0] * 5 + [1] * 5
    middles = pairs.float().mean(0)
    assert set(middles.long().tolist()) <= set(edges.tolist())
    assert (middles == middles.round()).all()
