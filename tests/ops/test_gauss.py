"""Gauss fields of spheres and tori: sides, plateaus and level sets are known in closed form."""

import numpy as np
import pytest
import torch

from isofield.ops.gauss import GaussSolver, border_mean, conjugate_gradients, interpolate_level
from isofield.ops.indicator import indicator_of, oriented_normals, solve_indicator
from isofield.ops.neighbourhood import neighbourhood
from isofield.ops.spline_grid import SplineGrid


def sphere(n: int, radius: float = 0.3, centre: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Evenly spread points (Fibonacci's spiral) and their outward normals."""
    k = np.arange(n) + 0.5
    z, turn = 1 - 2 * k / n, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z**2)
    normals = np.stack([r * np.cos(turn), r * np.sin(turn), z], 1)
    return (
        torch.from_numpy(centre + radius * normals).float(),
        torch.from_numpy(normals).float(),
    )


def torus(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(0)
    u, v = draw.uniform(0, 2 * np.pi, (2, n))
    normals = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], 1)
    ring = np.stack([np.cos(u), np.sin(u), 0 * u], 1)
    return torch.from_numpy(0.5 + 0.27 * ring + 0.11 * normals).float(), torch.from_numpy(normals).float()


def two(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Separate spheres of different size."""
    a, b = sphere(n, 0.14, 0.32), sphere(n // 2, 0.1, 0.7)
    return torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])


def shell(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A hollow ball: the normals of its cavity point to the centre."""
    a, b = sphere(n, 0.36), sphere(n // 4, 0.18)
    return torch.cat([a[0], b[0]]), torch.cat([a[1], -b[1]])


@pytest.mark.parametrize("shape", [sphere, torus, two], ids=lambda f: f.__name__)
def test_normals_point_outwards(shape):
    points, normals = shape(2000)
    found = oriented_normals(points, neighbourhood(points))
    assert ((found * normals).sum(1) > 0.8).float().mean() > 0.995


def test_a_surface_nobody_sees_counts_as_a_solid_within():
    # Points alone don't tell a cavity from a ball inside the ball; both have closed level sets.
    points, _ = shell(2400)
    found = oriented_normals(points, neighbourhood(points))
    outer = (points - 0.5).norm(dim=1) > 0.3
    away = ((points - 0.5) * found).sum(1)
    assert (away[outer] > 0).float().mean() > 0.99
    assert max((away[~outer] > 0).float().mean(), (away[~outer] < 0).float().mean()) > 0.99


def test_plateaus_are_half_inside_and_minus_half_outside():
    points, normals = sphere(4000)
    chi = indicator_of(points, normals, neighbourhood(points), 64)
    draw = torch.Generator().manual_seed(0)
    way = torch.nn.functional.normalize(torch.randn(200, 3, generator=draw), dim=1)
    inside, outside = chi.at(0.5 + 0.15 * way), chi.at(0.5 + 0.45 * way)
    assert inside.mean() == pytest.approx(0.5, abs=0.12)  # areas by the tenth neighbour are a little large
    assert outside.mean() == pytest.approx(-0.5, abs=0.12)
    assert max(inside.std(), outside.std()) < 0.01


def radius_error(n: int, side: int) -> float:
    """Root mean square distance of the level set from the sphere, along rays from the centre."""
    normals = torch.nn.functional.normalize(
        torch.randn(n, 3, generator=torch.Generator().manual_seed(1)), dim=1
    )
    points = 0.5 + 0.3 * normals
    chi = indicator_of(points, normals, neighbourhood(points), side)
    way = torch.nn.functional.normalize(
        torch.randn(100, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    low, high = torch.full((100,), 0.2), torch.full((100,), 0.4)
    for _ in range(25):
        middle = (low + high) / 2
        inside = chi.at(0.5 + middle[:, None] * way) > 0
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return float((low - 0.3).square().mean().sqrt())


def test_the_level_set_nears_the_sphere_with_density():
    coarse, fine = radius_error(250, 32), radius_error(4000, 96)
    assert coarse < 0.01
    assert fine < 0.3 * coarse


def test_conjugate_gradients_solve_small_systems():
    draw = torch.Generator().manual_seed(0)
    half = torch.randn(20, 20, generator=draw, dtype=torch.float64)
    matrix = half @ half.T + torch.eye(20, dtype=torch.float64)
    target = torch.randn(20, generator=draw, dtype=torch.float64)
    y = conjugate_gradients(lambda p: matrix @ p, target, 60)
    assert torch.allclose(matrix @ y, target, atol=1e-9)


def test_screening_interpolates_its_level():
    points, normals = sphere(1000)
    near = neighbourhood(points)
    solver = GaussSolver(points, 48)
    chi = solver.indicator(normals * near.area[:, None], solver.kernel(1.5))
    before = solver.splines.gather(chi) - 0.3
    screened = interpolate_level(solver, chi, 0.3, reach=1.5, damping=1e-3, iterations=40)
    after = solver.splines.gather(screened) - 0.3
    assert after.abs().max() < 0.05 * before.abs().max()


def test_field_is_the_plain_sum_over_all_points():
    """chi(x) = sum_i m_i . (x - x_i) / (4 pi |x - x_i|^3), for an object small in its periodic cube."""
    points, normals = sphere(600, radius=0.1)
    near = neighbourhood(points)
    vectors = normals * near.area[:, None]
    solver = GaussSolver(points, 96)
    grid = solver.indicator(vectors, solver.kernel(1.0))
    way = torch.nn.functional.normalize(torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    places = 0.5 + torch.cat([0.02 * way, 0.05 * way, 0.17 * way])
    apart = places[:, None] - points  # (m n 3)
    plain = -((vectors * apart).sum(2) / (4 * torch.pi * apart.norm(dim=2) ** 3)).sum(1)
    fast = SplineGrid(places, 96).gather(grid) - border_mean(grid)
    assert plain[:80].mean() == pytest.approx(
        float(vectors.norm(dim=1).sum()) / (4 * torch.pi * 0.01), rel=0.02
    )
    assert torch.allclose(fast.sub(fast[80:].mean()), plain, atol=0.03)


def test_level_is_that_of_the_points():
    points, normals = sphere(1000)
    near = neighbourhood(points)
    chi = solve_indicator(points, normals, near.area, 48, 1.0, 1.5)
    assert chi.at(points).abs().mean() < 0.02


def test_pinned_values():
    """What weights were trained on must not drift: change these only together with the weights."""
    points, _ = sphere(500)
    near = neighbourhood(points)
    normals = oriented_normals(points, near)
    chi = indicator_of(points, normals, near, 32)
    places = torch.tensor(
        [[0.5, 0.5, 0.5], [0.6, 0.7, 0.4], [0.72, 0.5, 0.69], [0.9, 0.5, 0.5], [0.1, 0.1, 0.1]]
    )
    assert near.spacing == pytest.approx(0.0514195, rel=1e-5)
    assert float(near.scatter.mean()) == pytest.approx(0.00562546, rel=1e-4)
    assert chi.at(places).tolist() == pytest.approx([0.6490, 0.5082, 0.0990, -0.5267, -0.5158], abs=2e-4)
