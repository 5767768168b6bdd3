"""Reading between cells."""

import pytest
import torch

from isofield.ops.interpolate import corners, interpolate


@pytest.mark.parametrize("dimensions", [2, 3])
def test_linear_functions_are_read_exactly(dimensions):
    size = 6
    axis = torch.linspace(0, 1, size)
    grid = torch.stack(torch.meshgrid(*[axis] * dimensions, indexing="ij"))  # first axis slowest
    features = grid.flip(0)[None]  # channel k holds coordinate k, whose axis is the k-th from the end
    unit = torch.rand(1, 50, dimensions)
    torch.testing.assert_close(interpolate(features, unit), unit)
    torch.testing.assert_close(interpolate(features, unit + 1), torch.ones_like(unit))  # border


@pytest.mark.parametrize("size", [(5, 5), (4, 5, 6)])
def test_corners_do_the_same(size):
    torch.manual_seed(0)
    features = torch.randn(1, 3, *reversed(size))
    unit = torch.rand(200, len(size)) * 1.2 - 0.1
    index, weight = corners(unit, size)
    read = (features[0].flatten(1).T[index] * weight[..., None]).sum(1)
    torch.testing.assert_close(read, interpolate(features, unit[None])[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weight.sum(1), torch.ones(200))


def test_corners_at_both_ends():
    index, weight = corners(torch.tensor([[0.0, 1.0]]), (3, 3))
    assert index[0, weight[0] == 1].tolist() == [6]
