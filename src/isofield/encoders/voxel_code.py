"""Voxels -> one code, by strided 3D convolutions."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code


class VoxelCode(nn.Module):
    """32^3 voxels, halved four times down to 2^3; a linear layer takes what remains."""

    def __init__(self, code: int, widths: tuple[int, ...] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        self.first = nn.Conv3d(1, widths[0], 3, padding=1)
        self.halve = nn.ModuleList(nn.Conv3d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.out = nn.Linear(widths[-1] * 8, code)

    def forward(self, voxels: Float[Tensor, "b 32 32 32"]) -> Code:
        x = self.first(voxels[:, None])
        for convolve in self.halve:
            x = convolve(relu(x))
        return Code(self.out(relu(x.flatten(1))))
