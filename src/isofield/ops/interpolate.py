"""Reading feature maps between their cells."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample


def interpolate(
    features: Float[Tensor, "b c *cells"], unit: Float[Tensor, "b n d"], mode: str = "bilinear"
) -> Float[Tensor, "b n c"]:
    """Features at coordinates u in [0, 1]; cell k lies at u = k / (R - 1), outside counts the border.

    The first coordinate runs along the last axis of the features. 'bilinear' means trilinear
    in grids; 'nearest' takes the nearest cell.
    """
    batch, count, dimensions = unit.shape
    where = (2 * unit - 1).view(batch, count, *[1] * (dimensions - 1), dimensions)
    read = grid_sample(features, where, mode=mode, padding_mode="border", align_corners=True)
    return read.flatten(2).transpose(1, 2)


def corners(
    unit: Float[Tensor, "n d"], size: Sequence[int]
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Flat indices of the 2^d cells around each coordinate and their linear weights.

    `size` counts the cells along each coordinate, the first one fastest; at least 2 each.
    """
    last = torch.tensor(list(size), device=unit.device) - 1
    position = (unit * last).clamp(min=0).minimum(last)
    below = torch.minimum(position.detach().long(), last - 1)
    fraction = position - below
    index = below.new_zeros(len(unit), 1)
    weight = fraction.new_ones(len(unit), 1)
    stride = 1
    for axis, cells in enumerate(size):
        start, share = index + stride * below[:, axis, None], fraction[:, axis, None]
        index = torch.cat([start, start + stride], 1)
        weight = torch.cat([weight * (1 - share), weight * share], 1)
        stride *= cells
    return index, weight
