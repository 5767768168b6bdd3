"""Point cloud -> shape elements, and what lies around each of them -> its code.

LDIF (arXiv:1912.06126, section 4) sees twenty depth pictures: a ResNet predicts the elements, and a PointNet
looks at the points near each element, in its frame. Here both see a point cloud, and elements begin at its
points: a network that has to find their places from nothing takes millions of steps.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isofield.encoders.pointnet import PointNet
from isofield.ops.elements import Elements

SPREAD = 0.4
"""Radius of the ball in which elements are at the start, in the original's units."""
HEIGHT = 0.1
"""Of the elements at the start: together about the level of the surface."""


class ElementEncoder(nn.Module):
    """Cloud -> activations of elements, each of which begins at a point of the cloud.

    These points are spread over it, each as far from the others as can be. What lies around such a point and
    a PointNet on the whole cloud tell how its element is shaped, and how far it moves away.

    Args:
        elements: Elements of a shape.
        size: Numbers of an element.
        width: Channels of either PointNet.
        blocks: Residual blocks of the one on the whole cloud.
        symmetric: The first so many elements are mirrored: they begin on the cloud folded onto one side.
        axis: Number of the axis that they are mirrored along.
    """

    def __init__(
        self, elements: int, size: int, width: int = 128, blocks: int = 5, symmetric: int = 0, axis: int = 2
    ) -> None:
        super().__init__()
        self.whole = PointNet(width, width, blocks)
        self.around = _layers(3, width, width)
        self.tell = _layers(3 + 2 * width, 2 * width, 2 * width)
        self.out = nn.Linear(2 * width, size)
        self.counts, self.axis = (symmetric, elements - symmetric), axis
        with torch.no_grad():
            self.out.bias.zero_()[0] = HEIGHT

    def forward(self, cloud: Float[Tensor, "b n 3"]) -> Float[Tensor, "b e p"]:
        """Activations of the elements of a cloud that is given in their units."""
        folded = cloud.clone()
        folded[..., self.axis].abs_()
        parts = [self.begun(seen, count) for seen, count in zip((folded, cloud), self.counts, strict=True)]
        starts, around = (torch.cat(each, 1) for each in zip(*parts, strict=True))
        whole = self.whole(cloud).vector[:, None].expand(-1, starts.shape[1], -1)
        raw = self.out(self.tell(torch.cat([starts, around, whole], -1)))
        height, centre, others = raw.split([1, 3, raw.shape[-1] - 4], -1)
        return torch.cat([height, centre + 2 * starts, others], -1)  # centres are half of their activations

    def begun(
        self, cloud: Float[Tensor, "b n 3"], count: int
    ) -> tuple[Float[Tensor, "b k 3"], Float[Tensor, "b k c"]]:
        """Where `count` elements begin, and what is around them: about twice their share of the cloud."""
        starts = spread(cloud, count)
        most = min(cloud.shape[1], 2 * cloud.shape[1] // sum(self.counts) + 1)
        away = torch.cdist(starts, cloud, compute_mode="donot_use_mm_for_euclid_dist")
        near = away.topk(most, largest=False).indices
        offsets = torch.take_along_dim(cloud[:, None], near[..., None], 2) - starts[:, :, None]
        return starts, self.around(offsets).amax(2)


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
        self.between = _layers(64, 64, 128)
        self.widen = nn.Linear(128, 512)
        self.behind = _layers(512, 512, 256)
        self.out = nn.Linear(256, codes)

    def forward(self, cloud: Float[Tensor, "b n 3"], elements: Elements) -> Float[Tensor, "b e c"]:
        """Codes; where no point is near, that of nothing (zeros in place of the maximum)."""
        local, there = self.near(cloud, elements)
        highest = self.widen(self.between(self.before(local))).max(2).values
        return self.out(self.behind(highest.relu() * there.any(-1, keepdim=True)))

    def near(
        self, cloud: Float[Tensor, "b n 3"], elements: Elements
    ) -> tuple[Float[Tensor, "b e k 3"], Tensor]:
        """Points near each element in its local coordinates, and which of them are there.

        In place of those that are not stands the first one, which leaves a maximum as it is.
        """
        white = elements.white()
        with torch.no_grad():
            place = (cloud[:, None] - elements.centres[:, :, None]) @ white
            first = torch.arange(cloud.shape[1], 0, -1, device=cloud.device)
            within = place.square().sum(-1) < self.reach**2
            most = max(1, min(self.count, int(within.sum(-1).amax())))
            rank, which = (first * within).topk(most, dim=-1)
            which = torch.where(rank > 0, which, which[..., :1])
        chosen = torch.take_along_dim(cloud[:, None], which[..., None], 2)
        return (chosen - elements.centres[:, :, None]) @ white, rank > 0


def first_activations(objects: int, elements: int, size: int, seed: int) -> Float[Tensor, "o e p"]:
    """What elements of known objects begin as: low and round, all over a ball, the same for the same seed.

    The originals begin all in one place, and take their time to part.
    """
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(objects, elements, 3, generator=draw)
    lengths = torch.rand(objects, elements, 1, generator=draw) ** (1 / 3)
    raw = torch.zeros(objects, elements, size)
    raw[..., 0] = HEIGHT
    raw[..., 1:4] = 2 * SPREAD * lengths * nn.functional.normalize(directions, dim=-1)
    return raw


def spread(cloud: Float[Tensor, "b n 3"], count: int) -> Float[Tensor, "b k 3"]:
    """`count` points of each cloud, each the farthest from those before it.

    The first is the farthest from the cloud's mean, so that the order of the points does not matter. Where
    the cloud has fewer points than that, some come again.
    """
    found, away = [cloud[:, :0]], (cloud - cloud.mean(1, keepdim=True)).square().sum(-1)
    for number in range(count):
        found.append(torch.take_along_dim(cloud, away.argmax(1)[:, None, None], 1))
        distance = (cloud - found[-1]).square().sum(-1)
        away = torch.minimum(away, distance) if number else distance
    return torch.cat(found, 1)


def _layers(*sizes: int) -> nn.Sequential:
    """Linear layers with a ReLU behind each."""
    steps: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        steps += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*steps)
