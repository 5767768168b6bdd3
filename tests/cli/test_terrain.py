import numpy as np
import pytest

from isofield.cli.terrain import seen_from_above
from isofield.observation import PointCloud


@pytest.fixture
def hills() -> np.ndarray:
    """5,000 points on rolling hills, far from the origin."""
    x, y = np.random.default_rng(0).random((2, 5000)) * 100
    return np.stack([x, y, 5 * np.sin(x / 15) * np.cos(y / 20)], axis=1) + np.array([5e5, 4e6, 300])


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_terrain_is_seen_from_above(hills, up):
    axis = "xyz".index(up)
    points = np.roll(hills, axis + 1, axis=1)
    cloud = seen_from_above(PointCloud(points), up)
    assert cloud is not None
    assert (cloud.points == points).all()
    towards = cloud.sensors - points
    assert (towards[:, axis] > 900).all()
    assert np.abs(np.delete(towards, axis, axis=1)).max() < 60


def test_the_wrong_axis_is_not_up(hills):
    assert seen_from_above(PointCloud(hills), "x") is None


def test_objects_and_clouds_that_know_better_stay_as_they_are(hills, sphere_cloud):
    assert seen_from_above(sphere_cloud, "z") is None
    up = np.tile([0, 0, 1.0], (len(hills), 1))
    assert seen_from_above(PointCloud(hills, normals=up), "z") is None
    assert seen_from_above(PointCloud(hills, sensors=hills + up), "z") is None
    assert seen_from_above(PointCloud(hills[:20]), "z") is None
