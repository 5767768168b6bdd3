"""Journeys along cameras: the order by formulas, and what lies between."""

import numpy as np
import pytest

from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera
from isofield.render.orbit import turntable
from isofield.render.walk import between, tour


def length(places, walk):
    return np.linalg.norm(np.diff(places[list(walk)], axis=0), axis=1).sum()


def shuffled(places, seed):
    """The places in another order, and the numbers that bring the old order back."""
    mixed = np.random.default_rng(seed).permutation(len(places))
    return places[mixed], np.argsort(mixed).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_places_on_a_helix_are_walked_along_it(seed):
    angle = np.linspace(0, 4 * np.pi, 40)
    places, along = shuffled(np.stack([np.cos(angle), np.sin(angle), 0.4 * angle], 1), seed)
    assert tour(places) in (along, along[::-1])


def test_a_closed_ring_is_walked_once_around():
    angle = 2 * np.pi * np.arange(24) / 24
    places, _ = shuffled(np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1), 3)
    assert length(places, tour(places)) == pytest.approx(23 * 2 * np.sin(np.pi / 24))


@pytest.mark.parametrize("seed", range(5))
def test_no_part_turned_around_makes_it_shorter(seed):
    places = np.random.default_rng(seed).normal(size=(30, 3))
    walk = tour(places)
    assert sorted(walk) == list(range(30))
    assert walk[0] < walk[-1]
    assert length(places, walk) < 0.6 * length(places, range(30))
    for i in range(30):
        for j in range(i + 2, 31):
            turned = walk[:i] + walk[i:j][::-1] + walk[j:]
            assert length(places, turned) > length(places, walk) - 1e-9


def test_a_good_order_is_kept_and_few_places_are_no_trouble():
    line = np.arange(9.0)[:, None] * [1.0, 2.0, 3.0]
    assert tour(line) == list(range(9))
    assert tour(line[:1]) == [0]
    assert tour(line[:2]) == [0, 1]
    assert sorted(tour(np.zeros((4, 3)))) == [0, 1, 2, 3]


def test_between_cameras_lies_what_is_between():
    stops = turntable(Box.cube(1.0), 4, (10, 10), elevation=0.0)[:2]
    found = between(stops, 5)
    for end, stop in zip((found[0], found[-1]), stops, strict=True):
        np.testing.assert_allclose(end.camera_from_world, stop.camera_from_world, atol=1e-12)
    wanted = stops[0].forward + stops[1].forward
    np.testing.assert_allclose(found[2].forward, wanted / np.linalg.norm(wanted), atol=1e-12)
    np.testing.assert_allclose(found[2].centre, (stops[0].centre + stops[1].centre) / 2, atol=1e-12)
    assert len(between(stops[:1], 3)) == 3


@pytest.mark.parametrize("apart", [0.3, 1.5, 3.0])
def test_around_a_point_cameras_stay_on_their_circle(apart):
    """On a level circle the way is that circle, and the point stays where it was on the picture."""
    focus = np.array([5.0, -2.0, 1.0])
    moved = Similarity(2.0, translation=focus)
    stops = [Camera.orbiting(angle, 0.4, 3.0, 50.0, 64).moved(moved) for angle in (0.2, 0.2 + apart)]
    found = between(stops, 7, focus)
    for k, camera in enumerate(found):
        true = Camera.orbiting(0.2 + apart * k / 6, 0.4, 3.0, 50.0, 64).moved(moved)
        np.testing.assert_allclose(camera.camera_from_world, true.camera_from_world, atol=1e-9)
        np.testing.assert_allclose(camera.project(focus[None])[0], [[32, 32]], atol=1e-9)
    straight = between(stops, 7)[3].centre
    assert np.linalg.norm(straight - focus) < np.linalg.norm(found[3].centre - focus)


def test_distance_and_place_on_the_picture_change_linearly():
    """Cameras that look a little past the point, from different distances."""
    turn = np.eye(3)
    stops = [Camera(np.eye(3), np.c_[turn, seen]) for seen in ([0.1, 0.0, 2.0], [-0.3, 0.2, 4.0])]
    found = between(stops, 5, np.zeros(3))
    np.testing.assert_allclose(found[1].camera_from_world[:, 3], [0.0, 0.05, 2.5], atol=1e-12)


def test_the_pace_is_even():
    """A leg ten times as long has about ten times as many cameras."""
    stops = [Camera(np.eye(3), np.c_[np.eye(3), [-x, 0.0, 0.0]]) for x in (0.0, 1.0, 11.0)]
    along = np.array([camera.centre[0] for camera in between(stops, 111)])
    assert (np.diff(along) > 0).all()
    assert (along < 1).sum() == pytest.approx(10, abs=5)
