"""Colour that depends on the direction of sight, found once per ray (deferred shading).

    rgb = diffuse + (1 - passed) * mlp(features, direction)

The features of all samples of a ray are summed up first, as in SNeRG (Hedman et al., ICCV 2021,
arXiv:2103.14645), so that the network runs once per pixel and not once per sample.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

OCTAVES = 2


class Shading(nn.Module):
    """Channels 0 to 2 are colour, the others go through a small network with the direction.

    Args:
        channels: Of the features, colour included.
        width: Of the network's two hidden layers.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.channels = channels
        seen = channels - 3 + 3 * (1 + 2 * OCTAVES)
        last = nn.Linear(width, 3)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(
            nn.Linear(seen, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last
        )

    def forward(
        self, seen: Float[Tensor, "r c"], passed: Float[Tensor, " r"], directions: Float[Tensor, "r 3"]
    ) -> Float[Tensor, "r 3"]:
        """Light from what the rays met, without background; not clamped."""
        turned = [
            function(directions * 2.0**k) for k in range(OCTAVES) for function in (torch.sin, torch.cos)
        ]
        change = self.network(torch.cat([seen[:, 3:], directions, *turned], dim=1))
        return seen[:, :3] + (1 - passed)[:, None] * change
