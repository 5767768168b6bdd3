"""The generator of IM-NET: occupancy from the position and a code, by plain layers (arXiv:1812.02822)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from isofield.condition import Code
from isofield.fields.mlp import BoundMlp, fold_code
from isofield.ops.steps import Activation, Affine, Step

SLOPE = 0.02
"""Negative slope of every activation."""
SHARES = (8, 8, 8, 4, 2, 1)
"""Channels of the hidden layers, over the width."""
LEAK = 0.01
"""Slope of the clip outside [0, 1]."""


class ImNetField(nn.Module):
    """(points, code) -> occupancy, softly clipped to [0, 1].

    The first layer sees the position, then the code; later layers see neither again.

    Args:
        code: Channels of the code.
        width: Channels of the last hidden layer; the first ones have eight times as many.
    """

    def __init__(self, code: int, width: int = 128) -> None:
        super().__init__()
        sizes = [3 + code, *(share * width for share in SHARES), 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        deviation = 0.02 * (128 / width) ** 0.5  # published at 128; the same gain at other widths
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, 1e-5 if layer.out_features == 1 else 0.0, deviation)
            nn.init.zeros_(layer.bias)

    def forward(self, points: Float[Tensor, "b n 3"], condition: Code) -> Float[Tensor, "b n"]:
        first, *others = self.layers
        assert isinstance(first, nn.Linear)
        # both parts of the first layer by themselves: the code's is the same at all points
        x = linear(points, first.weight[:, :3])
        x = x + linear(condition.at(points), first.weight[:, 3:], first.bias)
        for layer in others:
            x = layer(leaky_relu(x, SLOPE))
        return clipped(x[..., 0])

    @torch.no_grad()
    def bind(self, condition: Code, level: float = 0.0) -> BoundMlp:
        """The map from points to the value before the clip, minus a level; fast.

        The clip changes nothing between 0 and 1, so that the level of a surface is the same before it.
        """
        first, *others = self.layers
        assert isinstance(first, nn.Linear)
        steps: list[Step] = [fold_code(first.weight.T, first.bias, condition.vector[0], first=False)]
        for layer in others:
            assert isinstance(layer, nn.Linear)
            steps += [Activation("leaky", SLOPE), Affine(layer.weight.T.contiguous(), layer.bias.clone())]
        last = steps[-1]
        assert isinstance(last, Affine)
        return BoundMlp([*steps[:-1], Affine(last.weight, last.bias - level)])


def clipped(value: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The value in [0, 1], a hundredth of its excess outside: max(min(h, 0.01 h + 0.99), 0.01 h)."""
    return torch.maximum(torch.minimum(value, LEAK * value + (1 - LEAK)), LEAK * value)
