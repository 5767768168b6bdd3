"""The local field, plain and bound."""

import pytest
import torch

from isofield.condition import LocalFeatures
from isofield.fields.local import CHUNK, LocalField
from isofield.ops.coordinates import LocalCoordinates, PaddedCube


def build(blocks=5, leaky=False, coordinates=None):
    torch.manual_seed(0)
    field = LocalField(6, 16, blocks, leaky, coordinates)
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return field, LocalFeatures({"xy": torch.randn(1, 6, 8, 8)}, PaddedCube())


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("coordinates", [None, LocalCoordinates(0.1), LocalCoordinates(0.1, 10)])
def test_bound_is_plain(blocks, leaky, coordinates):
    field, condition = build(blocks, leaky, coordinates)
    points = torch.rand(2 * CHUNK + 7, 3) - 0.5
    expected = field(points[None], condition)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(field.bind(condition)(points), expected, atol=2e-5, rtol=1e-5)


def test_no_points_no_values():
    field, condition = build()
    assert field.bind(condition)(torch.zeros(0, 3)).shape == (0,)


def test_bound_keeps_the_gradient_of_points():
    field, condition = build()
    field.double()  # in float32 a point may fall on the two sides of a kink
    condition = LocalFeatures({"xy": condition.maps["xy"].double()}, condition.placement)
    points = (torch.rand(50, 3, dtype=torch.float64) - 0.5).requires_grad_()
    (plain,) = torch.autograd.grad(field(points[None], condition).sum(), points)
    (bound,) = torch.autograd.grad(field.bind(condition)(points).sum(), points)
    assert plain.abs().max() > 0.1
    torch.testing.assert_close(bound, plain)


def test_bound_keeps_the_weights_of_its_moment():
    field, condition = build()
    points = torch.rand(9, 3)
    bound = field.bind(condition)
    before = bound(points)
    for parameter in field.parameters():
        torch.nn.init.zeros_(parameter)
    assert bound(points).equal(before)
