"""Maps from templates to surfaces under a code, one network per patch (AtlasNet, arXiv:1802.05384)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code
from isofield.ops.norm import PointNorm
from isofield.ops.steps import Activation, Affine, Step, run

RELU = Activation("relu")


class Patch(nn.Module):
    """(points of a template, code) -> places: the code is added behind the first layer.

    Args:
        code: Channels of the code, and of the first layer.
        template: Coordinates of a template's point: 2 on the square, 3 on the sphere.
        width: Channels of the layers that follow.
        layers: How many of them come after the second.
    """

    def __init__(self, code: int, template: int, width: int, layers: int) -> None:
        super().__init__()
        self.lift = nn.Linear(template, code)
        self.lift_norm = PointNorm(code)
        self.layers = nn.ModuleList(nn.Linear(width if k else code, width) for k in range(layers + 1))
        self.norms = nn.ModuleList(PointNorm(width) for _ in range(layers + 1))
        self.out = nn.Linear(width, 3)

    def forward(self, points: Float[Tensor, "b n d"], condition: Code) -> Float[Tensor, "b n 3"]:
        x = relu(self.lift_norm(self.lift(points) + condition.vector[:, None]))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = relu(norm(layer(x)))
        return self.out(x)

    @torch.no_grad()
    def steps(self, code: Float[Tensor, " c"]) -> tuple[Step, ...]:
        """What is left once the code is known: normalisations fold into the layers before them."""
        steps: list[Step] = [_folded(self.lift, self.lift_norm, code), RELU]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            steps += [_folded(layer, norm), RELU]
        return (*steps, Affine(self.out.weight.T.contiguous(), self.out.bias.clone()))


class AtlasField(nn.Module):
    """(points of each patch's template, code) -> places on the surface.

    Args:
        code: Channels of the code.
        patches: How many there are.
        template: Coordinates of a template's point.
        width: Channels of the layers.
        layers: Layers between the second and the last.
    """

    def __init__(
        self, code: int, patches: int = 25, template: int = 2, width: int = 512, layers: int = 2
    ) -> None:
        super().__init__()
        self.patches = nn.ModuleList(Patch(code, template, width, layers) for _ in range(patches))

    def forward(self, points: Float[Tensor, "b p n d"], condition: Code) -> Float[Tensor, "b p n 3"]:
        moved = [patch(points[:, k], condition) for k, patch in enumerate(self.patches)]
        return torch.stack(moved, 1)

    def bind(self, condition: Code) -> Callable[[Float[Tensor, "p n d"]], Float[Tensor, "p n 3"]]:
        """The map from the templates' points to places, fast; the weights are those of this moment."""
        chains = [patch.steps(condition.vector[0]) for patch in self.patches]  # type: ignore[operator]

        def places(points: Float[Tensor, "p n d"]) -> Float[Tensor, "p n 3"]:
            return torch.stack([run(steps, part, part) for steps, part in zip(chains, points, strict=True)])

        return places


def _folded(layer: nn.Module, norm: nn.Module, added: Tensor | float = 0.0) -> Affine:
    """norm(x @ weight + bias + added) in one step."""
    assert isinstance(layer, nn.Linear)
    assert isinstance(norm, PointNorm)
    scale, offset = norm.fixed()
    return Affine((layer.weight.T * scale).contiguous(), (layer.bias + added) * scale + offset)
