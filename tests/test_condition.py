"""Conditions as functions of space."""

import pytest
import torch

from isofield.condition import LocalFeatures, PointFeatures
from isofield.ops.coordinates import PaddedCube, Volume


def features(placement, *, planes=True, grid=True, size=12, mode="bilinear", batch=1):
    torch.manual_seed(0)
    maps = {name: torch.randn(batch, 5, size, size) for name in ("xz", "xy", "yz") if planes}
    if grid:
        maps["grid"] = torch.randn(batch, 5, size, size, size)
    return LocalFeatures(maps, placement, mode)


@pytest.mark.parametrize(("planes", "grid"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_bound_is_plain(planes, grid, mode):
    condition = features(PaddedCube(), planes=planes, grid=grid, mode=mode)
    points = torch.rand(300, 3) * 1.4 - 0.7
    torch.testing.assert_close(condition.bind()(points), condition.at(points[None])[0], atol=1e-5, rtol=1e-5)


def test_maps_of_one_cell_are_constant():
    condition = features(PaddedCube(), grid=False, size=1)
    points = torch.rand(4, 3)
    torch.testing.assert_close(condition.bind()(points), condition.at(points[None])[0])


def test_the_sum_of_the_maps():
    condition = features(PaddedCube(), batch=2)
    points = torch.rand(2, 9, 3) - 0.5
    apart = [LocalFeatures({name: m}, PaddedCube()).at(points) for name, m in condition.maps.items()]
    torch.testing.assert_close(condition.at(points), sum(apart))


def test_a_part_knows_the_same_in_memory_to_match():
    condition = features(Volume(torch.tensor([1.0, 2.0, 3.0]), 2.0), size=20)
    query = Volume(torch.tensor([1.6, 2.6, 3.7]), 0.5)
    part = condition.within(query)
    points = query.low + query.side * torch.rand(200, 3)
    torch.testing.assert_close(part.at(points[None]), condition.at(points[None]), atol=1e-4, rtol=1e-4)
    assert part.maps["grid"].shape[-1] <= 8


def test_a_part_at_the_border():
    condition = features(Volume(torch.zeros(3), 1.0), size=8)
    for low in ([0.0, 0.0, 0.0], [0.5, 0.5, 0.5]):
        query = Volume(torch.tensor(low), 0.5)
        points = query.low + 0.5 * torch.rand(100, 3)
        torch.testing.assert_close(
            condition.within(query).at(points[None]), condition.at(points[None]), atol=1e-5, rtol=1e-5
        )


def test_point_features_are_means():
    points, values = torch.rand(1, 30, 3), torch.rand(1, 30, 4)
    where = torch.rand(1, 10, 3)
    for radius, weigh in [(0.3, lambda d: torch.exp(-(d**2) / 0.09)), (None, lambda d: 1 / d)]:
        weight = weigh((where[:, :, None] - points[:, None]).norm(dim=-1) + 1e-5)
        expected = (weight[..., None] * values[:, None]).sum(2) / weight.sum(2, keepdim=True)
        torch.testing.assert_close(PointFeatures(points, values, radius).at(where), expected)


def test_far_away_the_nearest_point_speaks():
    condition = PointFeatures(torch.tensor([[[0.0, 0, 0], [1, 0, 0]]]), torch.tensor([[[1.0], [2.0]]]), 0.02)
    assert condition.at(torch.tensor([[[9.0, 0, 0]]])).item() == 2.0
