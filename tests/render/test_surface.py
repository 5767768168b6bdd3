"""Rays meet formulas where they should, with the gradients that finite differences find."""

import pytest
import torch
from torch import Tensor

from isofield.geometry.rays import Rays
from isofield.render.surface import attached, intersect


def towards(count: int, spread: float = 0.3, seed: int = 0) -> Rays:
    """Rays from z = -2 through places near the origin; float64."""
    draw = torch.Generator().manual_seed(seed)
    goals = (torch.rand(count, 3, generator=draw, dtype=torch.float64) - 0.5) * 2 * spread
    origins = torch.tensor([[0.1, -0.2, -2.0]], dtype=torch.float64).expand(count, 3).clone()
    directions = torch.nn.functional.normalize(goals - origins, dim=-1)
    near = torch.full((count,), 1.0, dtype=torch.float64)
    return Rays(origins, directions, near, near + 2.5)


def ball(radius: float | Tensor = 0.4):
    return lambda points: radius - points.norm(dim=-1)


def ball_depth(rays: Rays, radius: float) -> Tensor:
    """The textbook's first crossing; nan where there is none."""
    middle = -(rays.origins * rays.directions).sum(-1)
    return middle - (middle**2 - (rays.origins**2).sum(-1) + radius**2).sqrt()


def naive(inside, rays: Rays, steps: int) -> Tensor:
    """Every sample of every ray at once, then bisection."""
    shares = torch.linspace(0, 1, steps, dtype=torch.float64)
    t = rays.near[:, None] + shares * (rays.far - rays.near)[:, None]
    occupied = inside(rays.at(t).flatten(0, 1)).view(t.shape) > 0
    result = torch.full_like(rays.near, torch.inf)
    for ray in range(len(rays)):
        if occupied[ray, 0] or not occupied[ray].any():
            continue
        first = int(occupied[ray].int().argmax())
        low, high = t[ray, first - 1], t[ray, first]
        for _ in range(60):
            middle = (low + high) / 2
            within = inside(rays.at(middle.expand(len(rays))))[ray] > 0
            low, high = (low, middle) if within else (middle, high)
        result[ray] = high
    return result


def test_a_ball_is_met_where_the_formula_says():
    rays = towards(200, 0.6)
    hits = intersect(ball(), rays, 64)
    wanted = ball_depth(rays, 0.4)
    sure = (wanted.isnan() | (rays.at(wanted.nan_to_num()).norm(dim=-1) < 1)) & ~hits.starts_inside
    found = hits.found & sure
    torch.testing.assert_close(hits.t[found].detach(), wanted[found], atol=1e-10, rtol=0)
    assert not (hits.found & wanted.isnan()).any()
    assert (hits.found | wanted.isnan()).double().mean() > 0.95  # only grazing rays slip through


def test_the_march_is_the_naive_one():
    def bumpy(points: Tensor) -> Tensor:
        return 0.35 + 0.15 * torch.sin(9 * points).prod(-1) - points.norm(dim=-1)

    rays = towards(60, 0.5)
    hits = intersect(bumpy, rays, 32, secant=40)
    torch.testing.assert_close(hits.t.detach(), naive(bumpy, rays, 32), atol=1e-6, rtol=0)


def test_rays_that_start_inside_or_never_enter():
    rays = towards(3)
    near = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)  # in the ball, before it, after its end
    rays = Rays(rays.origins, rays.directions, near, torch.tensor([3.0, 1.2, 0.5], dtype=torch.float64))
    hits = intersect(ball(), rays, 16)
    assert hits.starts_inside.tolist() == [True, False, False]
    assert hits.found.tolist() == [True, False, False]
    assert hits.t[0] == 2.0
    with pytest.raises(ValueError, match="at least 2"):
        intersect(ball(), rays, 1)


def network(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    with torch.no_grad():
        layers[2].weight *= 0.3
    return layers


def bent(layers: torch.nn.Module, code: Tensor):
    """A ball that a network and a code deform."""
    return lambda points: 0.4 - points.norm(dim=-1) + 0.2 * layers(points + code)[:, 0]


def test_the_gradient_is_that_of_finite_differences_for_code_and_rays():
    layers, rays = network(), towards(12, 0.15)
    assert intersect(bent(layers, torch.zeros(3).double()), rays, 64).found.all()

    def crossing(code: Tensor, origins: Tensor, directions: Tensor) -> Tensor:
        moved = Rays(origins, directions, rays.near, rays.far)
        return intersect(bent(layers, code), moved, 64, secant=30).t

    code = torch.full((3,), 0.1, dtype=torch.float64, requires_grad=True)
    origins, directions = (x.clone().requires_grad_() for x in (rays.origins, rays.directions))
    assert torch.autograd.gradcheck(crossing, (code, origins, directions), eps=1e-6, atol=1e-5)


def test_the_gradient_is_that_of_finite_differences_for_every_parameter():
    layers, rays = network(1), towards(12, 0.15)
    inside = bent(layers, torch.zeros(3).double())
    weights = torch.rand(12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (weights * intersect(inside, rays, 64, secant=30).t).sum().backward()
    for parameter in layers.parameters():
        numbers = parameter.data.view(-1)
        for place in range(0, len(numbers), 5):
            ends = []
            for move in (1e-6, -1e-6):
                numbers[place] += move
                ends.append((weights * intersect(inside, rays, 64, secant=30).t.detach()).sum())
                numbers[place] -= move
            torch.testing.assert_close(
                parameter.grad.view(-1)[place], (ends[0] - ends[1]) / 2e-6, atol=1e-6, rtol=1e-5
            )


def kept_for_backward(steps: int, naively: bool = False) -> int:
    """Bytes that the graph of a crossing keeps, each tensor once."""
    layers, rays, kept = network(), towards(50, 0.15), {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if naively:
            shares = torch.linspace(1, 3.5, steps, dtype=torch.float64).expand(len(rays), steps)
            bent(layers, torch.zeros(3).double())(rays.at(shares).flatten(0, 1)).sum()
        else:
            intersect(bent(layers, torch.zeros(3).double()), rays, steps).t.sum()
    return sum(size for size, _ in kept.values())


def test_what_the_backward_pass_needs_does_not_grow_with_the_steps():
    few, many = kept_for_backward(16), kept_for_backward(512)
    assert few == many
    assert kept_for_backward(512, naively=True) > 20 * many


def test_evaluations_see_as_many_rows_however_fine_the_march_is():
    rows = []

    def counted(points: Tensor) -> Tensor:
        rows.append(len(points))
        return ball()(points)

    intersect(counted, towards(50), 512)
    assert max(rows) <= 50


def test_the_crossing_keeps_its_number_and_small_slopes_are_bounded():
    rays = towards(5, 0.1)
    t = ball_depth(rays, 0.4)
    scale = torch.tensor(1e-6, dtype=torch.float64, requires_grad=True)
    found = attached(lambda points: scale * (0.4 - points.norm(dim=-1)) + scale - 1e-6, rays, t)
    assert found.detach().equal(t)
    (slope,) = torch.autograd.grad(found.sum(), scale)
    assert slope == pytest.approx(-5 / 1e-3, rel=1e-3)  # not 5 / 1e-6


def test_without_gradients_nothing_is_attached():
    with torch.no_grad():
        hits = intersect(ball(), towards(4, 0.1), 32)
    assert not hits.t.requires_grad
