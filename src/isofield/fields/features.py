"""(features at a point) -> value: a small network that sees its condition and nothing else."""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from isofield.condition import Condition

PIECE = 16_384
"""Points at a time: enough to share among threads, few enough for the memory of hidden units."""


class FeatureField(nn.Module):
    """Value from the features that the condition has at a point.

    Args:
        features: Channels of the condition.
        width: Hidden units of each layer.
        layers: Hidden layers.
    """

    def __init__(self, features: int, width: int = 64, layers: int = 2) -> None:
        super().__init__()
        sizes = [features, *[width] * layers]
        hidden = [module for i, o in pairwise(sizes) for module in (nn.Linear(i, o), nn.ReLU())]
        self.network = nn.Sequential(*hidden, nn.Linear(sizes[-1], 1))

    def forward(self, points: Float[Tensor, "b n 3"], condition: Condition) -> Float[Tensor, "b n"]:
        return self.network(condition.at(points))[..., 0]

    def bind(self, condition: Condition) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]:
        """The function of space for the only item of a batch of one; points keep their gradient."""
        features = condition.bind()

        def value(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            parts = points.float().split(PIECE)
            return torch.cat([self.network(features(part))[:, 0] for part in parts])

        return value
