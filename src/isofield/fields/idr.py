"""A signed distance with features, and the light that leaves its zero set (IDR, arXiv:2003.09852).

(f(x), z(x)) = MLP(gamma(x))            softplus of beta 100, the input again in the middle
L(x, n, v)   = MLP(x, gamma(v), n, z)   n = grad f, v = direction towards the camera
"""

from collections.abc import Callable
from itertools import pairwise
from math import pi, sqrt
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, relu, softplus

from isofield.ops.weight_norm import NormedLinear

BETA = 100
CHUNK = 1024
"""Rows at a time: what a core's cache likes."""


def encoded(x: Float[Tensor, "n 3"], octaves: int) -> Float[Tensor, "n c"]:
    """gamma: x, then per octave k three sines and three cosines of 2^k x; no factor pi."""
    waves = [wave(2**k * x) for k in range(octaves) for wave in (torch.sin, torch.cos)]
    return torch.cat([x, *waves], -1)


class DistanceField(nn.Module):
    """points -> signed distance, negative inside, and features.

    Starts as the distance of a sphere, in the way of SAL (arXiv:1911.10414).

    Args:
        features: Channels of z.
        width: Channels of the layers.
        layers: Their number, besides the last.
        octaves: Of the position's encoding.
        skip: Number of the layer that sees the input again; 0 for none.
        radius: Of the sphere.
    """

    def __init__(
        self, features: int, width: int, layers: int = 8, octaves: int = 6, skip: int = 4, radius: float = 0.6
    ) -> None:
        super().__init__()
        seen = 3 + 6 * octaves
        self.octaves, self.skip = octaves, skip
        outputs = [width - seen * (number + 1 == skip) for number in range(layers)]
        inputs = [seen, *(width for _ in range(layers - 1))]
        self.layers = nn.ModuleList(NormedLinear(i, o) for i, o in zip(inputs, outputs, strict=True))
        self.out = NormedLinear(width, 1 + features)
        self._as_sphere(radius)

    def _as_sphere(self, radius: float) -> None:
        """Layers that ignore the waves and, by their random directions, measure |x| - radius."""
        waves = 6 * self.octaves
        for number, layer in enumerate(self.layers):
            weight = torch.randn_like(layer.direction) * sqrt(2 / len(layer.direction))  # type: ignore[arg-type]
            if waves and (number == 0 or number == self.skip):
                weight[:, -waves:] = 0
            layer.set(weight, torch.zeros(len(weight)))  # type: ignore[operator]
        width = self.out.direction.shape[1]
        weight = sqrt(pi / width) + 1e-4 * torch.randn_like(self.out.direction)
        self.out.set(weight, torch.full((len(weight),), -radius))

    def forward(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        """The distance in the first column, the features behind it."""
        given = x = encoded(points, self.octaves)
        for number, layer in enumerate(self.layers):
            if number and number == self.skip:
                x = torch.cat([x, given], -1) / sqrt(2)
            x = softplus(layer(x), beta=BETA)
        return self.out(x)

    def gradient(self, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 3"]]:
        """Values, and the distance's slope; both keep their gradients."""
        with torch.enable_grad():
            points = points if points.requires_grad else points.detach().requires_grad_()
            values = self(points)
            (slope,) = torch.autograd.grad(values[:, 0].sum(), points, create_graph=True)
        return values, slope

    @torch.no_grad()
    def bind(self) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]:
        """The map from points to distances; norms of weights are taken once, points keep their gradient."""
        own: list[NormedLinear] = list(self.layers)  # type: ignore[arg-type]
        layers = [(layer.weight, layer.bias.clone()) for layer in own]
        weight, bias = self.out.weight[:1], self.out.bias[:1].clone()

        def chunk(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            given = x = encoded(points, self.octaves)
            for number, (matrix, offset) in enumerate(layers):
                if number and number == self.skip:
                    x = torch.cat([x, given], -1) / sqrt(2)
                x = softplus(linear(x, matrix, offset), beta=BETA)
            return linear(x, weight, bias)[:, 0]

        return lambda points: torch.cat([chunk(part) for part in points.to(weight).split(CHUNK)])


Mode = Literal["idr", "no_view_dir", "no_normal"]


class LightField(nn.Module):
    """(point, normal, direction towards the eye, features) -> RGB in [-1, 1].

    Args:
        features: Channels of z.
        width: Channels of the layers.
        layers: Their number, besides the last.
        octaves: Of the direction's encoding.
        mode: What it sees: everything, or all but the direction or the normal.
    """

    def __init__(
        self, features: int, width: int, layers: int = 4, octaves: int = 4, mode: Mode = "idr"
    ) -> None:
        super().__init__()
        self.octaves, self.mode = octaves, mode
        seen = 3 + features + (mode != "no_view_dir") * (3 + 6 * octaves) + (mode != "no_normal") * 3
        sizes = [seen, *(width for _ in range(layers)), 3]
        self.layers = nn.ModuleList(NormedLinear(i, o) for i, o in pairwise(sizes))

    def forward(
        self,
        points: Float[Tensor, "n 3"],
        normals: Float[Tensor, "n 3"],
        towards_eye: Float[Tensor, "n 3"],
        features: Float[Tensor, "n c"],
    ) -> Float[Tensor, "n 3"]:
        seen = [points]
        seen += [] if self.mode == "no_view_dir" else [encoded(towards_eye, self.octaves)]
        seen += [] if self.mode == "no_normal" else [normals]
        x = torch.cat([*seen, features], -1)
        for layer in self.layers[:-1]:
            x = relu(layer(x))
        return self.layers[-1](x).tanh()
