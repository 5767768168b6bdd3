"""Point cloud -> shape elements, and what lies around each of them -> its code.

LDIF (arXiv:1912.06126, section 4) sees twenty depth pictures: a ResNet predicts the elements, and a PointNet
looks at the points near each element, in its frame. Here both see a point cloud.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from isofield.encoders.pointnet import PointNet
from isofield.ops.elements import Elements

SPREAD = 0.4
"""Radius of the ball in which elements are at the start, in the original's units."""
HEIGHT = 0.1
"""Of the elements at the start: together about the level of the surface."""


class ElementEncoder(nn.Module):
    """Cloud -> activations of `elements` elements with `size` numbers each.

    A PointNet, then, as published behind the ResNet, a code of unit length and two wide layers.
    """

    def __init__(self, elements: int, size: int, width: int = 128, blocks: int = 5, head: int = 2048) -> None:
        super().__init__()
        self.points = PointNet(head, width, blocks)
        self.layers = nn.ModuleList(nn.Linear(head, head) for _ in range(2))
        self.out = nn.Linear(head, elements * size)
        self.elements = elements
        with torch.no_grad():
            self.out.bias.copy_(first_activations(1, elements, size, 0).flatten())

    def forward(self, cloud: Float[Tensor, "b n 3"]) -> Float[Tensor, "b e p"]:
        x = nn.functional.normalize(self.points(cloud).vector, dim=-1)
        for layer in self.layers:
            x = leaky_relu(layer(x), 0.2)
        return self.out(x).unflatten(-1, (self.elements, -1))


class LocalCodes(nn.Module):
    """(cloud, elements) -> a code for each element, by one PointNet on the points near it, in its frame.

    Args:
        codes: Channels of a code.
        count: Points that it looks at, at most: the first of the cloud that are near enough.
        reach: How near, in the element's own deviations.
    """

    def __init__(self, codes: int, count: int = 1024, reach: float = 4.0) -> None:
        super().__init__()
        self.count, self.reach = count, reach
        self.before = _layers(3, 64, 64)
        self.between = _layers(64, 64, 128, 512)
        self.behind = _layers(512, 512, 256)
        self.out = nn.Linear(256, codes)

    def forward(self, cloud: Float[Tensor, "b n 3"], elements: Elements) -> Float[Tensor, "b e c"]:
        """Codes; where no point is near, that of nothing (zeros in place of the maximum)."""
        local, there = self.near(cloud, elements)
        x = self.between(self.before(local))
        highest = x.masked_fill(~there[..., None], 0).amax(2)  # ReLU: nothing is below zero
        return self.out(self.behind(highest))

    def near(
        self, cloud: Float[Tensor, "b n 3"], elements: Elements
    ) -> tuple[Float[Tensor, "b e k 3"], Tensor]:
        """Points near each element in its local coordinates, and which of them are there."""
        white = elements.white()
        with torch.no_grad():
            place = (cloud[:, None] - elements.centres[:, :, None]) @ white
            first = torch.arange(cloud.shape[1], 0, -1, device=cloud.device)
            rank = first * (place.square().sum(-1) < self.reach**2)
            rank, which = rank.topk(min(self.count, cloud.shape[1]), dim=-1)
        chosen = torch.take_along_dim(cloud[:, None], which[..., None], 2)
        return (chosen - elements.centres[:, :, None]) @ white, rank > 0


def first_activations(objects: int, elements: int, size: int, seed: int) -> Float[Tensor, "o e p"]:
    """What elements begin as: low and round, all over a ball, the same for the same seed.

    The originals begin all in one place, and take their time to part.
    """
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(objects, elements, 3, generator=draw)
    lengths = torch.rand(objects, elements, 1, generator=draw) ** (1 / 3)
    raw = torch.zeros(objects, elements, size)
    raw[..., 0] = HEIGHT
    raw[..., 1:4] = 2 * SPREAD * lengths * nn.functional.normalize(directions, dim=-1)
    return raw


def _layers(*sizes: int) -> nn.Sequential:
    """Linear layers with a ReLU behind each."""
    steps: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        steps += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*steps)
