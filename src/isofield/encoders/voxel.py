"""Voxels -> feature planes or a feature grid (Peng et al., ECCV 2020)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isofield.condition import LocalFeatures
from isofield.encoders.feature_maps import FeatureMaps
from isofield.ops.coordinates import Placement


class VoxelEncoder(nn.Module):
    """A convolution gives each voxel its feature; voxels are points from then on.

    They lie at equal steps from -0.5 to 0.5, both ends included (not at voxel centres).
    """

    def __init__(self, channels: int, maps: FeatureMaps, placement: Placement, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, channels, kernel, padding=kernel // 2)
        self.maps = maps
        self.placement = placement

    def forward(self, voxels: Float[Tensor, "b x y z"]) -> LocalFeatures:
        features = torch.relu(self.conv(voxels[:, None])).flatten(2).transpose(1, 2)
        axes = [torch.linspace(-0.5, 0.5, size, device=voxels.device) for size in voxels.shape[1:]]
        points = torch.cartesian_prod(*axes).expand(len(voxels), -1, 3)
        return self.maps(features, self.maps.cells(points, self.placement), self.placement)
