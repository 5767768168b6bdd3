"""A ball, seen as a cloud, as a function and as a mesh, from cameras whose pictures are known."""

import numpy as np
import pytest
import torch

from isofield.errors import InputError
from isofield.extract import extract_mesh
from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera
from isofield.render.image import Painter
from isofield.render.orbit import turntable
from isofield.scene import Scene

PLACE = Similarity(scale=3.0, translation=np.array([10.0, -4.0, 2.0]))
MIDDLE = PLACE.apply(np.zeros((1, 3)))[0]
SIZE = 48


def inside(points):
    return 0.4 - points.norm(dim=1)


def colour(points):
    return 0.5 + points


def radiance(points, directions):
    return 300.0 * (inside(points) > 0).float(), colour(points)


SURFACE = Scene(Box.cube(1.0), PLACE, inside=inside, colour=colour)
CLOUD = Scene(Box.cube(1.0), PLACE, radiance=radiance)
MESH = extract_mesh(inside, Box.cube(1.0), resolution=48, colour=colour).transformed(PLACE)
SUBJECTS = {"surface": SURFACE, "cloud": CLOUD, "mesh": MESH}
either = pytest.mark.parametrize("name", SUBJECTS)


def camera() -> Camera:
    """On +z of the ball, 6 away."""
    return turntable(Box.cube(1.0), 4, (SIZE, SIZE), elevation=0.0, start=0.0)[0].moved(PLACE)


def true_depth() -> np.ndarray:
    """Of the ball of radius 1.2, along the camera's axis; zero beside it."""
    from isofield.geometry.camera import pixel_centres

    at = camera()
    towards, back = at.directions(pixel_centres(SIZE, SIZE)), at.centre - MIDDLE
    half = towards @ back
    under = half**2 - back @ back + 1.2**2
    t = -half - np.sqrt(np.maximum(under, 0))
    return np.where(under > 0, t * (towards @ at.forward), 0.0).reshape(SIZE, SIZE)


@either
def test_depths_are_those_of_a_sphere(name):
    found = Painter(SUBJECTS[name]).picture(camera(), SIZE, SIZE, "depth")[:, :, 0]
    wanted = true_depth()
    middle = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5)) < 0.8 * np.sqrt((wanted > 0).sum() / np.pi)
    np.testing.assert_allclose(found[middle], wanted[middle], atol=0.02)
    assert ((found > 0) == (wanted > 0)).mean() > 0.97


@either
def test_colours_are_where_they_belong(name):
    found = Painter(SUBJECTS[name]).picture(camera(), SIZE, SIZE, "colour")
    assert (found[0, 0] == 1).all()  # white behind
    row, left, right = SIZE // 2, SIZE // 2 - 8, SIZE // 2 + 8
    assert found[row, right, 0] > found[row, left, 0] + 0.1  # red grows with x, to the right
    assert found[SIZE // 2 - 8, SIZE // 2, 1] > found[SIZE // 2 + 8, SIZE // 2, 1] + 0.1  # green with y, up
    assert found[row, SIZE // 2, 2] == pytest.approx(0.9, abs=0.03)  # blue with z, towards us


@pytest.mark.parametrize("name", ["surface", "mesh"])
def test_normals_point_at_the_camera(name):
    found = Painter(SUBJECTS[name]).picture(camera(), SIZE, SIZE, "normals")
    np.testing.assert_allclose(found[SIZE // 2, SIZE // 2], [0.5, 0.5, 1.0], atol=0.06)
    assert found[SIZE // 2, SIZE // 2 + 10, 0] > 0.6  # right
    assert found[SIZE // 2 - 10, SIZE // 2, 1] > 0.6  # up


def test_the_lamp_is_over_the_left_shoulder():
    found = Painter(SURFACE).picture(camera(), SIZE, SIZE, "shaded").mean(2)
    assert found[SIZE // 2 - 6, SIZE // 2 - 6] > found[SIZE // 2 + 6, SIZE // 2 + 6] + 0.2


def test_finer_pictures_have_soft_edges():
    small = camera().resized(16 / SIZE)
    rough, fine = (Painter(SURFACE).picture(small, 16, 16, "normals", finer) for finer in (1, 4))
    changed = np.abs(rough - fine).max(2)
    assert changed.max() > 0.1
    assert changed[8, 8] < 0.06


def test_what_cannot_be_shown_is_said():
    assert Painter(CLOUD).kinds() == ["colour", "depth"]
    with pytest.raises(InputError, match="nothing to show as normals; there is colour, depth"):
        Painter(CLOUD).picture(camera(), 4, 4, "normals")
    with pytest.raises(InputError, match="there is nothing"):
        Painter(Scene()).picture(camera(), 4, 4)


def test_a_scene_brings_its_background():
    scene = Scene(Box.cube(1.0), radiance=radiance, background=lambda d: torch.full_like(d, 0.25))
    found = Painter(scene, background=None).picture(camera().moved(PLACE.inverse()), 8, 8)
    assert found[0, 0].tolist() == [0.25] * 3


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_the_turntable_keeps_the_box_in_sight_and_upright(up):
    box = Box(np.array([1.0, 2, 3]), np.array([2.0, 4, 4]))
    corners = np.stack(np.meshgrid(*zip(box.low, box.high, strict=True)), -1).reshape(8, 3)
    axis = np.eye(3)["xyz".index(up)]
    cameras = turntable(box, 12, (60, 90), up=up)
    for one in cameras:
        pixels, depths = one.project(np.concatenate([corners, [box.centre, box.centre + 0.1 * axis]]))
        assert (depths > 0).all()
        assert (pixels > 0).all()
        assert (pixels < [90, 60]).all()
        np.testing.assert_allclose(pixels[8], [45, 30], atol=1e-6)
        assert pixels[9, 1] < pixels[8, 1]
        assert pixels[9, 0] == pytest.approx(45)
    assert np.ptp([one.centre @ axis for one in cameras]) < 1e-9
