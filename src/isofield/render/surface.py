"""First crossing of rays with the surface of an object, differentiable without storing the march.

    march:     t_0 = near, ..., t_{s-1} = far;  the first free sample that is followed by an occupied one
    secant:    eight steps of regula falsi between the two
    gradient:  f(o + t w) = 0 for every parameter, so  dt = -df / (grad f . w)      (DVR, arXiv:1912.07372)

The march runs without gradient, sample after sample, on the rays that are still in free space. The
gradient needs one more evaluation, at the crossings: neither time nor memory of the backward pass depends
on the number of steps. It reaches whatever `inside` depends on, and the rays themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from isofield.geometry.rays import Rays

Function = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]
"""Of space: rows of points to values."""
SECANT = 8
"""Steps, as published."""
LEAST_SLOPE = 1e-3
"""Of the function along a ray: what is divided by is never closer to zero, as in the original code."""


@dataclass(frozen=True)
class Hits:
    """Where rays meet a surface."""

    t: Float[Tensor, " r"]
    """Along each ray; infinite where it misses, near where it starts inside."""
    starts_inside: Bool[Tensor, " r"]
    """The ray is inside the object already at near, so there is no crossing, and t has no gradient."""

    @property
    def found(self) -> Bool[Tensor, " r"]:
        """Whether there is something to see; true, too, where the ray starts inside."""
        return self.t.isfinite()


@dataclass(frozen=True)
class Bracket:
    """Intervals with a change of sign, one per chosen ray."""

    ray: Int[Tensor, " m"]
    low: Float[Tensor, " m"]
    high: Float[Tensor, " m"]
    value_low: Float[Tensor, " m"]
    value_high: Float[Tensor, " m"]


def intersect(inside: Function, rays: Rays, steps: int = 128, secant: int = SECANT) -> Hits:
    """First crossing of each ray from outside to inside.

    Args:
        inside: Positive inside the object; evaluated without gradient while marching.
        rays: With finite near and far; those with near >= far miss.
        steps: Samples per ray, near and far included; a wall thinner than their distance may be missed.
        secant: Steps that narrow the first interval with a change of sign.

    Returns:
        The distances, with the implicit gradient where gradients are being recorded.
    """
    with torch.no_grad():
        bracket, starts = march(inside, rays, steps)
        crossing = regula_falsi(inside, rays, bracket, secant)
    if torch.is_grad_enabled() and len(crossing):
        crossing = attached(inside, rays[bracket.ray], crossing)
    t = torch.where(starts, rays.near.detach(), torch.inf)
    return Hits(t.index_put((bracket.ray,), crossing), starts)


def march(inside: Function, rays: Rays, steps: int) -> tuple[Bracket, Bool[Tensor, " r"]]:
    """First change from outside to inside among equidistant samples, and which rays start inside."""
    if steps < 2:
        raise ValueError(f"marching takes at least 2 samples, not {steps}")
    live = (rays.near < rays.far).nonzero()[:, 0]
    starts = torch.zeros_like(rays.near, dtype=torch.bool)
    before = inside(rays[live].at(rays.near[live]))
    starts[live] = before > 0
    live, before = live[before <= 0], before[before <= 0]
    found = []
    shares = torch.linspace(0, 1, steps, dtype=rays.near.dtype, device=rays.near.device)
    for last, share in pairwise(shares):
        if not len(live):
            break
        here = rays[live]
        low, high = here.near + last * (here.far - here.near), here.near + share * (here.far - here.near)
        after = inside(here.at(high))
        met = after > 0
        if met.any():
            found.append((live[met], low[met], high[met], before[met], after[met]))
        live, before = live[~met], after[~met]
    empty = (live[:0], *[rays.near[:0]] * 4)
    return Bracket(*(torch.cat(parts) for parts in zip(empty, *found, strict=True))), starts


def regula_falsi(inside: Function, rays: Rays, bracket: Bracket, steps: int) -> Float[Tensor, " m"]:
    """Where the chord of a narrowing interval crosses zero; the interval always keeps the crossing."""
    here = rays[bracket.ray]
    low, high, value_low, value_high = bracket.low, bracket.high, bracket.value_low, bracket.value_high
    for _ in range(steps):
        middle = _chord(low, high, value_low, value_high)
        value = inside(here.at(middle))
        outside = value * value_low > 0
        low, value_low = torch.where(outside, middle, low), torch.where(outside, value, value_low)
        high, value_high = torch.where(outside, high, middle), torch.where(outside, value_high, value)
    return _chord(low, high, value_low, value_high)


def _chord(low: Tensor, high: Tensor, value_low: Tensor, value_high: Tensor) -> Tensor:
    rise = value_high - value_low
    # an exact hit leaves no interval whose values differ
    share = torch.where(rise == 0, torch.zeros_like(rise), value_low / torch.where(rise == 0, 1.0, rise))
    return low - share * (high - low)


def attached(
    inside: Function, rays: Rays, t: Float[Tensor, " r"], least: float = LEAST_SLOPE
) -> Float[Tensor, " r"]:
    """The crossings t, with the gradient that they have as zeros of `inside` along the rays.

    Equation 3 of IDR (arXiv:2003.09852) and equation 14 of DVR: numbers stay as they are.

    Args:
        inside: Zero at the crossings.
        rays: May carry a gradient, as those of cameras that are being learned.
        t: Known crossings.
        least: Slopes along the ray that are smaller, of either sign, count as this.
    """
    with torch.enable_grad():
        points = rays.at(t.detach())
        if not points.requires_grad:
            points = points.detach().requires_grad_()
        value = inside(points)
        (gradient,) = torch.autograd.grad(value.sum(), points, retain_graph=True)
        slope = (gradient * rays.directions.detach()).sum(-1)
        slope = torch.where(slope.abs() < least, least, slope)
        return t.detach() - (value - value.detach()) / slope
