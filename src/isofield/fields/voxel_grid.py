"""Code -> a grid of logits by transposed convolutions, read between its voxels."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code, LocalFeatures
from isofield.ops.coordinates import Volume
from isofield.scene import Inside

FIRST = 4
"""Voxels along an edge before any doubling."""


class VoxelField(nn.Module):
    """(points, code) -> logits, trilinear between the middles of voxels that fill the unit cube.

    A linear layer makes 4^3 voxels, transposed convolutions double them, halving the channels.

    Args:
        code: Channels of the code.
        doublings: How often; 3 make 32^3 voxels.
        width: Channels of the 4^3 voxels.
    """

    def __init__(self, code: int, doublings: int = 3, width: int = 256) -> None:
        super().__init__()
        self.lift = nn.Linear(code, width * FIRST**3)
        widths = [width >> k for k in range(doublings + 1)]
        self.grow = nn.ModuleList(
            nn.ConvTranspose3d(a, b, 3, stride=2, padding=1, output_padding=1) for a, b in pairwise(widths)
        )
        self.out = nn.Conv3d(widths[-1], 1, 1)

    def voxels(self, condition: Code) -> Float[Tensor, "b x y z"]:
        """Logits in the middles of the voxels."""
        x = self.lift(condition.vector).unflatten(1, (-1, FIRST, FIRST, FIRST))
        for convolve in self.grow:
            x = convolve(relu(x))
        return self.out(relu(x))[:, 0]

    def grid(self, condition: Code) -> LocalFeatures:
        """The logits as a function of space; beyond the outermost middles they stay the same."""
        logits = self.voxels(condition)
        edge = 1 / logits.shape[-1]
        # maps have the first coordinate last
        return LocalFeatures({"grid": logits.transpose(1, 3)[:, None]}, Volume.centred(1 - edge))

    def forward(self, points: Float[Tensor, "b n 3"], condition: Code) -> Float[Tensor, "b n"]:
        return self.grid(condition).at(points)[..., 0]

    @torch.no_grad()
    def bind(self, condition: Code, level: float = 0.0) -> Inside:
        """The map from points to logits minus a level, from a grid that is made once."""
        read = self.grid(condition).bind()

        def inside(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            return read(points.float())[:, 0] - level

        return inside
