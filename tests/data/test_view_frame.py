"""The frame of a scene: where the object is comes out of masks, points or cameras."""

from dataclasses import replace

import numpy as np
import pytest

from isofield.data.view_frame import SIDE, frame_of, looking, nearest_to_axes, turn_up, up_direction
from isofield.data.visual_hull import Outline, hull_box, misses
from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera, pixel_centres
from isofield.observation import Views

SIZE = 64
MIDDLE, RADIUS = np.array([10.0, -4.0, 7.0]), 3.0


def ring(count=16, distance=4.0, focal=90.0):
    """Cameras around the origin, above and below, +y up."""
    return [Camera.orbiting(2.4 * i, 0.5 * np.sin(i), distance, focal, SIZE) for i in range(count)]


def in_world(cameras, world_from_unit):
    return [camera.moved(world_from_unit) for camera in cameras]


def disc(camera, centre, radius):
    """How the outline of a ball looks, from its rays."""
    towards = camera.directions(pixel_centres(SIZE, SIZE))
    off = centre - camera.centre
    miss = np.linalg.norm(off - (towards @ off)[:, None] * towards, axis=1)
    return (miss < radius).reshape(SIZE, SIZE).astype(np.float32)


def views_of(cameras, masks=None, points=None):
    images = [np.full((SIZE, SIZE, 3), 0.5, np.float32)] * len(cameras)
    return Views(images, cameras, [f"{i}.png" for i in range(len(cameras))], masks=masks, points=points)


@pytest.fixture
def ball():
    """Masks of a ball that is not in the middle of what the cameras look at."""
    cameras = in_world(ring(), Similarity(scale=8.0, translation=MIDDLE))
    centre = MIDDLE + np.array([1.0, -0.5, 0.3])
    return centre, views_of(cameras, [disc(c, centre, RADIUS) for c in cameras])


# The visual hull


def test_misses_are_those_of_a_loop(ball):
    _, views = ball
    points = np.random.default_rng(0).uniform(-6, 6, (300, 3)) + MIDDLE
    outlines = [Outline.of(c, m) for c, m in zip(views.cameras, views.masks, strict=True)]
    want = np.zeros(300, int)
    for camera, mask in zip(views.cameras, views.masks, strict=True):
        pixels = np.floor(camera.project(points)[0]).astype(int)
        for i, (x, y) in enumerate(pixels):
            if 0 <= x < SIZE and 0 <= y < SIZE:
                want[i] += mask[y, x] < 0.5
    assert misses(outlines, points, 0.0, 100) == pytest.approx(want)
    assert (misses(outlines, points, 0.0, 2) == np.minimum(want, 3)).all()


def test_the_hull_holds_the_object_and_little_more(ball):
    centre, views = ball
    outlines = [Outline.of(c, m) for c, m in zip(views.cameras, views.masks, strict=True)]
    box = hull_box(outlines, Box(MIDDLE - 6, MIDDLE + 6))
    small = hull_box(outlines, Box(MIDDLE - 1, MIDDLE + 1))  # grows until it holds all of it
    for found in (box, small):
        assert (found.low < centre - 0.95 * RADIUS).all()
        assert (found.high > centre + 0.95 * RADIUS).all()
        assert (found.extent < 2.4 * RADIUS).all()


def test_large_masks_are_coarsened_to_their_outside():
    mask = np.zeros((700, 700), np.float32)
    mask[301, 403] = 1
    outline = Outline.of(ring(1)[0].resized(700 / SIZE), mask)
    assert outline.distance.shape == (234, 234)
    assert outline.distance[100, 134] == 0
    assert (outline.distance == 0).sum() == 1


def test_no_hull_is_none(ball):
    _, views = ball
    outlines = [Outline.of(views.cameras[i], np.float32(i % 2) * views.masks[i]) for i in range(6)]
    assert hull_box(outlines, Box(MIDDLE - 6, MIDDLE + 6)) is None


# The frame


def test_masks_bring_the_object_into_the_cube(ball):
    centre, views = ball
    frame = frame_of(views)
    assert (frame.source, frame.looks) == ("masks", "inward")
    assert frame.up == pytest.approx([0, 1, 0])
    assert len(frame.said) == 1
    surface = np.random.default_rng(0).normal(size=(500, 3))
    surface = centre + RADIUS * surface / np.linalg.norm(surface, axis=1)[:, None]
    inside = frame.scene_from_world.apply(surface)
    assert np.abs(inside).max() <= 0.5
    assert np.ptp(inside, axis=0).min() > 0.8
    assert frame.world_from_scene.apply(inside) == pytest.approx(surface)


