"""Cameras: axes by hand, projection and rays as inverses."""

import numpy as np
import pytest

from isofield.geometry.camera import Camera


def test_axes_are_right_down_forward():
    camera = Camera.orbiting(0.0, 0.0, 2.0, focal=100.0, size=200)
    assert camera.centre == pytest.approx([0, 0, 2])
    at = np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 1]])
    pixels, depth = camera.project(at)
    assert pixels == pytest.approx(np.array([[100.0, 100], [125, 100], [100, 75], [100, 100]]))
    assert depth == pytest.approx([2, 2, 2, 1])


def test_a_quarter_turn_stands_on_x_and_elevation_lifts():
    assert Camera.orbiting(np.pi / 2, 0.0, 3.0, 1.0, 2).centre == pytest.approx([3, 0, 0])
    assert Camera.orbiting(0.0, np.pi / 6, 2.0, 1.0, 2).centre == pytest.approx([0, 1, np.sqrt(3)])


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_rays_go_through_what_projects_to_their_pixels(scale):
    camera = Camera.orbiting(0.7, 0.5, 2.0, 245.0, 224)
    camera = Camera(camera.pixel_from_camera, camera.camera_from_world * scale)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    towards = camera.directions(camera.project(points)[0])
    away = points - camera.centre
    assert towards == pytest.approx(away / np.linalg.norm(away, axis=1, keepdims=True))
