"""A point cloud -> its smoothed indicator function, by Gauss' theorem; nothing is learned.

For a closed surface with outward normals n, the indicator chi (1 inside, 0 outside) satisfies
grad chi = -n delta, so laplacian chi = -div(n delta): a Poisson solve, here by FFT on a
periodic grid (Kazhdan 2005; Shape As Points, arXiv:2106.03452). Orientation, the hard part, is
linear too: find vectors m whose field takes the value 1/2 at every sample (parametric Gauss
reconstruction, arXiv:2111.09066), regularised, by conjugate gradients.

All lengths here are in units of the solving cube, whose points lie in [0, 1]^3, or in cells.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.spline_grid import SplineGrid


class GaussSolver:
    """Gauss fields of weighted normals at fixed points, on a periodic grid.

    Args:
        points: In the unit cube, away from its faces.
        side: Cells along each edge.
    """

    def __init__(self, points: Float[Tensor, "n 3"], side: int) -> None:
        self.splines, self.side = SplineGrid(points, side), side

    def frequencies(self) -> Float[Tensor, "r r r2"]:
        """Squared angular frequencies of the half spectrum, in units of the cube."""
        k = 2 * torch.pi * torch.fft.fftfreq(self.side, 1 / self.side)
        half = 2 * torch.pi * torch.fft.rfftfreq(self.side, 1 / self.side)
        return k[:, None, None] ** 2 + k[None, :, None] ** 2 + half[None, None, :] ** 2

    def smoothing(self, blur: float) -> Float[Tensor, "r r r2"]:
        """Spectrum of a Gaussian of `blur` cells."""
        return self.frequencies().mul_(-0.5 * (blur / self.side) ** 2).exp_()

    def kernel(self, blur: float) -> Float[Tensor, "r r r2"]:
        """Spectrum of the Green function of -laplacian, smoothed by a Gaussian of `blur` cells."""
        k2 = self.frequencies()
        k2[0, 0, 0] = torch.inf  # the mean is free; here it is zero
        return self.smoothing(blur).div_(k2).mul_(self.side**3)

    def solve(
        self, source: Float[Tensor, "r r r"], kernel: Float[Tensor, "r r r2"]
    ) -> Float[Tensor, "r r r"]:
        """The source convolved with the kernel."""
        spectrum = torch.fft.rfftn(source)
        spectrum *= kernel
        return torch.fft.irfftn(spectrum, s=source.shape)

    def indicator(
        self, vectors: Float[Tensor, "n 3"], kernel: Float[Tensor, "r r r2"]
    ) -> Float[Tensor, "r r r"]:
        """Smoothed indicator of the surface whose area vectors are given, up to a constant."""
        return self.solve(self.splines.splat_divergence(vectors), kernel)


def border_mean(grid: Float[Tensor, "r r r"]) -> Float[Tensor, ""]:
    """Mean over the six outermost layers, where the indicator is zero."""
    inner = grid[1:-1, 1:-1, 1:-1]
    return (grid.sum() - inner.sum()) / (grid.numel() - inner.numel())


def orient(
    solver: GaussSolver,
    area: Float[Tensor, " n"],
    blur: float = 1.0,
    damping: float = 3.0,
    iterations: int = 12,
) -> Float[Tensor, "n 3"]:
    """Area vectors m whose Gauss field is 1/2 above its border at every point.

    Solves (A W^2 A^T + damping d I) y = 1/2 by conjugate gradients and returns m = W A^T y,
    where A m is the field at the points, W the areas and d a typical diagonal entry.
    Parametric Gauss reconstruction (arXiv:2111.09066); m points outwards.
    """
    kernel, splines = solver.kernel(blur), solver.splines
    area = area / area.mean()  # only ratios matter; keeps float32 in range
    outer = torch.ones(solver.side, solver.side, solver.side)
    outer[1:-1, 1:-1, 1:-1] = 0
    outer /= outer.sum()

    def field(m: Tensor) -> Tensor:
        chi = solver.indicator(m, kernel)
        return splines.gather(chi) - border_mean(chi)

    def adjoint(y: Tensor) -> Tensor:
        return -splines.gather_gradient(solver.solve(splines.splat(y) - y.sum() * outer, kernel))

    def normal_equation(y: Tensor) -> Tensor:
        return field(area[:, None] ** 2 * adjoint(y))

    middle = len(area) // 2
    one = torch.zeros_like(area)
    one[middle] = 1
    damp = damping * normal_equation(one)[middle]
    y = conjugate_gradients(lambda p: normal_equation(p) + damp * p, torch.full_like(area, 0.5), iterations)
    return area[:, None] * adjoint(y)


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], target: Float[Tensor, " n"], iterations: int
) -> Float[Tensor, " n"]:
    """Approximate solution of `apply(y) = target`, for a symmetric positive `apply`, from zero."""
    y, r = torch.zeros_like(target), target.clone()
    p, rr = r.clone(), r.dot(r)
    for _ in range(iterations):
        ap = apply(p)
        step = rr / p.dot(ap)
        y += step * p
        r -= step * ap
        rr, previous = r.dot(r), rr
        p = r + rr / previous * p
    return y


def settle(
    solver: GaussSolver,
    normals: Float[Tensor, "n 3"],
    area: Float[Tensor, " n"],
    blurs: tuple[float, ...] = (3.0, 2.0, 1.5, 1.5, 1.5),
) -> Float[Tensor, "n 3"]:
    """The unit normals, each on the side that the whole solution gives it.

    One Poisson solve per entry of `blurs` (in cells); after each, normals that point towards
    the inside of the solution turn round.
    """
    for blur in blurs:
        chi = solver.indicator(normals * area[:, None], solver.kernel(blur))
        slope = (solver.splines.gather_gradient(chi) * normals).sum(1, keepdim=True)
        normals = torch.where(slope > 0, -normals, normals)
    return normals


def interpolate_level(
    solver: GaussSolver,
    chi: Float[Tensor, "r r r"],
    level: float | Float[Tensor, ""],
    reach: float = 1.5,
    damping: float = 1.0,
    iterations: int = 10,
) -> Float[Tensor, "r r r"]:
    """The field corrected near the points so that it takes `level` there: screening.

    Adds one Gaussian bump of `reach` cells per point, heights by damped least squares. What
    blurring shrank, curved and thin parts, comes back; `damping` (in units of a diagonal
    entry) keeps noise out.
    """
    bump = solver.smoothing(reach)
    splines = solver.splines

    def spread(heights: Tensor) -> Tensor:
        return solver.solve(splines.splat(heights), bump)

    residual = level - splines.gather(chi)
    one = torch.zeros_like(residual)
    one[len(one) // 2] = 1
    damp = damping * splines.gather(spread(one))[len(one) // 2]
    heights = conjugate_gradients(lambda p: splines.gather(spread(p)) + damp * p, residual, iterations)
    return spread(heights).add_(chi)
