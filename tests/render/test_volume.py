"""Clouds with closed solutions, seen by all ways of rendering."""

import math

import pytest
import torch

from isofield.geometry import Box
from isofield.geometry.rays import Rays
from isofield.ops.transmittance import stratified
from isofield.render.occupancy import Counted, Occupancy, render_pruned
from isofield.render.volume import composite, render_all, render_samples, render_twice

RED = torch.tensor([0.9, 0.2, 0.1])


def ball(density: float = 4.0, radius: float = 0.3):
    """An evenly red ball."""

    def radiance(points, directions):
        inside = points.norm(dim=1) < radius
        return density * inside.float(), RED.expand_as(points)

    return radiance


def across(count: int = 200) -> Rays:
    """Parallel rays along z, at growing distance from the middle."""
    x = torch.linspace(-0.45, 0.45, count)
    origins = torch.stack([x, torch.zeros(count), torch.full((count,), -2.0)], 1)
    return Rays(
        origins, torch.tensor([0, 0, 1.0]).expand(count, 3), torch.ones(count), torch.full((count,), 3.0)
    )


def wanted(rays: Rays, density: float = 4.0, radius: float = 0.3, background: float = 0.0) -> torch.Tensor:
    """Beer's law along the chord."""
    chord = 2 * (radius**2 - rays.origins[:, 0] ** 2).clamp(min=0).sqrt()
    passed = torch.exp(-density * chord)[:, None]
    return (1 - passed) * RED + passed * background


def test_compositing_is_a_loop_over_samples():
    draw = torch.Generator().manual_seed(0)
    density, colour = torch.rand(4, 6, generator=draw) * 3, torch.rand(4, 6, 3, generator=draw)
    t = torch.rand(4, 6, generator=draw).sort(1).values
    found = composite(density, colour, t, background=0.5, last=0.2)
    for r in range(4):
        light, seen = 1.0, torch.zeros(3)
        for s in range(6):
            length = (t[r, s + 1] - t[r, s]) if s < 5 else torch.tensor(0.2)
            alpha = 1 - math.exp(-density[r, s] * length)
            seen += light * alpha * colour[r, s]
            light *= 1 - alpha
        torch.testing.assert_close(found.colour[r], seen + light * 0.5)
        assert found.opacity[r].item() == pytest.approx(1 - light, abs=1e-6)


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_a_ball_is_seen_as_beer_says(background):
    rays = across()
    t = stratified(rays.near, rays.far, 4000)
    found = render_samples(ball(), rays, t, background)
    torch.testing.assert_close(found.colour, wanted(rays, background=background), atol=4e-3, rtol=0)


def test_the_second_pass_is_nearer_to_the_truth_with_as_many_samples():
    rays = across()[60:140]
    hit = 2 - (0.3**2 - rays.origins[:, 0] ** 2).sqrt()
    opaque = ball(1000.0)
    first, second = render_twice(opaque, opaque, rays, (32, 64))
    single = render_samples(opaque, rays, stratified(rays.near, rays.far, 96))
    error = {
        name: (seen.depth - hit).abs().mean().item()
        for name, seen in {"first": first, "second": second, "single": single}.items()
    }
    assert second.t.shape == (len(rays), 96)
    # not by much: the histogram's bins begin half a coarse step before their sample
    assert error["second"] < 0.9 * error["single"] < error["first"]


def test_jitter_is_drawn_from_the_generator():
    rays = across(5)
    seen = [
        render_twice(ball(), ball(), rays, (8, 8), jitter=torch.Generator().manual_seed(seed))[1].t
        for seed in (0, 0, 1)
    ]
    assert seen[0].equal(seen[1])
    assert not seen[0].equal(seen[2])


