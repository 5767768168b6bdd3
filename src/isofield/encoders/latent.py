"""Points of known occupancy -> distribution of the latent code (a variational encoder)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import leaky_relu, relu

from isofield.encoders.pointnet import with_maximum


class LatentEncoder(nn.Module):
    """q(z | points, occupancies, c): a normal distribution per shape (section 3.2 of the paper).

    Args:
        latent: Channels of z.
        features: Channels of the code c; 0 for none.
        width: Channels per point.
        leaky: LeakyReLU, and means over the points instead of maxima.
    """

    def __init__(self, latent: int, features: int = 0, width: int = 128, leaky: bool = False) -> None:
        super().__init__()
        self.lift = nn.Linear(3, width)
        self.occupancy = nn.Linear(1, width)
        self.known = nn.Linear(features, width) if features else None
        self.layers = nn.ModuleList(
            [nn.Linear(width, width), nn.Linear(2 * width, width), nn.Linear(2 * width, width)]
        )
        self.mean = nn.Linear(width, latent)
        self.log_std = nn.Linear(width, latent)
        self.leaky = leaky

    def forward(
        self, points: Float[Tensor, "b n 3"], inside: Float[Tensor, "b n"], code: Float[Tensor, "b c"] | None
    ) -> Normal:
        x = self.occupancy(inside[..., None]) + self.lift(points)
        if self.known is not None and code is not None:
            x = x + self.known(code)[:, None]
        first, *others = self.layers
        x = first(self._clipped(x))
        for layer in others:
            x = layer(self._clipped(self._pooled(x)))
        x = x.mean(1) if self.leaky else x.amax(1)
        return Normal(self.mean(x), self.log_std(x).exp())

    def _clipped(self, x: Tensor) -> Tensor:
        return leaky_relu(x, 0.2) if self.leaky else relu(x)

    def _pooled(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n 2*c"]:
        return torch.cat([x, x.mean(1, keepdim=True).expand_as(x)], -1) if self.leaky else with_maximum(x)
