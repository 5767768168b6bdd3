"""Rays meet the surface of a signed distance: sphere tracing from both ends (IDR, arXiv:2003.09852).

    start += sdf(start), end -= sdf(end)    until they stand at the surface, or have passed each other

A step that lands inside is taken back by halves. Where the front has not arrived after ten steps, the
rest of the ray is sampled, and the first change of sign narrowed by regula falsi.

In training every ray needs a point: one that misses takes the place where the distance is smallest.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from isofield.geometry.rays import Rays
from isofield.render.surface import SECANT, Bracket, Function, regula_falsi

THRESHOLD = 5e-5
"""Distance that counts as arrived."""
ITERATIONS = 10
BACKWARD = 3
"""Halvings of a step that went through the surface."""
SAMPLES = 100
"""Along what is left of a ray that has not arrived."""


@dataclass(frozen=True)
class Traced:
    """Where rays meet a surface, or come close to it."""

    t: Float[Tensor, " r"]
    """Along each ray, without gradient; of a ray that misses, where its tracing ended."""
    hit: Bool[Tensor, " r"]


@dataclass(frozen=True)
class Front:
    """How far tracing came from one end."""

    t: Float[Tensor, " r"]
    going: Bool[Tensor, " r"]
    """Not at the surface yet."""
    step: Float[Tensor, " r"]
    """Distance to the surface; zero of those that have arrived."""


def within_ball(rays: Rays, radius: float) -> Rays:
    """The rays between entering and leaving the ball around the origin; near = far = 0 where they miss it."""
    middle = -(rays.origins * rays.directions).sum(-1)
    under = middle**2 - (rays.origins**2).sum(-1) + radius**2
    half = under.clamp(min=0).sqrt()
    meets = under > 0
    near, far = ((middle + sign * half).clamp(min=0) * meets for sign in (-1, 1))
    return replace(rays, near=near.detach(), far=far.detach())


@torch.no_grad()
def trace(sdf: Function, rays: Rays) -> Traced:
    """First place of each ray, within near and far, where the signed distance is zero."""
    start, end = _from_both_ends(sdf, rays)
    left = start.going.nonzero()[:, 0]
    t, hit, lowest = _sampled(sdf, rays[left], start.t[left], end.t[left])
    t = torch.where(hit, t, lowest)
    return Traced(start.t.index_put((left,), t), (start.t < end.t).index_put((left,), hit))


@torch.no_grad()
def trace_training(
    sdf: Function, rays: Rays, mask: Bool[Tensor, " r"], shares: Float[Tensor, " s"]
) -> Traced:
    """As `trace`; rays that hit nothing, or should not, end where the distance is smallest.

    Args:
        sdf: Signed distance, negative inside.
        rays: Within the ball that holds the object.
        mask: Which rays show the object.
        shares: Of the way from near to far where distances are compared, the same for all rays.
    """
    start, end = _from_both_ends(sdf, rays)
    left = start.going.nonzero()[:, 0]
    t, hit, lowest = _sampled(sdf, rays[left], start.t[left], end.t[left])
    t = start.t.index_put((left,), torch.where(hit & mask[left], t, lowest))
    hits = (start.t < end.t).index_put((left,), hit)
    wanted = ~start.going & ~(hits & mask)
    meets = rays.near < rays.far
    beside = (wanted & ~meets).nonzero()[:, 0]
    t[beside] = -(rays.origins[beside] * rays.directions[beside]).sum(-1)  # closest to the middle
    through = (wanted & meets).nonzero()[:, 0]
    # where there should be nothing, what lies behind the wrong hit is searched
    begin = torch.where(hits[through], t[through], rays.near[through])
    places = begin[:, None] + shares * (rays.far[through] - begin)[:, None]
    t[through] = _lowest(_along(sdf, rays[through], places), places)
    return Traced(t, hits)


def _from_both_ends(sdf: Function, rays: Rays) -> tuple[Front, Front]:
    meets = rays.near < rays.far
    start, end = (_begun(sdf, rays, t.clone(), meets) for t in (rays.near, rays.far))
    for _ in range(ITERATIONS):
        if not (start.going.any() or end.going.any()):
            break
        start, end = _advanced(sdf, rays, start, 1), _advanced(sdf, rays, end, -1)
        apart = start.t < end.t
        start, end = (_arrived(replace(front, going=front.going & apart)) for front in (start, end))
    return start, end


def _begun(sdf: Function, rays: Rays, t: Float[Tensor, " r"], meets: Bool[Tensor, " r"]) -> Front:
    which = meets.nonzero()[:, 0]
    step = torch.zeros_like(t).index_put((which,), sdf(rays[which].at(t[which])))
    return _arrived(Front(t, meets, step))


def _arrived(front: Front) -> Front:
    """No more steps where the surface is reached."""
    going = front.going & (front.step > THRESHOLD)
    return Front(front.t, going, front.step * going)


def _advanced(sdf: Function, rays: Rays, front: Front, sign: int) -> Front:
    """One step, taken back by halves where it went through the surface."""
    which = front.going.nonzero()[:, 0]
    here, step = rays[which], front.step[which]
    t = front.t[which] + sign * step
    value = sdf(here.at(t))
    for k in range(BACKWARD):
        through = (value < 0).nonzero()[:, 0]
        if not len(through):
            break
        t[through] -= sign * 0.5 / 2**k * step[through]
        value[through] = sdf(here[through].at(t[through]))
    return replace(front, t=front.t.index_put((which,), t), step=front.step.index_put((which,), value))


def _sampled(
    sdf: Function, rays: Rays, start: Float[Tensor, " m"], end: Float[Tensor, " m"]
) -> tuple[Float[Tensor, " m"], Bool[Tensor, " m"], Float[Tensor, " m"]]:
    """Of samples between start and end: the first crossing, whether there is one, the smallest distance."""
    shares = torch.linspace(0, 1, SAMPLES, dtype=start.dtype, device=start.device)
    places = start[:, None] + shares * (end - start)[:, None]
    values = _along(sdf, rays, places)
    hit = (values < 0).any(1)
    which = hit.nonzero()[:, 0]
    after = (values[which] < 0).int().argmax(1, keepdim=True).clamp(min=1)
    ends = [a[which].gather(1, k)[:, 0] for a in (places, values) for k in (after - 1, after)]
    t = start.index_put((which,), regula_falsi(sdf, rays, Bracket(which, *ends), SECANT))
    return t, hit, _lowest(values, places)


def _along(sdf: Function, rays: Rays, t: Float[Tensor, "m s"]) -> Float[Tensor, "m s"]:
    return sdf(rays.at(t).flatten(0, 1)).view_as(t)


def _lowest(values: Float[Tensor, "m s"], places: Float[Tensor, "m s"]) -> Float[Tensor, " m"]:
    """The place with the smallest value."""
    return places.gather(1, values.argmin(1, keepdim=True))[:, 0]
