"""Statistics against clouds of which we know the truth."""

import numpy as np
import pytest

from isofield.metrics import survey as module
from isofield.metrics.survey import survey
from isofield.observation import PointCloud


def sphere(count, seed=0):
    """Points on the unit sphere."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1000, 10_000])
def test_spacing_follows_from_the_area(count):
    found = survey(PointCloud(sphere(count)))
    assert found.spacing == pytest.approx(np.sqrt(4 * np.pi / count), rel=0.05)
    # The nearest of points spread at random is at half that: a Rayleigh distribution's median, 0.47.
    assert found.nearest == pytest.approx(np.sqrt(np.log(2) * 4 / count), rel=0.06)


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.06])
def test_noise_is_measured(sigma):
    points = sphere(8000)
    noisy = points + sigma * np.random.default_rng(1).normal(size=points.shape)
    assert survey(PointCloud(noisy)).noise == pytest.approx(sigma, rel=0.25)


def test_smooth_shapes_have_no_noise():
    found = survey(PointCloud(sphere(3000)))
    assert found.noise < 0.02 * found.spacing


def test_outliers_duplicates_and_counts():
    points = sphere(5000)
    far = np.random.default_rng(1).uniform(-3, 3, (100, 3))
    far = far[np.abs(np.linalg.norm(far, axis=1) - 1) > 0.5]
    found = survey(PointCloud(np.concatenate([points, points[:7], far])))
    assert found.duplicates == 7
    assert found.points == 5007 + len(far)
    assert found.outliers == pytest.approx(len(far) / found.points, rel=0.3)
    assert survey(PointCloud(points)).outliers == 0


def test_zero_has_no_sign():
    points = sphere(200)
    points[:2] = [[0.0, 1, 0], [-0.0, 1, -0.0]]
    assert survey(PointCloud(points)).duplicates == 1


@pytest.mark.parametrize("count", [2000, 30_000])
def test_open_and_closed(count):
    points = sphere(count)
    assert survey(PointCloud(points)).closedness == "closed"
    assert survey(PointCloud(points[points[:, 2] > 0])).closedness != "closed"
    sheet = np.random.default_rng(0).random((count, 3)) * [1, 0.3, 0]
    sheet[:, 2] = 0.05 * np.sin(8 * sheet[:, 0])
    found = survey(PointCloud(sheet))
    assert found.closedness == "open"
    assert found.layers < 0.3
    assert survey(PointCloud(points)).layers > 0.3


def test_rim_is_a_length():
    # A square of side 1 has an edge of 4 and an area of 1; its extent is 1.
    square = np.random.default_rng(0).random((20_000, 3)) * [1, 1, 1e-6]
    assert survey(PointCloud(square)).rim == pytest.approx(4, rel=0.35)


@pytest.mark.parametrize("sign", [1, -1])
def test_normals(sign):
    points = sphere(3000)
    found = survey(PointCloud(points, sign * points))
    assert found.normals_agree > 0.99
    assert found.normals_fit > 0.99
    assert found.normals_out == pytest.approx(sign, abs=0.02)
    mixed = points * np.random.default_rng(0).choice([-1, 1], (3000, 1))
    assert survey(PointCloud(points, mixed)).normals_agree == pytest.approx(0.5, abs=0.05)
    assert survey(PointCloud(points, np.roll(points, 1, axis=1))).normals_fit < 0.8
    assert survey(PointCloud(points)).normals_agree is None


def test_far_away_is_the_same():
    points = sphere(3000)
    here, there = survey(PointCloud(points)), survey(PointCloud(points + np.array([5e5, 5e6, 300])))
    assert there.spacing == pytest.approx(here.spacing, rel=1e-4)
    assert there.noise < 0.02 * there.spacing
    assert there.closedness == here.closedness


def test_blocks_of_a_large_cloud_tell_the_same(monkeypatch):
    points = sphere(60_000)
    whole = survey(PointCloud(points))
    monkeypatch.setattr(module, "MOST", 10_000)
    part = survey(PointCloud(points))
    assert part.looked_at < 15_000
    assert part.spacing == pytest.approx(whole.spacing, rel=0.03)
    assert part.closedness == whole.closedness == "closed"


def test_the_same_seed_gives_the_same():
    cloud = PointCloud(sphere(20_000))
    assert survey(cloud, seed=3) == survey(cloud, seed=3)


def test_few_points():
    assert np.isnan(survey(PointCloud(sphere(20))).noise)
    with pytest.raises(ValueError, match="too few"):
        survey(PointCloud(sphere(9)))
