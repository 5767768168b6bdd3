"""PointNet with local pooling (Peng et al., ECCV 2020, section 3.1)."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from isofield.condition import LocalFeatures
from isofield.encoders.feature_maps import FeatureMaps
from isofield.ops.coordinates import LocalCoordinates, Placement
from isofield.ops.resnet import ResnetBlock
from isofield.ops.scatter import Groups


class LocalPoolPointNet(nn.Module):
    """A feature per point that knows the points in its cells.

    Where PointNet pools over the whole cloud between its blocks, this one pools over the
    points that share a cell, once per feature map, and adds the results up.
    """

    def __init__(self, inputs: int, channels: int, width: int, blocks: int, pooling: str) -> None:
        super().__init__()
        self.lift = nn.Linear(inputs, 2 * width)
        self.blocks = nn.ModuleList(ResnetBlock(2 * width, width) for _ in range(blocks))
        self.out = nn.Linear(width, channels)
        self.pooling = pooling

    def forward(self, positions: Float[Tensor, "b n d"], groups: Sequence[Groups]) -> Float[Tensor, "b n c"]:
        first, *others = self.blocks
        x = first(self.lift(positions))
        for block in others:
            pooled = torch.stack([group.pool(x, self.pooling) for group in groups]).sum(0)
            x = block(torch.cat([x, pooled], -1))
        return self.out(x)


class PointEncoder(nn.Module):
    """Point cloud -> planes and grid.

    Args:
        pointnet: Gives each point its feature.
        maps: Collects the features.
        placement: Where the maps lie unless `forward` is told otherwise.
        coordinates: What the PointNet sees instead of positions.
    """

    def __init__(
        self,
        pointnet: LocalPoolPointNet,
        maps: FeatureMaps,
        placement: Placement,
        coordinates: LocalCoordinates | None = None,
    ) -> None:
        super().__init__()
        self.pointnet = pointnet
        self.maps = maps
        self.placement = placement
        self.coordinates = coordinates

    def forward(
        self,
        cloud: Float[Tensor, "b n 3"],
        placement: Placement | None = None,
        cells: Mapping[str, Int[Tensor, "b n"]] | None = None,
    ) -> LocalFeatures:
        """Condition of the cloud; `cells` may bring the cell of each point on each map along."""
        placement = placement or self.placement
        cells = cells or self.maps.cells(cloud, placement)
        positions = self.coordinates(cloud) if self.coordinates else cloud
        groups = [Groups.of(cells[name]) for name in self.maps.resolution]
        return self.maps(self.pointnet(positions, groups), cells, placement)
