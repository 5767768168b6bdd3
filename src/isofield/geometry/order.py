"""An order of points in which those that follow each other lie together."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

BITS = 8
"""Of the place along each axis: finer than the pieces that are cut from the order."""


def near_order(points: Float[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    """Numbers of the points along Morton's curve through the cube around them; equal places keep their order.

    Points that are not finite may come anywhere.
    """
    low = points.amin(dim=0)
    extent = (points - low).amax().clamp(min=torch.finfo(points.dtype).tiny)
    last = (1 << BITS) - 1
    place = torch.nan_to_num((points - low) / extent * last, nan=0.0).clamp(0, last).to(torch.int32)
    key = torch.zeros_like(place[:, 0])
    for bit in range(BITS):
        for axis in range(3):
            key |= (place[:, axis] >> bit & 1) << (3 * bit + axis)
    return key.argsort(stable=True)
