"""Batch normalisation of features at points, plain and conditional."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

Scale = tuple[Float[Tensor, " c"], Float[Tensor, " c"]]
"""Factor and offset per channel: what a normalisation is once its statistics and condition are fixed."""


class PointNorm(nn.BatchNorm1d):
    """Batch normalisation over all points of all items, channels last."""

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return super().forward(x.flatten(0, 1)).view_as(x)

    def fixed(self) -> Scale:
        """Factor and offset in evaluation mode."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = torch.rsqrt(self.running_var + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        offset = -self.running_mean * scale
        return scale, offset if self.bias is None else offset + self.bias


class ConditionalNorm(nn.Module):
    """gamma(c) * norm(x) + beta(c): the condition sets gain and shift of every channel.

    Starts as plain normalisation, whatever the condition (gamma = 1, beta = 0). Conditional batch
    normalisation of de Vries et al. (arXiv:1707.00683), as Occupancy Networks have it.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(features, channels)
        self.beta = nn.Linear(features, channels)
        self.norm = PointNorm(channels, affine=False)
        for linear, bias in ((self.gamma, 1.0), (self.beta, 0.0)):
            nn.init.zeros_(linear.weight)
            nn.init.constant_(linear.bias, bias)

    def forward(self, x: Float[Tensor, "b n c"], known: Float[Tensor, "b #n f"]) -> Float[Tensor, "b n c"]:
        return torch.addcmul(self.beta(known), self.gamma(known), self.norm(x))

    def fixed(self, known: Float[Tensor, " f"]) -> Scale:
        """Factor and offset in evaluation mode under a code."""
        scale, offset = self.norm.fixed()
        gamma = self.gamma(known)
        return gamma * scale, torch.addcmul(self.beta(known), gamma, offset)
