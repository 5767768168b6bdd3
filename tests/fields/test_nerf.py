"""The bound network is the network, in both families and all variants."""

import pytest
import torch

from isofield.fields.nerf import NerfField

VARIANTS = {
    "original": {},
    "two skips": {"skips": (0, 2)},
    "no directions": {"view_octaves": None},
    "flexible": {"flexible": True},
    "flexible with a skip": {"flexible": True, "skips": (1,)},
}


def made(**options) -> NerfField:
    """With space half full."""
    torch.manual_seed(0)
    field = NerfField(**{"depth": 4, "width": 16, "skips": (), "octaves": 4, "view_octaves": 2, **options})
    with torch.no_grad():
        field.density.bias -= field(*asked())[0].mean()
    return field


def asked(count: int = 3000) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    points = torch.rand(count, 3, generator=draw) * 2 - 1
    return points, torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bound_it_is_the_same(variant):
    field = made(**VARIANTS[variant])
    points, towards = asked()
    with torch.no_grad():
        logit, rgb = field(points, towards)
    density, colour = field.bind().radiance(points, towards)
    torch.testing.assert_close(density, logit.relu(), atol=2e-6, rtol=1e-5)
    full = density > 0
    assert 0 < full.sum() < len(points)
    torch.testing.assert_close(colour[full], rgb.sigmoid()[full], atol=2e-6, rtol=1e-5)
    assert not colour[~full].any()
    torch.testing.assert_close(field.bind().logits(points), logit, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bound_the_density_keeps_the_gradient_of_its_points(variant):
    field = made(**VARIANTS[variant])
    slopes = []
    for density in (lambda p: field(p, asked(50)[1])[0], field.bind().logits):
        points = asked(50)[0].requires_grad_()
        slopes += torch.autograd.grad(density(points).sum(), points)
    torch.testing.assert_close(*slopes, atol=2e-6, rtol=1e-5)


def test_the_direction_changes_the_colour_only():
    field = made().bind()
    points, towards = asked()
    (density, colour), (same, other) = (field.radiance(points, way) for way in (towards, -towards))
    assert density.equal(same)
    assert not colour.equal(other)


def test_nothing_asked_nothing_answered():
    field = made().bind()
    assert field.logits(torch.zeros(0, 3)).shape == (0,)
    assert field.radiance(torch.zeros(0, 3), torch.zeros(0, 3))[1].shape == (0, 3)
