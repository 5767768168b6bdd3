"""Splines between points and a periodic grid: exact adjoints, exact sums, exact slopes."""

import pytest
import torch

from isofield.ops import spline_grid
from isofield.ops.spline_grid import SplineGrid, bspline_weights


def drawn(n: int = 200, side: int = 12) -> tuple[SplineGrid, torch.Generator]:
    """Points anywhere in the cube, its faces included, in float64."""
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(n, 3, generator=draw, dtype=torch.float64)
    points[:2] = torch.tensor([[0.0, 0, 0], [1, 1, 1]])
    return SplineGrid(points, side), draw


def test_splat_and_gather_are_adjoint():
    splines, draw = drawn()
    values = torch.randn(200, generator=draw, dtype=torch.float64)
    grid = torch.randn(12, 12, 12, generator=draw, dtype=torch.float64)
    assert float((splines.splat(values) * grid).sum()) == pytest.approx(
        float(values.dot(splines.gather(grid))), rel=1e-12
    )


def test_divergence_and_gradient_are_adjoint_up_to_the_sign():
    splines, draw = drawn()
    vectors = torch.randn(200, 3, generator=draw, dtype=torch.float64)
    grid = torch.randn(12, 12, 12, generator=draw, dtype=torch.float64)
    assert float((splines.splat_divergence(vectors) * grid).sum()) == pytest.approx(
        -float((vectors * splines.gather_gradient(grid)).sum()), rel=1e-12
    )


def test_weights_sum_to_one_and_slopes_to_zero():
    f = torch.linspace(-0.5, 0.5, 300, dtype=torch.float64).reshape(100, 3)
    weight, slope = bspline_weights(f)
    assert torch.allclose(weight.sum(-1), torch.ones_like(f), atol=1e-15)
    assert torch.allclose(slope.sum(-1), torch.zeros_like(f), atol=1e-15)
    assert (weight >= 0).all()


def test_splatting_keeps_the_sum():
    splines, draw = drawn()
    values = torch.randn(200, generator=draw, dtype=torch.float64)
    assert float(splines.splat(values).sum()) == pytest.approx(float(values.sum()), abs=1e-12)


def test_gradient_is_that_of_finite_differences():
    splines, draw = drawn()
    grid = torch.randn(12, 12, 12, generator=draw, dtype=torch.float64)
    step = 1e-6
    for axis in range(3):
        move = torch.zeros(3, dtype=torch.float64)
        move[axis] = step
        up = SplineGrid(splines.points + move, 12).gather(grid)
        down = SplineGrid(splines.points - move, 12).gather(grid)
        assert torch.allclose((up - down) / (2 * step), splines.gather_gradient(grid)[:, axis], atol=1e-3)


def test_linear_functions_away_from_the_seam_are_exact():
    centres = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    grid = 2 * centres[:, None, None] - 3 * centres[None, :, None] + centres[None, None, :]
    points = 0.2 + 0.6 * torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    slopes = torch.tensor([2.0, -3, 1], dtype=torch.float64)
    splines = SplineGrid(points, 16)
    assert torch.allclose(splines.gather(grid), points @ slopes)
    assert torch.allclose(splines.gather_gradient(grid), slopes.expand(50, 3))


def test_chunks_change_nothing(monkeypatch):
    splines, draw = drawn()
    grid = torch.randn(12, 12, 12, generator=draw, dtype=torch.float64)
    values = torch.randn(200, generator=draw, dtype=torch.float64)
    monkeypatch.setattr(spline_grid, "CHUNK", 7)  # too many points to keep, so computed again each time
    again = SplineGrid(splines.points, 12)
    assert again._kept is None
    assert torch.equal(again.gather(grid), splines.gather(grid))
    assert torch.equal(again.gather_gradient(grid), splines.gather_gradient(grid))
    assert torch.allclose(again.splat(values), splines.splat(values), atol=1e-14)
