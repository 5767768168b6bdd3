"""3D U-Net on feature grids (Cicek et al. 2016), as in Convolutional Occupancy Networks."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool3d


class UNet3d(nn.Module):
    """Grids in, grids of the same size out; any size, as the way up follows the skips.

    Widths double at each of `levels` levels, from `width`. One output voxel sees
    2^(levels + 2) input voxels along each axis.
    """

    def __init__(self, channels: int, levels: int = 3, width: int = 32, groups: int = 8) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        down = [(channels, widths[0]), *pairwise(widths)]
        up = [(i + o, o) for i, o in pairwise(reversed(widths))]
        self.down = nn.ModuleList(Double(i, max(o // 2, i), o, groups) for i, o in down)
        self.up = nn.ModuleList(Double(i, o, o, groups) for i, o in up)
        self.out = nn.Conv3d(width, channels, 1)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b c d h w"]:
        x = x.contiguous()  # in channels-last memory torch's group norm loses two decimals
        skips = []
        for level, down in enumerate(self.down):
            x = down(max_pool3d(x, 2) if level else x)
            skips.append(x)
        for up, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = up(torch.cat([skip, interpolate(x, size=skip.shape[2:])], 1))
        return self.out(x)


class Double(nn.Sequential):
    """Two normalised convolutions."""

    def __init__(self, inputs: int, hidden: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.first = NormConv(inputs, hidden, groups)
        self.second = NormConv(hidden, outputs, groups)


class NormConv(nn.Module):
    """Group normalisation, 3x3x3 convolution without bias, ReLU.

    Fewer channels than groups make one group.
    """

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups if inputs >= groups else 1, inputs)
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "b i d h w"]) -> Float[Tensor, "b o d h w"]:
        return torch.relu_(self.conv(self.norm(x)))
