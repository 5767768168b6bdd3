"""Fields that see features only: bound beside plain, for each kind of grids."""

import pytest
import torch

from isofield.encoders.grids import feature_grids
from isofield.fields.features import FeatureField
from isofield.ops.coordinates import Volume
from isofield.ops.hash_grid import Levels

LEVELS = Levels.between(4, 20, 3, 2**10)


@pytest.mark.parametrize("kind", ["hash", "dense", "planes"])
def test_bound_is_plain(kind):
    torch.manual_seed(0)
    grids = feature_grids(kind, LEVELS, 2, Volume.centred(1.1))
    for parameter in grids.parameters():
        torch.nn.init.normal_(parameter)
    field = FeatureField(6, width=16, layers=2)
    points = torch.rand(20_000, 3) * 1.1 - 0.55
    with torch.no_grad():
        condition = grids()
        plain = field(points[None], condition)[0]
        bound = field.bind(condition)(points)
    torch.testing.assert_close(bound, plain, rtol=1e-4, atol=1e-5)
    assert plain.std() > 0.01


def test_points_keep_their_gradient():
    torch.manual_seed(0)
    value = FeatureField(6, width=8).bind(feature_grids("hash", LEVELS, 2, Volume.centred(1.1))())
    points = (torch.rand(100, 3) - 0.5).requires_grad_()
    (slope,) = torch.autograd.grad(value(points).sum(), points)
    assert slope.abs().max() > 0


def test_there_is_no_other_kind():
    with pytest.raises(KeyError):
        feature_grids("spheres", LEVELS, 2)
