"""The Chamfer distance and its gradient, against all distances."""

import numpy as np
import pytest
import torch

from isofield.ops.chamfer import chamfer, nearest


def naive(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """By the formula, one pair after the other."""
    squares = [[[(p - q) @ (p - q) for q in b] for p in a] for a, b in zip(first, second, strict=True)]
    table = torch.stack([torch.stack([torch.stack(row) for row in rows]) for rows in squares])
    return torch.stack([table.amin(2).mean(1), table.amin(1).mean(1)])


@pytest.fixture
def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    sizes = (2, 7, 3), (2, 5, 3)
    return tuple(torch.rand(*s, generator=draw, dtype=torch.float64, requires_grad=True) for s in sizes)


def test_the_distance_is_the_naive_one(clouds) -> None:
    torch.testing.assert_close(torch.stack(chamfer(*clouds)), naive(*clouds))


def test_the_gradient_is_that_of_the_naive_formula(clouds) -> None:
    assert torch.autograd.gradcheck(lambda a, b: torch.stack(chamfer(a, b)), clouds)
    ours = torch.autograd.grad(torch.stack(chamfer(*clouds)).sum(), clouds)
    plain = torch.autograd.grad(naive(*clouds).sum(), clouds)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_nearest_is_the_nearest() -> None:
    draw = torch.Generator().manual_seed(1)
    first, second = (torch.rand(3, n, 3, generator=draw) for n in (200, 150))
    assert nearest(first, second).equal(torch.cdist(first, second).argmin(2))


def test_what_is_not_finite_makes_a_loss_that_is_not() -> None:
    first = torch.full((1, 4, 3), np.nan)
    forth, back = chamfer(first, torch.zeros(1, 2, 3))
    assert forth.isnan().all()
    assert back.isnan().all()
