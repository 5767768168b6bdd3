"""The field of Convolutional Occupancy Networks: a small residual network fed with local features."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, leaky_relu_

from isofield.condition import Condition
from isofield.ops.coordinates import LocalCoordinates
from isofield.ops.resnet import ResnetBlock

CHUNK = 1024
"""Rows at a time: what a core's cache likes."""


class LocalField(nn.Module):
    """(points, condition) -> logits.

    The position is lifted to `width` channels; before each residual block a linear image of
    the condition's feature at the point is added.

    Args:
        features: Channels of the condition.
        width: Channels of the blocks.
        blocks: Number of blocks.
        leaky: Negative slope 0.2 in the last activation (the blocks always use ReLU).
        coordinates: What the network sees instead of positions.
    """

    def __init__(
        self,
        features: int,
        width: int,
        blocks: int = 5,
        leaky: bool = False,
        coordinates: LocalCoordinates | None = None,
    ) -> None:
        super().__init__()
        self.lift = nn.Linear(coordinates.size if coordinates else 3, width)
        self.known = nn.ModuleList(nn.Linear(features, width) for _ in range(blocks))
        self.blocks = nn.ModuleList(ResnetBlock(width) for _ in range(blocks))
        self.out = nn.Linear(width, 1)
        self.slope = 0.2 if leaky else 0.0
        self.coordinates = coordinates

    def forward(self, points: Float[Tensor, "b n 3"], condition: Condition) -> Float[Tensor, "b n"]:
        features = condition.at(points)
        x = self.lift(self.coordinates(points) if self.coordinates else points)
        for known, block in zip(self.known, self.blocks, strict=True):
            x = block(x + known(features))
        return self.out(leaky_relu(x, self.slope))[..., 0]

    @torch.no_grad()
    def bind(self, condition: Condition) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]:
        """The field of the only item of a batch of one, on rows, several times faster.

        All linear images of a feature are one product, biases that meet are added up first,
        and rows go through in cache-sized chunks. The points keep their gradient, the
        weights are those of this moment.
        """
        features = condition.bind()
        layers: list[Any] = list(self.known)
        blocks: list[Any] = list(self.blocks)
        known = torch.cat([layer.weight for layer in layers]).T.contiguous()
        bias = torch.stack([layer.bias for layer in layers])
        bias[0] += self.lift.bias
        for step, block in enumerate(blocks[:-1]):
            bias[step + 1] += block.outer.bias  # nothing but additions lie between the two
        lift, last = self.lift.weight.T.contiguous(), blocks[-1].outer.bias.clone()
        inner = [(block.inner.bias.clone(), block.inner.weight.T.contiguous()) for block in blocks]
        outer = [block.outer.weight.T.contiguous() for block in blocks]
        out, offset = self.out.weight[0].clone(), self.out.bias.clone()

        def chunk(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            positions = self.coordinates(points) if self.coordinates else points
            images = torch.addmm(bias.flatten(), features(points), known).chunk(len(blocks), 1)
            x = positions @ lift
            for image, (shift, weight), back in zip(images, inner, outer, strict=True):
                x = x + image
                x = torch.addmm(x, torch.relu_(torch.addmm(shift, torch.relu(x), weight)), back)
            return torch.mv(leaky_relu_(x + last, self.slope), out) + offset

        def bound(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            points = points.to(lift)
            return torch.cat([chunk(part) for part in points.split(CHUNK)])

        return bound
