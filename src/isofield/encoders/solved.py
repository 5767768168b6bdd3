"""A solved cloud -> local features: what a network makes of points and their indicator."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from isofield.batch import SolvedClouds
from isofield.condition import Condition
from isofield.encoders.residual_unet import ResidualUNet
from isofield.ops.interpolate import corners
from isofield.ops.resnet import ResnetBlock


@dataclass(frozen=True)
class FeatureCells(Condition):
    """A condition that interpolates between the centres of cubic cells."""

    rows: Float[Tensor, "cells c"]
    """Features of all items, cell by cell, z fastest."""
    side: int

    def at(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
        """Trilinear features at points of the unit cube."""
        batch, count, _ = points.shape
        unit = (points.flatten(0, 1).flip(-1) * self.side - 0.5) / (self.side - 1)
        index, weight = corners(unit, (self.side,) * 3)
        item = torch.arange(batch).repeat_interleave(count) * self.side**3
        read = embedding_bag(index + item[:, None], self.rows, per_sample_weights=weight, mode="sum")
        return read.view(batch, count, -1)


class SolvedEncoder(nn.Module):
    """PointNet with local pooling, joined by the indicator, then a U-Net over all cells."""

    def __init__(self, hidden: int, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.position = nn.Linear(7, 2 * hidden)
        self.blocks = nn.ModuleList(ResnetBlock(2 * hidden, hidden) for _ in range(4))
        self.unet = ResidualUNet(2 * hidden + 1 + 8, widths, outputs)

    def forward(self, clouds: SolvedClouds) -> FeatureCells:
        batch, side = len(clouds.indicator), clouds.indicator.shape[-1] // 2
        cells = self.pool(clouds, batch, side).view(batch, side, side, side, -1).permute(0, 4, 1, 2, 3)
        # the eight finer indicator values of each cell become its channels
        fine = clouds.indicator.view(batch, side, 2, side, 2, side, 2)
        fine = fine.permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, 8, side, side, side)
        out = self.unet(torch.cat([cells, 4 * fine.to(cells.dtype)], 1))
        return FeatureCells(out.permute(0, 2, 3, 4, 1).reshape(batch * side**3, -1).float(), side)

    def pool(self, clouds: SolvedClouds, batch: int, side: int) -> Float[Tensor, "cells c"]:
        """Mean and largest point feature of each cell, and the log of its count; zero where empty."""
        x = clouds.points * side
        corner = x.floor().clamp(0, side - 1)
        i = corner.long()
        key = ((clouds.item * side + i[:, 0]) * side + i[:, 1]) * side + i[:, 2]
        found, group = torch.unique(key, return_inverse=True)
        x = self.position(torch.cat([x - corner - 0.5, clouds.normals, clouds.scatter[:, None]], 1))
        for k, block in enumerate(self.blocks):
            if k:
                x = torch.cat([x, largest(x, group, len(found))[group]], 1)
            x = block(x)
        count = torch.bincount(group, minlength=len(found)).to(x.dtype)[:, None]
        mean = x.new_zeros(len(found), x.shape[1]).index_add(0, group, x) / count
        rows = torch.cat([mean, largest(x, group, len(found)), count.log1p()], 1)
        return rows.new_zeros(batch * side**3, rows.shape[1]).index_copy(0, found, rows)


def largest(x: Float[Tensor, "n c"], group: Int[Tensor, " n"], groups: int) -> Float[Tensor, "g c"]:
    """Largest feature of each group."""
    each = group[:, None].expand_as(x)
    return x.new_zeros(groups, x.shape[1]).scatter_reduce(0, each, x, "amax", include_self=False)
