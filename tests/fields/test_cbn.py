"""Fields set by a code: bound they are what they were, and their layers say what they compute."""

from dataclasses import replace

import pytest
import torch

from isofield.condition import Code, LocalFeatures
from isofield.fields.bound import Block, BoundField, Layer
from isofield.fields.cbn import CbnChain, CbnField, ResidualField
from isofield.ops.coordinates import PaddedCube
from isofield.ops.steps import run

FIELDS = {
    "cbn": lambda: CbnField(6, 16, 3, latent=2),
    "cbn leaky": lambda: CbnField(8, 16, 2, leaky=True),
    "chain": lambda: CbnChain(6, 16, 3, latent=2),
    "simple": lambda: ResidualField(6, 16, 3, latent=2, leaky=True),
    "batchnorm": lambda: ResidualField(8, 16, 3, norm=True),
}
fields = pytest.mark.parametrize("name", FIELDS)


def lively(name: str) -> torch.nn.Module:
    """A field none of whose parts is at its neutral start."""
    torch.manual_seed(3)
    field = FIELDS[name]()
    for key, tensor in field.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(
                torch.rand(tensor.shape) + 0.5 if "running_var" in key else torch.randn(tensor.shape) / 3
            )
    return field.eval()


@fields
def test_bound_is_plain(name: str) -> None:
    field, code = lively(name), Code(torch.randn(1, 8))
    points = torch.rand(2_500, 3) - 0.5
    with torch.no_grad():
        plain = field(points[None], code)[0]
    torch.testing.assert_close(field.bind(code)(points), plain, rtol=1e-4, atol=1e-4)


@fields
def test_bound_keeps_the_gradient_of_the_points(name: str) -> None:
    field, code = lively(name), Code(torch.randn(1, 8))
    one = (torch.rand(50, 3) - 0.5).requires_grad_()
    two = one.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(field.bind(code)(one).sum(), one)
    (wanted,) = torch.autograd.grad(field(two[None], code).sum(), two)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@fields
def test_layers_compute_the_field_and_levels_move_it(name: str) -> None:
    bound = lively(name).bind(Code(torch.randn(1, 8)))
    points = torch.rand(50, 3) - 0.5
    torch.testing.assert_close(run(bound.layers, points, points)[:, 0], bound(points), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(bound.above(0.75)(points), bound(points) - 0.75, rtol=1e-4, atol=1e-4)


def test_what_differs_from_place_to_place_is_no_code() -> None:
    with pytest.raises(ValueError, match="one code of one shape"):
        FIELDS["cbn"]().eval().bind(LocalFeatures({"xz": torch.randn(1, 8, 4, 4)}, PaddedCube(0.1)))


@fields
def test_units_that_are_zero_in_a_piece_are_left_out_and_nothing_else(name: str) -> None:
    """All dead but one, some here and there, none: as the plain steps, in the order of the points."""
    bound = lively(name).bind(Code(torch.randn(1, 8)))
    for shift in (-1e4, 0.0, 1e4):
        moved = [replace_shift(step, shift) for step in bound.steps]
        field = BoundField(bound.lift, moved, bound.out, bound.slope)
        points = torch.rand(2_000, 3) - 0.5
        plain = run(field.layers, points, points)[:, 0]
        torch.testing.assert_close(field(points), plain, rtol=1e-4, atol=1e-4)


def replace_shift(step: Layer | Block, by: float) -> Layer | Block:
    """The step with all but its first unit moved far below or above zero before they are clipped."""
    if isinstance(step, Block):
        return Block(replace_shift(step.inner, by), step.outer)
    shift = step.shift + by
    shift[0] = step.shift[0]
    return replace(step, shift=shift, weight=step.weight / max(1.0, abs(by)))


def test_what_is_not_a_number_stays_visible() -> None:
    bound = lively("cbn").bind(Code(torch.randn(1, 8)))
    points = torch.rand(1_500, 3) - 0.5
    points[700, 1] = torch.nan
    assert bound(points).isnan().nonzero()[:, 0].tolist() == [700]
