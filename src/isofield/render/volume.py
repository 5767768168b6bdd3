"""Pictures of radiance: the light that arrives along rays through a coloured cloud (NeRF, arXiv:2003.08934).

    C(r) = sum_i w_i c_i + (1 - sum_i w_i) background

Radiance is any function of points and unit directions of sight; `ops/transmittance.py` has the weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.geometry.rays import Rays
from isofield.ops.transmittance import FOREVER, lengths, refined, stratified, weights

Radiance = Callable[
    [Float[Tensor, "n 3"], Float[Tensor, "n 3"]], tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]
]
"""Points and unit directions of sight -> density per unit length, and RGB."""
Background = float | Float[Tensor, "*r 3"]
"""Light from behind: a grey, one colour, or a colour per ray."""
BATCH = 512
"""Rays at a time where no gradient is kept: some hundred samples each stay in the cache's reach."""


@dataclass(frozen=True)
class Rendered:
    """What rays see."""

    colour: Float[Tensor, "r 3"]
    opacity: Float[Tensor, " r"]
    """Share of the light from behind that is lost."""
    depth: Float[Tensor, " r"]
    """Sum of w t: a length along the ray, short where the opacity is below 1."""
    weight: Float[Tensor, "r s"]
    """Of every sample."""
    t: Float[Tensor, "r s"]
    """The samples."""


def composite(
    density: Float[Tensor, "r s"],
    colour: Float[Tensor, "r s 3"],
    t: Float[Tensor, "r s"],
    background: Background = 0.0,
    last: float = FOREVER,
) -> Rendered:
    """What is seen of samples along rays, front to back.

    Args:
        density: At the samples, per unit of t, not negative.
        colour: At the samples.
        t: Rising along each ray.
        background: What is seen where the light passes.
        last: Length of the interval behind the last sample.
    """
    weight = weights(density, lengths(t, last))
    lost = weight.sum(1)
    seen = torch.einsum("rs,rsc->rc", weight, colour) + (1 - lost)[:, None] * background
    return Rendered(seen, lost, (weight * t).sum(1), weight, t)


def render_samples(
    radiance: Radiance,
    rays: Rays,
    t: Float[Tensor, "r s"],
    background: Background = 0.0,
    last: float = FOREVER,
) -> Rendered:
    """What rays see of a radiance that is asked at the places t."""
    points = rays.at(t)  # (r s 3)
    towards = rays.directions[:, None].expand_as(points)
    density, colour = radiance(points.flatten(0, 1), towards.flatten(0, 1))
    return composite(density.view_as(t), colour.view_as(points), t, background, last)


def render_twice(
    coarse: Radiance,
    fine: Radiance,
    rays: Rays,
    counts: tuple[int, int] = (64, 128),
    background: Background = 0.0,
    jitter: torch.Generator | None = None,
    last: float = FOREVER,
) -> tuple[Rendered, Rendered]:
    """The paper's two passes: equidistant samples, then more of them where the first pass saw something.

    Args:
        coarse: Asked at the first samples.
        fine: Asked at all of them.
        rays: With finite near and far.
        counts: First samples, and those that the second pass adds.
        background: What is seen where the light passes.
        jitter: Draws places within strata, as in training; equidistant without.
        last: Length of the interval behind the last sample.
    """
    shape = [(len(rays), count) for count in counts]
    if jitter is None:
        draw, more = None, torch.linspace(0, 1, counts[1], device=rays.near.device).expand(shape[1])
    else:
        draw, more = (torch.rand(s, generator=jitter, device=rays.near.device) for s in shape)
    t = stratified(rays.near, rays.far, counts[0], draw)
    first = render_samples(coarse, rays, t, background, last)
    second = render_samples(fine, rays, refined(t, first.weight.detach(), more), background, last)
    return first, second


@torch.inference_mode()
def render_all(render: Callable[[Rays], Rendered], rays: Rays) -> Rendered:
    """Colour, opacity and depth of many rays, in batches, without gradient; samples are not kept."""
    parts = [render(rays[start : start + BATCH]) for start in range(0, len(rays), BATCH)]
    colour, opacity, depth = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("colour", "opacity", "depth")
    )
    nothing = opacity.new_zeros(len(rays), 0)
    return Rendered(colour, opacity, depth, nothing, nothing)
