"""Quadratic B-splines between scattered points and a periodic grid.

The unit cube is divided into `side`^3 cells whose centres carry the values; the grid repeats
itself in every direction. Splat and gather are adjoint to each other, and so are the splat of
a divergence and the gather of a gradient, which keeps normal equations symmetric.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 65_536
"""Points whose 27 weights are in memory at once."""


class SplineGrid:
    """Points in the unit cube, seen by a periodic grid of `side`^3 cells."""

    def __init__(self, points: Float[Tensor, "n 3"], side: int) -> None:
        self.points, self.side = points, side
        self._kept = list(self._stencils()) if len(points) <= 4 * CHUNK else None

    def splat(self, values: Float[Tensor, " n"]) -> Float[Tensor, "r r r"]:
        """Sum of one bump of height `values` per point."""
        out = self._empty()
        for part, index, weight, _ in self.stencils():
            w = _outer(weight)
            out.index_add_(0, index.reshape(-1), (w * values[part, None]).reshape(-1))
        return out.view(self.side, self.side, self.side)

    def splat_divergence(self, vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "r r r"]:
        """Divergence, in units of the cube, of the splatted vector field."""
        out = self._empty()
        for part, index, weight, slope in self.stencils():
            v = vectors[part]
            total = torch.stack([_outer(_replace(weight, slope, a)) * v[:, a, None] for a in range(3)]).sum(0)
            out.index_add_(0, index.reshape(-1), total.reshape(-1), alpha=-self.side)
        return out.view(self.side, self.side, self.side)

    def gather(self, grid: Float[Tensor, "r r r"]) -> Float[Tensor, " n"]:
        """Values of the spline with the given coefficients at the points."""
        flat = grid.reshape(-1)
        return torch.cat([(_outer(weight) * flat[index]).sum(1) for _, index, weight, _ in self.stencils()])

    def gather_gradient(self, grid: Float[Tensor, "r r r"]) -> Float[Tensor, "n 3"]:
        """Gradient of that spline at the points, in units of the cube."""
        flat, rows = grid.reshape(-1), []
        for _, index, weight, slope in self.stencils():
            g = flat[index]
            rows.append(torch.stack([(_outer(_replace(weight, slope, a)) * g).sum(1) for a in range(3)], 1))
        return torch.cat(rows) * self.side

    def stencils(self) -> "Iterator[Stencil]":
        """Chunks of points: their slice, 27 cells each, weights and slopes along each axis."""
        return iter(self._kept) if self._kept is not None else self._stencils()

    def _stencils(self) -> "Iterator[Stencil]":
        side = self.side
        for start in range(0, len(self.points), CHUNK):
            part = slice(start, min(start + CHUNK, len(self.points)))
            x = self.points[part] * side - 0.5
            middle = x.round()
            weight, slope = bspline_weights(x - middle)
            near = (middle.long()[:, :, None] + torch.arange(-1, 2)) % side  # (n 3 3)
            index = (near[:, 0, :, None, None] * side + near[:, 1, None, :, None]) * side + near[
                :, 2, None, None, :
            ]
            yield part, index.reshape(len(x), 27), weight, slope

    def _empty(self) -> Float[Tensor, " cells"]:
        return torch.zeros(self.side**3, dtype=self.points.dtype)


Stencil = tuple[slice, Int[Tensor, "n 27"], Float[Tensor, "n 3 3"], Float[Tensor, "n 3 3"]]


def bspline_weights(f: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, "n 3 3"]]:
    """Weights of the three nearest cells along each axis, and their derivatives.

    `f` in [-1/2, 1/2] is the offset from the nearest cell's centre; weights sum to one.
    """
    weight = torch.stack([0.5 * (0.5 - f) ** 2, 0.75 - f**2, 0.5 * (0.5 + f) ** 2], -1)
    slope = torch.stack([f - 0.5, -2 * f, f + 0.5], -1)
    return weight, slope


def _outer(weight: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 27"]:
    w = weight[:, 0, :, None, None] * weight[:, 1, None, :, None] * weight[:, 2, None, None, :]
    return w.reshape(len(w), 27)


def _replace(
    weight: Float[Tensor, "n 3 3"], slope: Float[Tensor, "n 3 3"], axis: int
) -> Float[Tensor, "n 3 3"]:
    """The weights with one axis differentiated."""
    out = weight.clone()
    out[:, axis] = slope[:, axis]
    return out
