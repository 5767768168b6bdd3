"""A residual network of the position that knows occupancy and colour (DVR, arXiv:1912.07372)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code
from isofield.fields.mlp import BoundMlp
from isofield.ops.resnet import ResnetBlock
from isofield.ops.steps import Activation, Affine, Residual, Step, run

RELU = Activation("relu")
CHUNK = 1024
"""Rows at a time: what a core's cache likes."""


class CodedMlp(nn.Module):
    """(points, code) -> channels: the first is the occupancy's logit, the next three are the colour's.

    Before each residual block a linear image of the code is added; without a code, nothing is.

    Args:
        code: Channels of the code; 0 for none.
        width: Channels of the blocks.
        blocks: Number of blocks.
        out: Channels of the result.
    """

    def __init__(self, code: int, width: int, blocks: int = 5, out: int = 4) -> None:
        super().__init__()
        self.lift = nn.Linear(3, width)
        self.known = nn.ModuleList(nn.Linear(code, width) for _ in range(blocks if code else 0))
        self.blocks = nn.ModuleList(ResnetBlock(width) for _ in range(blocks))
        self.out = nn.Linear(width, out)

    def forward(
        self, points: Float[Tensor, "b n 3"], condition: Code | None = None
    ) -> Float[Tensor, "b n o"]:
        x = self.lift(points)
        for number, block in enumerate(self.blocks):
            x = block(x + self.known[number](condition.at(points)) if condition else x)
        return self.out(relu(x))

    def rows(
        self, code: Float[Tensor, " c"] | None
    ) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n o"]]:
        """The network under one code as a function of rows, with all its gradients."""
        condition = None if code is None else Code(code[None])
        return lambda points: self(points[None], condition)[0]

    @torch.no_grad()
    def steps(self, code: Float[Tensor, " c"] | None) -> tuple[Step, ...]:
        """What is left of the network, up to its last layer, once the code is known.

        Biases that meet are added.
        """
        blocks: list[ResnetBlock] = list(self.blocks)  # type: ignore[arg-type]
        added = [0.0 if code is None else layer(code) for layer in self.known] or [0.0] * len(blocks)
        steps: list[Step] = [_affine(self.lift, added[0])]
        for block, later in zip(blocks, [*added[1:], 0.0], strict=True):
            steps.append(Residual((RELU, _affine(block.inner), RELU, _affine(block.outer, later))))
        return (*steps, RELU)

    def bind(self, code: Float[Tensor, " c"] | None) -> BoundMlp:
        """The map from points to logits of the occupancy, fast; the weights are those of this moment."""
        return BoundMlp([*self.steps(code), _part(self.out, 0, 1)])

    def bind_colour(
        self, code: Float[Tensor, " c"] | None
    ) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n 3"]]:
        """The map from points to RGB in [0, 1]."""
        steps = [*self.steps(code), _part(self.out, 1, 4)]

        def colour(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
            parts = points.float().split(CHUNK)
            return torch.cat([run(steps, part, part) for part in parts]).sigmoid()

        return colour


def _affine(layer: nn.Linear, added: Tensor | float = 0.0) -> Affine:
    return Affine(layer.weight.detach().T.contiguous(), layer.bias.detach() + added)


def _part(layer: nn.Linear, first: int, last: int) -> Affine:
    return Affine(layer.weight.detach()[first:last].T.contiguous(), layer.bias.detach()[first:last].clone())