def test_gradients_reach_the_radiance():
    weight = torch.tensor(2.0, requires_grad=True)

    def radiance(points, directions):
        return torch.exp(-10 * (points**2).sum(1)) * weight.exp(), RED.expand_as(points) * weight.sigmoid()

    first, second = render_twice(radiance, radiance, across(20), (16, 16))
    (first.colour.sum() + second.colour.sum()).backward()
    assert weight.grad is not None
    assert weight.grad.abs() > 0


def test_in_batches_it_is_the_same():
    rays = across(1200)
    render = lambda some: render_samples(ball(), some, stratified(some.near, some.far, 50))  # noqa: E731
    torch.testing.assert_close(render_all(render, rays).colour, render(rays).colour)


class TestPruned:
    occupancy = Occupancy.of(lambda p: ball()(p, p)[0], Box.cube(1.0), cells=16)

    def test_the_ball_is_in_the_full_cells_and_far_places_are_not(self):
        draw = torch.Generator().manual_seed(0)
        points = torch.rand(5000, 3, generator=draw) * 1.4 - 0.7
        full = self.occupancy.at(points)
        distance = points.norm(dim=1)
        assert full[distance < 0.3].all()
        assert not full[distance > 0.3 + 2.5 * 3**0.5 / 16].any()
        assert 0 < self.occupancy.share < 0.5

    def test_the_tight_box_holds_the_ball_and_little_more(self):
        tight = self.occupancy.tight
        assert (tight.low <= -0.3).all()
        assert (tight.high >= 0.3).all()
        assert (tight.extent <= 0.6 + 4 / 16).all()
        nothing = Occupancy(torch.zeros_like(self.occupancy.full), *self._rest())
        assert nothing.tight is self.occupancy.box

    def test_outside_the_box_there_is_nothing(self):
        whole = Occupancy.of(lambda p: torch.ones(len(p)), Box.cube(1.0), cells=4)
        places = torch.tensor([[0.49, 0, 0], [0.51, 0, 0], [-0.51, 0, 0], [0, 0, 9.0]])
        assert whole.at(places).tolist() == [True, False, False, False]

    @pytest.mark.parametrize("background", [0.0, 1.0])
    def test_it_sees_what_beer_says(self, background):
        rays = across()
        found = render_pruned(ball(), rays, self.occupancy, 1 / 1000, background)
        torch.testing.assert_close(found.colour, wanted(rays, background=background), atol=1e-2, rtol=0)

    def test_skipping_changes_nothing_and_asks_less(self):
        rays = across()
        everywhere = Occupancy(torch.ones_like(self.occupancy.full), *self._rest())
        few, all_of_them = Counted(), Counted()
        pruned = render_pruned(ball(), rays, self.occupancy, 1 / 200, counted=few)
        full = render_pruned(ball(), rays, everywhere, 1 / 200, counted=all_of_them)
        torch.testing.assert_close(pruned.colour, full.colour)
        torch.testing.assert_close(pruned.depth, full.depth)
        assert few.per_ray < 0.75 * all_of_them.per_ray

    def test_dark_rays_end(self):
        rays = across()
        light, dark = Counted(), Counted()
        render_pruned(ball(4.0), rays, self.occupancy, 1 / 500, counted=light)
        seen = render_pruned(ball(400.0), rays, self.occupancy, 1 / 500, counted=dark)
        assert dark.samples < 0.7 * light.samples
        middle = rays.origins[:, 0].abs() < 0.25
        torch.testing.assert_close(seen.colour[middle], RED.expand(int(middle.sum()), 3), atol=2e-3, rtol=0)

    def test_rays_that_miss_the_box_see_the_background(self):
        rays = across(4)
        aside = Rays(rays.origins + torch.tensor([5.0, 0, 0]), rays.directions, rays.near, rays.far)
        seen = render_pruned(ball(), aside, self.occupancy, 0.01, 0.7)
        assert (seen.colour == 0.7).all()
        assert not seen.opacity.any()

    def _rest(self):
        return self.occupancy.low, self.occupancy.cell, self.occupancy.box
