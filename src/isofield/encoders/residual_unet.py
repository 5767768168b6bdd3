"""A 3D U-Net of residual blocks without normalisation.

Made for processors: normalisation layers cost more there than the convolutions, so blocks
start as the identity instead (their second convolution is zero), and skips are added after a
1x1x1 convolution rather than concatenated. Channels lie last in memory.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu


class ConvBlock(nn.Module):
    """x + outer(relu(inner(relu(x)))) with 3x3x3 convolutions; the identity at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv3d(channels, channels, 3, padding=1)
        self.outer = nn.Conv3d(channels, channels, 3, padding=1)
        for parameter in self.outer.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c x y z"]) -> Float[Tensor, "b c x y z"]:
        return x + self.outer(relu(self.inner(relu(x))))


class ResidualUNet(nn.Module):
    """Features of every cell from its surroundings; each level halves the grid.

    Args:
        inputs: Channels that come in.
        widths: Channels per level, finest first.
        outputs: Channels that go out.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.stem = nn.Conv3d(inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv3d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(
            nn.Sequential(*[ConvBlock(w) for _ in range(2 if i else 1)]) for i, w in enumerate(widths)
        )
        self.lift = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(ConvBlock(w) for w in widths[:-1])
        self.out = nn.Conv3d(widths[0], outputs, 1)
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, x: Float[Tensor, "b i x y z"]) -> Float[Tensor, "b o x y z"]:
        """The grid's sides are multiples of 2^(levels - 1)."""
        x = self.stem(x.contiguous(memory_format=torch.channels_last_3d))
        seen = []
        for level, before in enumerate(self.before):
            x = before(self.down[level - 1](x) if level else x)
            seen.append(x)
        for level in reversed(range(len(self.after))):
            x = self.after[level](interpolate(self.lift[level](x), scale_factor=2) + seen[level])
        return self.out(relu(x))