def test_the_scene_stands_upright_whatever_the_world_does(ball):
    _, views = ball
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    turned = replace(views, cameras=in_world(views.cameras, Similarity(rotation=turn)))
    frame = frame_of(turned)
    assert frame.up == pytest.approx(turn[:, 1], abs=1e-6)
    assert frame.scene_from_world.rotate(frame.up[None])[0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert frame.scene_from_world.scale == pytest.approx(frame_of(views).scene_from_world.scale, rel=0.05)


def test_one_wrong_mask_is_named_and_outvoted(ball):
    _, views = ball
    masks = list(views.masks)
    masks[5] = np.roll(masks[5], 30, axis=1)
    frame = frame_of(replace(views, masks=masks))
    assert frame.said[1] == "the masks of some pictures disagree with the others, which decide: 5.png"
    scale = frame.scene_from_world.scale / frame_of(views).scene_from_world.scale
    assert 0.7 < scale < 1.1


def test_inverted_masks_are_told(ball):
    _, views = ball
    frame = frame_of(replace(views, masks=[1 - mask for mask in views.masks]))
    assert "the masks look inverted" in frame.said[1]


def test_masks_that_do_not_fit_the_cameras_are_told(ball):
    _, views = ball
    masks = [
        views.masks[(i * 5) % 16] if i % 2 else np.roll(views.masks[i], 31, axis=i // 2 % 2)
        for i in range(16)
    ]
    frame = frame_of(replace(views, masks=masks))
    assert frame.source == "cameras"
    assert "the masks and the cameras do not agree" in frame.said[1]


def test_points_give_the_box_without_outliers(ball):
    centre, views = ball
    points = centre + np.random.default_rng(0).uniform(-2, 2, (1000, 3))
    points[:5] += 500
    frame = frame_of(replace(views, masks=None, points=points))
    assert frame.source == "points"
    inside = frame.scene_from_world.apply(points[5:])
    assert np.ptp(inside, axis=0).min() > 0.85
    assert np.abs(inside).max() < 0.52


def test_cameras_alone_give_what_they_look_at(ball):
    _, views = ball
    frame = frame_of(replace(views, masks=None))
    assert frame.source == "cameras"
    assert "nearest to all optical axes" in frame.said[0]
    assert frame.scene_from_world.apply(MIDDLE[None])[0] == pytest.approx([0, 0, 0], abs=1e-6)
    # half the picture's width at the distance of 4 units of 8
    assert SIDE / frame.scene_from_world.scale == pytest.approx(2 * 32 * SIZE / 2 / 90)
    assert min(np.abs(frame.scene_from_world.apply(c.centre[None])).max() for c in views.cameras) > 0.5


def test_optical_axes_meet_where_they_were_sent():
    centres = np.random.default_rng(0).normal(size=(5, 3))
    goal = np.array([1.0, 2.0, 8.0])
    forward = (goal - centres) / np.linalg.norm(goal - centres, axis=1)[:, None]
    assert nearest_to_axes(centres, forward) == pytest.approx(goal)


def turned_about(camera):
    """The camera at its place, looking the other way."""
    return Camera(camera.pixel_from_camera, np.diag([-1.0, 1, -1]) @ camera.camera_from_world)


def test_cameras_that_look_outward_or_one_way():
    cameras = ring()
    assert looking(cameras)[0] == "inward"
    looks, middle = looking([turned_about(c) for c in cameras])
    assert looks == "outward"
    assert middle == pytest.approx(np.mean([c.centre for c in cameras], axis=0))
    aside = [
        Camera(cameras[0].pixel_from_camera, np.c_[np.diag([1.0, -1, -1]), [x, 0, 0]]) for x in (0, 1, 2.0)
    ]
    looks, middle = looking(aside)
    assert looks == "one way"
    assert middle == pytest.approx([-1, 0, -4])
    frame = frame_of(views_of(aside))
    assert "a guess" in frame.said[0]


def test_pictures_of_different_things_are_told(ball):
    _, views = ball
    assert not any("overlap" in sentence for sentence in frame_of(views).said)
    apart = [c.moved(Similarity(translation=np.array([40.0 * i, 0, 0]))) for i, c in enumerate(views.cameras)]
    said = frame_of(replace(views, cameras=apart, masks=None)).said
    assert any("the pictures overlap little: " in sentence for sentence in said)


def test_up_of_cameras_on_a_roll():
    cameras = ring()
    rolled = []
    for i, camera in enumerate(cameras):
        c, s = np.cos(0.4 * (-1) ** i), np.sin(0.4 * (-1) ** i)
        roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
        rolled.append(Camera(camera.pixel_from_camera, roll @ camera.camera_from_world))
    up, said = up_direction(rolled)
    assert up == pytest.approx([0, 1, 0])
    assert said == []
    upside_down = np.diag([-1.0, -1, 1])
    mixed = [
        Camera(c.pixel_from_camera, m @ c.camera_from_world)
        for c in ring(8)
        for m in (np.eye(3), upside_down)
    ]
    up, said = up_direction(mixed)
    assert up is None
    assert "do not agree about what is up" in said[0]


@pytest.mark.parametrize("up", [(0, 1, 0), (0, -1, 0), (1, 0, 0), (0, 0, 1), (0.6, 0, 0.8), (0, -0.6, 0.8)])
def test_turning_up(up):
    turn = turn_up(np.array(up, float))
    assert turn @ up == pytest.approx([0, 1, 0])
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
