"""Batches of shapes that are known: true, the same for the same step, with every shape in turn."""

import numpy as np
import pytest
import torch
import trimesh

from isofield.batch import DistanceBatch, OccupancyBatch
from isofield.data.shape_source import Shape, ShapeSamples, ShapeSource
from isofield.geometry.mesh import Mesh


def ball(radius: float) -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return Mesh(np.array(sphere.vertices), np.array(sphere.faces))


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    few = {"surface": 5_000, "near": 4_000, "uniform": 2_000}
    return [Shape(f"ball{k}", ShapeSamples.of(ball(0.5 - 0.1 * k), k, **few)) for k in range(3)]


def test_distances_are_those_of_the_shape_that_is_named(shapes):
    batch = ShapeSource(shapes, "distance", seed=0, size=2, points=1_000).batch(5, 0, 1)
    assert isinstance(batch, DistanceBatch)
    assert batch.item is not None
    assert batch.item.tolist() == [1, 2]
    radius = 0.5 - 0.1 * batch.item[:, None]
    torch.testing.assert_close(batch.sdf, batch.points.norm(dim=-1) - radius, atol=2e-3, rtol=0)
    assert (batch.sdf == 0).float().mean() == pytest.approx(0.1, abs=0.01)
    assert (batch.sdf < 0).any()


def test_occupancies_and_clouds(shapes):
    batch = ShapeSource(shapes, "occupancy", seed=0, size=3, points=1_000, cloud_size=500).batch(0, 0, 1)
    assert isinstance(batch, OccupancyBatch)
    assert batch.item is not None
    assert batch.cloud is not None
    radius = 0.5 - 0.1 * batch.item[:, None]
    clear = (batch.points.norm(dim=-1) - radius).abs() > 2e-3
    assert (batch.inside.bool() == (batch.points.norm(dim=-1) < radius))[clear].all()
    away = (batch.cloud.norm(dim=-1) - radius).abs()
    assert 0.002 < away.mean() < 0.006


@pytest.mark.parametrize("learns", ["distance", "occupancy"])
def test_a_batch_is_a_function_of_seed_and_step(shapes, learns):
    source = ShapeSource(shapes, learns, seed=3, size=2, points=100, cloud_size=10)
    again = ShapeSource(shapes, learns, seed=3, size=2, points=100, cloud_size=10)
    assert source.batch(7, 0, 1).points.equal(again.batch(7, 0, 1).points)
    assert not source.batch(8, 0, 1).points.equal(again.batch(7, 0, 1).points)


def test_what_is_shown_is_noisy_and_the_same_every_time(shapes):
    cloud = shapes[0].cloud(400)
    assert len(cloud) == 400
    np.testing.assert_array_equal(cloud.points, shapes[0].cloud(400).points)
