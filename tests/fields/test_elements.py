"""Shape elements by their formulas; bound they are the same, up to what is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from isofield.fields.elements import ElementField, ScalarNorm
from isofield.ops.elements import Elements, rotations


def elements(count: int = 6, codes: int = 8, symmetric: int = 2, shapes: int = 1, axis: int = 2) -> Elements:
    draw = torch.Generator().manual_seed(0)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(shapes, count, *size, generator=draw, dtype=torch.float64)

    return Elements(
        constants=-normal().abs(),
        centres=0.3 * normal(3),
        variances=(0.1 * normal(3).sigmoid()).square(),
        angles=0.5 * normal(3),
        codes=normal(codes),
        symmetric=symmetric,
        axis=axis,
    )


def field(codes: int = 8, blocks: int = 1) -> ElementField:
    """With statistics and weights that are not those of the start."""
    torch.manual_seed(0)
    made = ElementField(codes, 16, blocks).double().eval()
    for module in made.modules():
        if isinstance(module, ScalarNorm):
            module.mean.fill_(0.3)
            module.variance.fill_(1.7)
            torch.nn.init.normal_(module.gamma.weight, std=0.3)
            torch.nn.init.normal_(module.beta.weight, std=0.3)
    return made


def places(count: int = 9000) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, generator=draw, dtype=torch.float64) * 1.6 - 0.8


def test_gaussians_are_those_of_the_covariance() -> None:
    known, points = elements(codes=0, symmetric=0), places(50)
    plain = torch.zeros(50, dtype=torch.float64)
    for c, mean, variance, angles in zip(
        known.constants[0], known.centres[0], known.variances[0], known.angles[0], strict=True
    ):
        turn = torch.from_numpy(Rotation.from_euler("xyz", angles.numpy()).as_matrix())
        inverse = torch.linalg.inv(turn @ torch.diag(variance + 1e-8) @ turn.T)
        away = points - mean
        plain += c * torch.exp(-0.5 * (away @ inverse * away).sum(1))
    torch.testing.assert_close(field(codes=0)(points[None], known)[0], plain)


def test_rotations_turn_about_x_then_y_then_z() -> None:
    angles = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    wanted = Rotation.from_euler("xyz", angles.numpy()).as_matrix()
    np.testing.assert_allclose(rotations(angles).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_elements_are_those_of_the_mirrored_place(axis: int) -> None:
    known, points, made = elements(axis=axis), places(200), field()
    side = torch.ones(3, dtype=torch.float64)
    side[axis] = -1
    first = Elements(
        *(getattr(known, name)[:, :2] for name in ("constants", "centres", "variances", "angles", "codes"))
    )
    plain = made(points[None], replace(known, symmetric=0)) + made((points * side)[None], first)
    torch.testing.assert_close(made(points[None], known), plain)


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_bound_it_is_the_field_up_to_the_tolerance(blocks: int) -> None:
    made, known, points = field(blocks=blocks), elements(), places()
    plain = made(points[None], known)[0]
    exact = made.bind(known, 0)
    torch.testing.assert_close(exact(points), plain, atol=1e-12, rtol=1e-12)
    for tolerance in (1e-6, 1e-3):
        bound = made.bind(known, tolerance)
        assert bound.reach.isfinite().all()
        error = (bound(points) - plain).abs().max()
        assert 0 < error <= tolerance  # something is left out, and less than was promised


def test_little_is_evaluated() -> None:
    known, made, points = elements(32, symmetric=16), field(), places()
    bound = made.bind(known)
    place = known.frames().whitened(points[None, None])[0]
    heard = place.norm(dim=-1) < bound.reach[:, None]
    assert heard.double().mean() < 0.3


def test_the_networks_slopes_are_bounds() -> None:
    known, made = elements(), field(blocks=2)
    networks = made.bind(known).networks
    assert networks is not None
    points = 5 * torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for element, slope in enumerate(networks.slopes()):
        moved = points.clone().requires_grad_()
        (steep,) = torch.autograd.grad(networks(element, moved).sum(), moved)
        assert 0.01 * slope < steep.norm(dim=1).max() <= slope


def test_single_precision_gaussians_alone_and_no_points() -> None:
    made, known, points = field(codes=0).float(), elements(codes=0), places()
    single = Elements(
        *(getattr(known, n).float() for n in ("constants", "centres", "variances", "angles", "codes"))
    )
    bound = made.bind(single)
    torch.testing.assert_close(bound(points), made(points[None].float(), single)[0], atol=1e-6, rtol=1e-5)
    assert bound(points[:0]).shape == (0,)


def test_bound_the_points_keep_their_gradient() -> None:
    made, known = field(), elements()
    slopes = []
    for values in (made.bind(known, 1e-12), lambda p: made(p[None], known)[0]):
        points = places(300).requires_grad_()
        slopes += torch.autograd.grad(values(points).sum(), points)
    torch.testing.assert_close(*slopes, atol=1e-9, rtol=1e-9)


def test_several_shapes_are_each_their_own() -> None:
    made, known, points = field(), elements(shapes=3), places(100)
    together = made(points.expand(3, -1, -1), known)
    for k in range(3):
        one = Elements(
            *(getattr(known, n)[k : k + 1] for n in ("constants", "centres", "variances", "angles", "codes")),
            2,
        )
        torch.testing.assert_close(made(points[None], one)[0], together[k])


def test_in_training_only_what_is_heard_is_evaluated_and_the_field_is_the_same() -> None:
    made, known, points = field(), elements(shapes=3), places(200).expand(3, -1, -1)
    plain = made(points, known)
    for module in made.modules():
        if isinstance(module, ScalarNorm):
            module.train()
            module._follow = lambda x: None  # the statistics stay
    made.training = True
    torch.testing.assert_close(made(points, known), plain, atol=1e-6, rtol=1e-6)
    far = replace(known, centres=known.centres + 50)
    assert not made(points, far).any()


def test_statistics_move_slowly_and_are_the_same_in_training() -> None:
    norm = ScalarNorm(4, 8).train()
    x, codes = torch.randn(2, 3, 50, 8) + 2, torch.randn(2, 3, 4)
    out = norm(x, codes)
    mean = x.flatten(2).mean(-1).mean()
    variance = x.flatten(2).var(-1, correction=0).mean()
    torch.testing.assert_close(norm.mean[0], 0.005 * mean)
    torch.testing.assert_close(norm.variance[0], 0.995 + 0.005 * variance)
    torch.testing.assert_close(norm.eval()(x, codes), out)
