"""PointNet++ (Qi et al. 2017, arXiv:1706.02413): features on points, from neighbourhoods of growing size.

The encoder of ConvONet's PointConv baseline. Farthest points and neighbourhoods are found
in plain torch.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from isofield.condition import PointFeatures


class PointNet2(nn.Module):
    """Point cloud -> a feature on each point.

    Three abstractions (512 centres, 128 centres, the whole), then three propagations back.
    While training, the first centre is drawn at random; else it is the first point.
    """

    def __init__(self, channels: int, radius: float | None = 0.2) -> None:
        super().__init__()
        near = Abstraction([6, 64, 64, 128], centres=512, radius=0.2, neighbours=32)
        wide = Abstraction([131, 128, 128, 256], centres=128, radius=0.4, neighbours=64)
        whole = Abstraction([259, 256, 512, 1024])
        self.down = nn.ModuleList([near, wide, whole])
        back = [[1280, 256, 256], [384, 256, 128], [128, 128, 128, channels]]
        self.up = nn.ModuleList(Rows(widths) for widths in back)
        self.radius = radius

    def forward(self, cloud: Float[Tensor, "b n 3"]) -> PointFeatures:
        near, wide, whole = self.down
        points1, features1 = near(cloud, cloud)
        points2, features2 = wide(points1, features1)
        _, features3 = whole(points2, features2)
        spread = features3.expand(-1, points2.shape[1], -1)
        features2 = self.up[0](torch.cat([features2, spread], -1))
        features1 = self.up[1](torch.cat([features1, propagate(points1, points2, features2)], -1))
        return PointFeatures(cloud, self.up[2](propagate(cloud, points1, features1)), self.radius)


class Rows(nn.Module):
    """Linear, batch normalisation, ReLU; as often as there are widths to go to."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.linear = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))
        self.norm = nn.ModuleList(map(nn.BatchNorm1d, widths[1:]))

    def forward(self, x: Float[Tensor, "*rows i"]) -> Float[Tensor, "*rows o"]:
        rows = x.flatten(0, -2)
        for linear, norm in zip(self.linear, self.norm, strict=True):
            rows = torch.relu_(norm(linear(rows)))
        return rows.unflatten(0, x.shape[:-1])


class Abstraction(nn.Module):
    """The strongest response in the neighbourhood of each of a few centres.

    Without a number of centres, one neighbourhood holds all points.
    """

    def __init__(self, widths: list[int], centres: int = 0, radius: float = 0.0, neighbours: int = 0) -> None:
        super().__init__()
        self.rows = Rows(widths)
        self.centres = centres
        self.radius = radius
        self.neighbours = neighbours

    def forward(
        self, points: Float[Tensor, "b n 3"], features: Float[Tensor, "b n i"]
    ) -> tuple[Float[Tensor, "b s 3"], Float[Tensor, "b s o"]]:
        if not self.centres:
            together = torch.cat([points, features], -1)
            return points[:, :1], self.rows(together).amax(1, keepdim=True)
        centres = take(points, farthest(points, self.centres, random=self.training))
        index = ball(centres, points, self.radius, self.neighbours)
        offsets = take(points, index) - centres[:, :, None]
        together = torch.cat([offsets, take(features, index)], -1)  # (b s k 3 + i)
        return centres, self.rows(together).amax(2)


def take(rows: Float[Tensor, "b n c"], index: Int[Tensor, "b *k"]) -> Float[Tensor, "b *k c"]:
    """The rows with the given indices."""
    items = torch.arange(len(rows), device=rows.device).view(-1, *[1] * (index.ndim - 1))
    return rows[items, index]


def farthest(points: Float[Tensor, "b n 3"], count: int, random: bool = False) -> Int[Tensor, "b count"]:
    """Indices of points chosen one by one, each the farthest from all chosen before.

    The first is point 0, or drawn at `random`. More than there are repeat point 0.
    """
    batch, total, _ = points.shape
    start = torch.randint(total, (batch,), device=points.device) if random else points.new_zeros(batch).long()
    chosen = [start]
    gap = points.new_full((batch, total), torch.inf)
    for _ in range(count - 1):
        last = take(points, chosen[-1][:, None])
        gap = torch.minimum(gap, ((points - last) ** 2).sum(-1))
        chosen.append(gap.argmax(-1))
    return torch.stack(chosen, 1)


def ball(
    centres: Float[Tensor, "b s 3"], points: Float[Tensor, "b n 3"], radius: float, count: int
) -> Int[Tensor, "b s k"]:
    """Indices of the first `count` points, in their order, within the radius of each centre.

    Places left over repeat the first of them; k is the smaller of `count` and n.
    """
    total = points.shape[1]
    order = torch.arange(total, device=points.device)
    order = order.masked_fill(square_distance(centres, points) > radius**2, total)
    first = order.topk(min(count, total), dim=-1, largest=False, sorted=True).values
    return torch.where(first == total, first[..., :1], first)


def propagate(
    points: Float[Tensor, "b n 3"], known: Float[Tensor, "b s 3"], features: Float[Tensor, "b s c"]
) -> Float[Tensor, "b n c"]:
    """Features at the points, from the three nearest known ones, weighted by 1 / distance^2."""
    distance, index = square_distance(points, known).topk(min(3, known.shape[1]), largest=False)
    weight = 1 / (distance + 1e-8)
    weight = weight / weight.sum(-1, keepdim=True)
    return (take(features, index) * weight[..., None]).sum(2)


def square_distance(a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"]) -> Float[Tensor, "b n m"]:
    """Squared distances between all pairs, never negative."""
    product = a @ b.transpose(1, 2)
    return ((a**2).sum(-1)[:, :, None] + (b**2).sum(-1)[:, None] - 2 * product).clamp(min=0)
