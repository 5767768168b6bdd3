"""Point cloud -> one code (PointNet; Qi et al., CVPR 2017, as Occupancy Networks have it)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code
from isofield.ops.resnet import ResnetBlock


class PointNet(nn.Module):
    """Residual blocks per point; between them each point is told the maximum over all points.

    Args:
        code: Channels of the code.
        width: Channels of the blocks; the cloud's maximum takes as many again.
        blocks: Number of blocks.
        residual: One linear layer per block if false (the simple PointNet, with four of them).
    """

    def __init__(self, code: int, width: int = 128, blocks: int = 5, residual: bool = True) -> None:
        super().__init__()
        self.lift = nn.Linear(3, 2 * width)
        kind = ResnetBlock if residual else RectifiedLinear
        self.blocks = nn.ModuleList(kind(2 * width, width) for _ in range(blocks))
        self.out = nn.Linear(width, code)

    def forward(self, cloud: Float[Tensor, "b n 3"]) -> Code:
        first, *others = self.blocks
        x = first(self.lift(cloud))
        for block in others:
            x = block(with_maximum(x))
        return Code(self.out(relu(x.amax(1))))


class RectifiedLinear(nn.Linear):
    """linear(relu(x))."""

    def forward(self, x: Float[Tensor, "*rows i"]) -> Float[Tensor, "*rows o"]:
        return super().forward(relu(x))


def with_maximum(x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n 2*c"]:
    """Each point's channels, then the maximum over all points."""
    return torch.cat([x, x.amax(1, keepdim=True).expand_as(x)], -1)
