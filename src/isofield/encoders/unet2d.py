"""U-Net on feature planes (Ronneberger et al. 2015), as in Convolutional Occupancy Networks."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class UNet2d(nn.Module):
    """Planes in, planes of the same size out; no normalisation anywhere.

    Widths double at each of `depth` levels, from `width`. Sizes must be divisible by
    2^(depth - 1).
    """

    def __init__(
        self,
        channels: int,
        depth: int = 4,
        width: int = 32,
        merge: str = "concat",
        upsampling: str = "transpose",
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.down = nn.ModuleList(map(Double, [channels, *widths], widths))
        self.up = nn.ModuleList(Up(w, merge, upsampling) for w in reversed(widths[:-1]))
        self.out = nn.Conv2d(width, channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        skips = []
        for level, down in enumerate(self.down):
            x = down(max_pool2d(x, 2) if level else x)
            skips.append(x)
        for up, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = up(x, skip)
        return self.out(x)


class Double(nn.Module):
    """Two 3x3 convolutions, each with its ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        return torch.relu_(self.second(torch.relu_(self.first(x))))


class Up(nn.Module):
    """Doubles the size, takes the skip in ('concat' behind it, or 'add'), convolves twice."""

    def __init__(self, width: int, merge: str, upsampling: str) -> None:
        super().__init__()
        self.merge = merge
        self.convolve = Double(2 * width if merge == "concat" else width, width)
        self.grow = (
            nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            if upsampling == "transpose"
            else nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2 * width, width, 1))
        )

    def forward(
        self, x: Float[Tensor, "b i h w"], skip: Float[Tensor, "b o hh ww"]
    ) -> Float[Tensor, "b o hh ww"]:
        x = self.grow(x)
        return self.convolve(torch.cat([x, skip], 1) if self.merge == "concat" else x + skip)
