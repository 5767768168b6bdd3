"""Proven bounds of a network of points over boxes, by affine arithmetic.

Over a box every channel of the network is enclosed by a form

    centre + slopes . t + generators . e,    t in [-1, 1]^3 across the box, |e_k| <= amount_k.

Layers act on forms exactly. An activation is confined between two parallel lines (`ops.lines`), and half
the gap between them becomes the amount of a new symbol e_k: the zonotopes, "append", of Spelunking the
Deep (Sharp and Jacobson 2022, arXiv:2202.02444). The output's form is two planes with the field between.

To carry some hundred generators through each layer costs hundreds of evaluations of the network. So
boxes that lie together share the generators and differ in their amounts only: generators go through an
activation with the slope that the group has on average, and what a box's own slope would have done
differently is added to its amounts. That error is a product of two small numbers, and a box costs about
ten evaluations.

Everything is float32, and rounding is part of the amounts: bounds hold for the exact function and for
every evaluation of the steps in float32, whatever the order of its sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.lines import lines
from isofield.ops.steps import Activation, Affine, Residual, Scale, Step

ROUNDING = 2.0**-23
"""Twice the unit roundoff of float32: the network's own share and that of its bound."""
GROUP = 32
"""Boxes that share generators."""
BATCH = 16
"""Groups at a time: what a core's cache likes."""


@dataclass(frozen=True)
class Planes:
    """Two parallel linear functions per box with the field between them."""

    low: Float[Tensor, " m"]
    """The lower one at the box's centre."""
    high: Float[Tensor, " m"]
    slope: Float[Tensor, "m 3"]
    """Change of both from the centre to the box's faces."""

    def range(self) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
        """Proven lowest and highest value over each box."""
        swing = self.slope.abs().sum(dim=1) * (1 + 4 * ROUNDING)
        return self.low - swing, self.high + swing


@dataclass(frozen=True)
class _Forms:
    """Channels of a batch of groups of boxes."""

    linear: Tensor
    """Centre and slopes (g q 4 c)."""
    generators: Tensor
    """Shared by the boxes of a group (g k c)."""
    amounts: Tensor
    """Of each generator (g q k)."""
    swing: Tensor
    """What the slopes do to a channel at most (g q c)."""
    own: Tensor
    """Amount of a symbol that each channel has for itself (g q c)."""
    radius: Tensor
    """What generators and own symbols do to a channel at most (g q c)."""

    @property
    def size(self) -> Tensor:
        """Bound of the channel's absolute value."""
        return self.linear[:, :, 0].abs().add_(self.swing).add_(self.radius)


@torch.inference_mode()
def bound(
    steps: Sequence[Step], centre: Float[Tensor, "m 3"], half: Float[Tensor, "#m 3"], group: int = GROUP
) -> Planes:
    """Planes below and above the one output of the steps over boxes centre +- half.

    Bounds are tightest when consecutive boxes lie together.
    """
    half = half.expand_as(centre)
    spare = -len(centre) % group
    centre, half = (torch.cat([x, x[-1:].expand(spare, 3)]).reshape(-1, group, 3) for x in (centre, half))
    parts = [
        _planes(steps, torch.cat([c[:, :, None], torch.diag_embed(h)], dim=2))
        for c, h in zip(centre.split(BATCH), half.split(BATCH), strict=True)
    ]
    count = centre.numel() // 3 - spare
    low, high, slope = (torch.cat(rows).flatten(0, 1)[:count] for rows in zip(*parts, strict=True))
    return Planes(low, high, slope)


def _planes(steps: Sequence[Step], boxes: Float[Tensor, "g q 4 3"]) -> tuple[Tensor, Tensor, Tensor]:
    groups, each = boxes.shape[:2]
    nothing = boxes.new_zeros(groups, each, 3)
    generators, amounts = boxes.new_zeros(groups, 0, 3), boxes.new_zeros(groups, each, 0)
    forms = _Forms(boxes, generators, amounts, _swing(boxes), nothing, nothing)
    forms = _after(steps, forms, boxes)
    centre, slope, radius = forms.linear[:, :, 0, 0], forms.linear[:, :, 1:, 0], forms.radius[..., 0]
    radius = radius + 8 * ROUNDING * forms.size[..., 0]
    return centre - radius, centre + radius, slope


