"""Lines below and above an activation function on an interval."""

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.steps import Activation

CONVEX = ("relu", "elu", "softplus")


def lines(
    activation: Activation, low: Float[Tensor, "*m c"], high: Float[Tensor, "*m c"]
) -> tuple[Float[Tensor, "*m c"], Float[Tensor, "*m c"], Float[Tensor, "*m c"]]:
    """Slope s and offsets a <= b with s x + a <= f(x) <= s x + b between low and high, up to rounding.

    The slope is that of the chord. For convex functions the upper line is the chord and the lower one
    the tangent parallel to it, whose offset is minus the convex conjugate of f at the slope.
    """
    least, most = _slopes(activation)
    at_low, at_high, width = activation(low), activation(high), high - low
    slope = at_high.sub_(at_low).div_(width.clamp(min=1e-30)).clamp_(least, most)
    if activation.kind not in CONVEX:
        return _between(activation, slope, low, high)
    above = at_low.addcmul_(slope, low, value=-1)
    # The second term holds as slopes lie between 0 and 1, and helps where a chord is too short to tell.
    return slope, torch.maximum(_tangent(activation, slope), above - width), above


def _tangent(activation: Activation, slope: Tensor) -> Tensor:
    """Offset of the tangent of this slope."""
    match activation.kind:
        case "elu":
            return torch.xlogy(slope, slope).neg_().add_(slope).sub_(1)
        case "softplus":
            rest = 1 - slope
            return torch.xlogy(slope, slope).add_(torch.xlogy(rest, rest)).div_(-activation.parameter)
    return torch.zeros_like(slope)


def _between(
    activation: Activation, slope: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The lines of functions that bend both ways: the extremes of f(x) - slope x, one by one."""
    gaps = [activation(low) - slope * low, activation(high) - slope * high]
    for place in _turns(activation, slope, low):
        place = torch.minimum(torch.maximum(place, low), high)
        gaps.append(activation(place) - slope * place)
    below, above = gaps[0], gaps[0]
    for gap in gaps[1:]:
        below, above = torch.minimum(below, gap), torch.maximum(above, gap)
    if activation.kind == "sine":  # beyond a period, further turns than were looked at
        wide = high - low > 6
        slope = torch.where(wide, 0.0, slope)
        below, above = torch.where(wide, -1.0, below), torch.where(wide, 1.0, above)
    return slope, below, above


def _slopes(activation: Activation) -> tuple[float, float]:
    """Least and steepest slope of the function."""
    if activation.kind == "leaky":
        return min(1.0, activation.parameter), max(1.0, activation.parameter)
    return (-1.0 if activation.kind == "sine" else 0.0), 1.0


def _turns(activation: Activation, slope: Tensor, low: Tensor) -> list[Tensor]:
    """Where f(x) - slope x has its kink, or no slope: the first such places from `low` on."""
    match activation.kind:
        case "leaky":
            return [torch.zeros_like(slope)]
        case "tanh":
            place = torch.atanh((1 - slope).sqrt())
            return [place, -place]
        case "sine":
            place, period = torch.acos(slope), 2 * torch.pi
            return [turn + period * ((low - turn) / period).ceil() for turn in (place, -place)]
    raise ValueError(f"{activation.kind} is convex")
