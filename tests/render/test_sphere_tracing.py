"""Tracing a signed distance from both ends finds what the formula says, and in training what is closest."""

import pytest
import torch
from torch import Tensor

from isofield.geometry.rays import Rays
from isofield.render.sphere_tracing import trace, trace_training, within_ball


def towards(count: int, spread: float = 0.9, seed: int = 0) -> Rays:
    draw = torch.Generator().manual_seed(seed)
    goals = (torch.rand(count, 3, generator=draw, dtype=torch.float64) - 0.5) * 2 * spread
    origins = torch.tensor([[0.3, -0.2, -2.5]], dtype=torch.float64).expand(count, 3)
    zero = torch.zeros(count, dtype=torch.float64)
    rays = Rays(origins, torch.nn.functional.normalize(goals - origins, dim=-1), zero, zero)
    return within_ball(rays, 1.0)


def ball(radius: float = 0.5):
    return lambda points: points.norm(dim=-1) - radius


def lying(points: Tensor) -> Tensor:
    """Larger than the distance, as an unfinished network's: steps go through the surface."""
    return 1.5 * (points.norm(dim=-1) - 0.5)


def hollow(points: Tensor) -> Tensor:
    """Two balls side by side: a ray past the first may meet the second."""
    return torch.minimum((points - 0.35).norm(dim=-1), (points + 0.35).norm(dim=-1)) - 0.25


def marched(sdf, rays: Rays, steps: int = 20_000) -> Tensor:
    """The first of very many samples inside; infinite where there is none."""
    result = torch.full_like(rays.near, torch.inf)
    for ray in range(len(rays)):
        t = torch.linspace(float(rays.near[ray]), float(rays.far[ray]), steps, dtype=torch.float64)
        inside = sdf(rays.origins[ray] + t[:, None] * rays.directions[ray]) < 0
        if inside.any():
            result[ray] = t[int(inside.int().argmax())]
    return result


def test_rays_enter_and_leave_the_ball():
    rays = towards(100, 1.5)
    meets = rays.near < rays.far
    assert 0 < meets.sum() < 100
    for t in (rays.near, rays.far):
        torch.testing.assert_close(rays.at(t)[meets].norm(dim=-1), torch.ones(int(meets.sum())).double())
    assert (rays.near[~meets] == 0).all()
    assert (rays.far[~meets] == 0).all()
    inside = Rays(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]]), *torch.zeros(2, 1))
    assert within_ball(inside, 2.0).near.item() == 0  # not behind the eye


@pytest.mark.parametrize("sdf", [ball(), hollow])
def test_the_first_crossing_is_that_of_a_very_fine_march(sdf):
    rays = towards(60)
    traced, wanted = trace(sdf, rays), marched(sdf, rays)
    # rays that only graze may go either way
    sure = torch.stack([sdf(rays.at(torch.lerp(rays.near, rays.far, s))) for s in torch.linspace(0, 1, 400)])
    sure = sure.amin(0).abs() > 2e-3
    assert traced.hit[sure].equal(wanted.isfinite()[sure])
    both = traced.hit & wanted.isfinite() & sure
    assert both.sum() > 10
    torch.testing.assert_close(traced.t[both], wanted[both], atol=2e-3, rtol=0)


def test_steps_through_the_surface_are_taken_back():
    rays = towards(100, 0.25)
    assert (ball()(rays.at(-(rays.origins * rays.directions).sum(-1))) < -0.1).all()
    traced = trace(lying, rays)
    assert traced.hit.all()
    torch.testing.assert_close(traced.t, marched(ball(), rays), atol=2e-3, rtol=0)


def test_in_training_rays_without_a_hit_end_where_the_distance_is_smallest():
    rays, shares = towards(200), torch.linspace(0, 1, 2000, dtype=torch.float64)
    hit = trace(ball(), rays).hit
    traced = trace_training(ball(), rays, hit, shares)
    assert traced.hit.equal(hit)
    miss = ~hit
    closest = -(rays.origins * rays.directions).sum(-1)  # of a ball: closest to its middle
    torch.testing.assert_close(traced.t[miss], closest[miss], atol=0.02, rtol=0)


def test_a_hit_that_should_not_be_is_led_to_its_deepest_place():
    rays, shares = towards(200, 0.3), torch.linspace(0, 1, 2000, dtype=torch.float64)
    traced = trace_training(ball(), rays, torch.zeros(200, dtype=torch.bool), shares)
    assert traced.hit.all()
    depth = ball()(rays.at(traced.t))
    assert (depth < -0.02).all()
    closest = -(rays.origins * rays.directions).sum(-1)
    torch.testing.assert_close(traced.t, closest, atol=0.02, rtol=0)


def test_rays_that_miss_the_ball_are_led_to_its_middle():
    rays = towards(100, 2.0)
    beside = rays.near >= rays.far
    traced = trace_training(ball(), rays, torch.ones(100, dtype=torch.bool), torch.rand(50).double())
    closest = -(rays.origins * rays.directions).sum(-1)
    assert beside.sum() > 10
    torch.testing.assert_close(traced.t[beside], closest[beside])
    assert not traced.hit[beside].any()
