"""Rays of cameras, and where they pass a box."""

import numpy as np
import pytest
import torch

from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.rays import Rays

CAMERA = Camera.orbiting(0.7, 0.4, 3.0, 50.0, 32)


def test_a_point_on_a_ray_is_seen_at_the_ray_s_pixel() -> None:
    rays = Rays.through_pixels(CAMERA, 32, 32)
    points = rays.at(torch.full((len(rays),), 2.5)).double().numpy()
    pixels, depths = CAMERA.project(points)
    assert np.abs(pixels - pixel_centres(32, 32)).max() < 1e-3
    assert depths.min() > 0


def test_several_points_on_each_ray_are_those_of_one_at_a_time() -> None:
    rays = Rays.through_pixels(CAMERA, 4, 4)
    t = torch.rand(16, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rays.at(t)[:, 3], rays.at(t[:, 3]))


def test_a_box_is_entered_and_left_where_the_faces_are() -> None:
    rays = Rays.through_pixels(CAMERA, 32, 32).within(Box.cube(1.0))
    hit = rays.near < rays.far
    assert 0.05 < hit.float().mean() < 0.9
    for t in (rays.near, rays.far):
        places = rays[hit].at(t[hit])
        assert torch.allclose(places.abs().amax(dim=1), torch.tensor(0.5), atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 0.5, 0.7])
def test_a_ray_along_an_axis_meets_the_box_unless_it_passes_beside_it(offset: float) -> None:
    origin, towards = torch.tensor([[-2.0, offset, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]])
    rays = Rays(origin, towards, torch.zeros(1), torch.full((1,), torch.inf)).within(Box.cube(1.0))
    assert bool(rays.near < rays.far) == (offset <= 0.5)


def test_a_camera_in_another_frame_sees_the_same_picture() -> None:
    turn = Camera.orbiting(1.1, 0.3, 1.0, 1.0, 2).camera_from_world[:, :3]
    move = Similarity(0.3, turn, np.array([1.0, -2.0, 0.5]))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    pixels, depths = CAMERA.project(points)
    again, same = CAMERA.moved(move).project(move.apply(points))
    assert np.allclose(pixels, again)
    assert np.allclose(depths, same)
    assert np.allclose(CAMERA.moved(move).centre, move.apply(CAMERA.centre[None])[0])


def test_a_smaller_picture_shows_the_same_at_half_the_pixels() -> None:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    assert np.allclose(CAMERA.resized(0.5).project(points)[0], CAMERA.project(points)[0] / 2)
