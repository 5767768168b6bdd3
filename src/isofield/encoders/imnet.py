"""Voxels or a picture -> one code in (0, 1), as IM-NET reads them (arXiv:1812.02822, improved release)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu

from isofield.condition import Code

SLOPE = 0.02
"""Negative slope of every activation."""
EDGE = 64
"""Voxels along an edge."""
PIXELS = 128
"""Pixels along an edge of the picture."""
LUMA = (0.299, 0.587, 0.114)
"""Brightness of red, green and blue (ITU-R BT.601)."""


class ImNetVoxels(nn.Module):
    """64^3 voxels, halved four times by normalised convolutions; one more sees all that is left.

    Coarser voxels, whose edge divides 64, are repeated.
    """

    def __init__(self, code: int, width: int = 32) -> None:
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 8 * width]
        self.halve = nn.ModuleList(nn.Conv3d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.out = nn.Conv3d(widths[-1], code, 4)
        for layer in (*self.halve, self.out):
            assert isinstance(layer, nn.Conv3d)
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, voxels: Float[Tensor, "b x y z"]) -> Code:
        x = repeated(voxels)[:, None]
        for convolve in self.halve:
            x = leaky_relu(instance_norm(convolve(x)), SLOPE)
        return Code(self.out(x).flatten(1).sigmoid())


def repeated(voxels: Float[Tensor, "b x y z"]) -> Float[Tensor, "b 64 64 64"]:
    """The voxels at 64 along each edge, every one as often as it takes."""
    for axis in (1, 2, 3):
        voxels = voxels.repeat_interleave(EDGE // voxels.shape[axis], axis)
    return voxels


class GreyBlock(nn.Module):
    """leaky(shortcut(x) + two normalised 3x3 convolutions of x)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.inner = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(outputs)
        self.outer = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.outer_norm = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        hidden = leaky_relu(self.inner_norm(self.inner(x)), SLOPE)
        return leaky_relu(self.shortcut(x) + self.outer_norm(self.outer(hidden)), SLOPE)


class ImNetPicture(nn.Module):
    """RGB in [0, 1] -> code: darkness of the middle 128 pixels, a stem, eight residual blocks, two layers."""

    luma: Tensor

    def __init__(self, code: int, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        widths = [width * share for share in (1, 1, 1, 2, 2, 4, 4, 8, 8)]
        self.blocks = nn.ModuleList(GreyBlock(a, b) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], widths[-1], 4, 2, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(widths[-1])
        self.out = nn.Conv2d(widths[-1], code, 4)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        self.register_buffer("luma", torch.tensor(LUMA), persistent=False)

    def forward(self, images: Float[Tensor, "b h w 3"]) -> Code:
        x = 1 - (middle(images) @ self.luma)[:, None]
        x = leaky_relu(self.stem_norm(self.stem(x)), SLOPE)
        for block in self.blocks:
            x = block(x)
        x = leaky_relu(self.last_norm(self.last(x)), SLOPE)
        return Code(self.out(x).flatten(1).sigmoid())


def middle(images: Float[Tensor, "b h w 3"]) -> Float[Tensor, "b 128 128 3"]:
    """The middle of larger pictures, as the official loader cuts it out of 137 pixels."""
    top, left = ((size - PIXELS) // 2 for size in images.shape[1:3])
    return images[:, top : top + PIXELS, left : left + PIXELS]
