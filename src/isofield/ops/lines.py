"""Lines below and above an activation function on an interval."""

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.steps import Activation


def lines(
    activation: Activation, low: Float[Tensor, "*m c"], high: Float[Tensor, "*m c"]
) -> tuple[Float[Tensor, "*m c"], Float[Tensor, "*m c"], Float[Tensor, "*m c"]]:
    """Slope s and offsets a <= b with s x + a <= f(x) <= s x + b between low and high, up to rounding.

    The slope is that of the chord, so for convex functions the upper line is the chord and the lower
    one the parallel tangent.
    """
    least, most = _slopes(activation)
    at_low, at_high = activation(low), activation(high)
    slope = ((at_high - at_low) / (high - low).clamp(min=1e-30)).clamp(least, most)
    gaps = [at_low - slope * low, at_high - slope * high]
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
        case "relu" | "leaky":
            return [torch.zeros_like(slope)]
        case "elu":
            return [slope.log()]
        case "softplus":
            return [torch.logit(slope) / activation.parameter]
        case "tanh":
            place = torch.atanh((1 - slope).sqrt())
            return [place, -place]
        case "sine":
            place, period = torch.acos(slope), 2 * torch.pi
            return [turn + period * ((low - turn) / period).ceil() for turn in (place, -place)]
