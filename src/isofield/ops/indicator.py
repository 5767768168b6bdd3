"""From points to the indicator function of what they enclose: orientation, then a Poisson solve."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.gauss import GaussSolver, interpolate_level, orient, settle
from isofield.ops.neighbourhood import Neighbourhood
from isofield.ops.spline_grid import SplineGrid

MARGIN = 1.25
"""Side of the solving cube over the longest edge of the points' box; room for the periodic solve."""

CELLS_PER_SPACING = 0.8
"""Feature cells along the cube's edge times the point spacing: features follow the points."""


@dataclass(frozen=True)
class Indicator:
    """A smoothed indicator function over the unit cube: positive inside, zero on the surface."""

    grid: Float[Tensor, "r r r"]
    """Spline coefficients at cell centres; about 1/2 inside and -1/2 outside."""

    def at(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return SplineGrid(points, len(self.grid)).gather(self.grid)


def even(cells: float, low: int, high: int) -> int:
    """A grid size near `cells` within [low, high] that the FFT likes: a multiple of 8, 7-smooth.

    Seven-smooth numbers have no prime factor above 7; others transform up to twice as slowly.
    """
    sizes = [side for side in range(8, high + 1, 8) if side >= low and is_smooth(side)]
    return min(sizes, key=lambda side: abs(side - cells))


def is_smooth(number: int) -> bool:
    """Whether no prime above 7 divides the number."""
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


def oriented_normals(
    points: Float[Tensor, "n 3"],
    near: Neighbourhood,
    blurs: tuple[float, ...] = (3.0, 2.0, 1.5, 1.5, 1.5),
) -> Float[Tensor, "n 3"]:
    """Unit normals that point outwards, from the points alone.

    The planes come from neighbours, their sides from the Gauss field of the whole cloud on
    grids whose cells follow the spacing.
    """
    solver = GaussSolver(points, even(1.7 / near.spacing, 32, 96))
    vectors = orient(solver, near.area)
    normals = torch.where((vectors * near.normal).sum(1, keepdim=True) < 0, -near.normal, near.normal)
    return settle(GaussSolver(points, even(2.3 / near.spacing, 48, 128)), normals, near.area, blurs)


def solve_indicator(
    points: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    area: Float[Tensor, " n"],
    side: int,
    blur: float,
    reach: float,
    damping: float = 1.0,
    iterations: int = 6,
) -> Indicator:
    """Indicator of the surface through oriented points.

    Smoothed by a Gaussian of `blur` cells, then screened with bumps of `reach` cells: the
    level, its mean over the points by area, is interpolated at each of them.
    """
    solver = GaussSolver(points, side)
    chi = solver.indicator(normals * area[:, None], solver.kernel(blur))
    level = (solver.splines.gather(chi) * area).sum() / area.sum()
    return Indicator(interpolate_level(solver, chi, level, reach, damping, iterations) - level)


def indicator_of(
    points: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    near: Neighbourhood,
    side: int,
    smooth: float = 0.7,
    reach: float = 1.0,
) -> Indicator:
    """Indicator of a cloud with outward normals, smoothed and screened to fit its spacing.

    Args:
        points: In the unit cube, away from its faces.
        normals: Unit normals, outwards.
        near: The points' neighbourhoods.
        side: Cells of the indicator's grid.
        smooth: Standard deviation of the smoothing, in point spacings.
        reach: Standard deviation of the screening bumps, in point spacings.
    """
    cells = near.spacing * side
    return solve_indicator(
        points, normals, near.area, side, max(smooth * cells, 0.6), max(reach * cells, 0.8)
    )


FINEST_FEATURES = 48
"""Feature cells along the cube's edge at most: finer ones cost twice and more, and told no more."""


def feature_side(spacing: float) -> int:
    """Cells along the cube's edge so that features follow points so far apart."""
    return even(CELLS_PER_SPACING / spacing, 16, FINEST_FEATURES)
