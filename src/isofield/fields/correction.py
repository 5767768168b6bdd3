"""A learned correction of an indicator: the network starts where the classical method ends."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Condition
from isofield.ops.resnet import ResnetBlock


class CorrectionField(nn.Module):
    """logit(p) = gain chi(p) + correction(p, chi(p), features at p); the indicator alone at the start.

    Args:
        features: Channels of the condition.
        width: Channels of the blocks.
        blocks: Number of residual blocks.
    """

    def __init__(self, features: int, width: int, blocks: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(10.0))
        self.position = nn.Linear(7, width)
        self.features = nn.ModuleList(nn.Linear(features, width) for _ in range(blocks))
        self.blocks = nn.ModuleList(ResnetBlock(width) for _ in range(blocks))
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        points: Float[Tensor, "b n 3"],
        indicator: Float[Tensor, "b n"],
        condition: Condition,
        side: int,
    ) -> Float[Tensor, "b n"]:
        """Logits at points of the unit cube; `side` counts the condition's cells along an edge."""
        features = condition.at(points)
        # the place within the cell, continuous where cells meet
        phase = 2 * torch.pi * side * points
        x = self.position(torch.cat([phase.sin(), phase.cos(), 4 * indicator[..., None]], -1))
        for mix, block in zip(self.features, self.blocks, strict=True):
            x = block(x + mix(features))
        return self.gain * indicator + self.out(relu(x))[..., 0]

    def bind(
        self,
        indicator: Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]],
        condition: Condition,
        side: int,
    ) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]:
        """The logit as a function of points of the unit cube alone."""
        return lambda p: self(p[None], indicator(p)[None], condition, side)[0]