def _after(steps: Sequence[Step], forms: _Forms, boxes: Tensor) -> _Forms:
    for step in steps:
        if isinstance(step, Affine):
            forms = _affine(step, forms, boxes)
        elif isinstance(step, Scale):
            forms = _scale(step, forms)
        elif isinstance(step, Residual):
            forms = _residual(step, forms, boxes)
        else:
            forms = _activation(step, forms)
    return forms


def _affine(step: Affine, forms: _Forms, boxes: Tensor) -> _Forms:
    # A sum of n products loses at most about n roundings of the sum of sizes (Cauchy and Schwarz).
    lost = forms.size.norm(dim=2, keepdim=True) * step.weight.norm(dim=0) + step.bias.abs()
    linear = forms.linear @ step.weight
    if step.skip is not None:
        linear = linear + boxes @ step.skip
        lost = lost + boxes.abs().sum(dim=2) @ step.skip.abs()
    linear[:, :, 0] += step.bias
    own = (len(step.weight) + 8) * ROUNDING * lost
    generators = torch.cat([forms.generators @ step.weight, step.weight.expand(len(linear), -1, -1)], dim=1)
    amounts = torch.cat([forms.amounts, forms.own], dim=2)
    return _Forms(linear, generators, amounts, _swing(linear), own, _reach(amounts, generators).add_(own))


def _swing(linear: Tensor) -> Tensor:
    return linear[:, :, 1].abs() + linear[:, :, 2].abs() + linear[:, :, 3].abs()


def _reach(amounts: Tensor, generators: Tensor) -> Tensor:
    return torch.bmm(amounts, generators.abs()).mul_(1 + amounts.shape[2] * ROUNDING)


def _scale(step: Scale, forms: _Forms) -> _Forms:
    linear, size = forms.linear * step.scale, step.scale.abs()
    linear[:, :, 0] += step.shift
    lost = 8 * ROUNDING * (forms.size * size + step.shift.abs())
    return _Forms(
        linear,
        forms.generators * step.scale,
        forms.amounts,
        forms.swing * size,
        forms.own * size + lost,
        forms.radius * size + lost,
    )


def _residual(step: Residual, forms: _Forms, boxes: Tensor) -> _Forms:
    """The sum of two forms whose symbols are the same as far as they are shared."""
    each = torch.eye(forms.own.shape[2]).expand(len(forms.own), -1, -1)
    start = replace(
        forms,
        generators=torch.cat([forms.generators, each], dim=1),
        amounts=torch.cat([forms.amounts, forms.own], dim=2),
        own=torch.zeros_like(forms.own),
    )
    added = _after(step.steps, start, boxes)
    generators = added.generators.clone()
    generators[:, : start.generators.shape[1]] += start.generators
    own = added.own + 4 * ROUNDING * (start.size + added.size)
    radius = _reach(added.amounts, generators) + own
    linear = start.linear + added.linear
    return _Forms(linear, generators, added.amounts, _swing(linear), own, radius)


def _activation(step: Activation, forms: _Forms) -> _Forms:
    size = forms.size
    centre, reach = forms.linear[:, :, 0], forms.swing + forms.radius + 8 * ROUNDING * size
    slope, below, above = lines(step, centre - reach, centre + reach)
    shared = slope.mean(dim=1, keepdim=True)
    linear = forms.linear * slope[:, :, None]
    linear[:, :, 0] += (below + above).mul_(0.5)
    joint, steep = forms.radius - forms.own, slope.abs()
    own = (steep * forms.own).addcmul_((slope - shared).abs_(), joint)
    own.add_(above.sub_(below), alpha=0.5).add_(size.add_(step.unit), alpha=16 * ROUNDING)
    radius = (shared.abs() * joint).add_(own)
    return _Forms(linear, forms.generators * shared, forms.amounts, forms.swing * steep, own, radius)
