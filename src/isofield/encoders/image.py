"""Picture -> one code, by a ResNet-18 (He et al., CVPR 2016, arXiv:1512.03385)."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.condition import Code

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours."""


class ImageBlock(nn.Module):
    """relu(shortcut(x) + two normalised 3x3 convolutions of x)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.inner_norm = nn.BatchNorm2d(outputs)
        self.outer = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.outer_norm = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        hidden = relu(self.inner_norm(self.inner(x)))
        return relu(self.shortcut(x) + self.outer_norm(self.outer(hidden)))


class ImageCode(nn.Module):
    """RGB in [0, 1] -> code: a stem, four stages of two blocks, the mean over the picture, a linear layer.

    The layers are torchvision's `resnet18` without its classifier, so that weights learned on ImageNet
    fit (`width=64`); narrower networks learn from few pictures and ship. `dropout` is the share of the
    mean's channels that the linear layer does without in training; colours enter as they are unless `scaled`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, code: int, width: int = 64, dropout: float = 0.0, scaled: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.ModuleList(
            nn.ModuleList([ImageBlock(a, b, 1 if stage == 0 else 2), ImageBlock(b, b, 1)])
            for stage, (a, b) in enumerate(pairwise(widths))
        )
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(widths[-1], code)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.register_buffer("mean", torch.tensor(MEAN if scaled else (0.0,) * 3), persistent=False)
        self.register_buffer("std", torch.tensor(STD if scaled else (1.0,) * 3), persistent=False)

    def forward(self, images: Float[Tensor, "b h w 3"]) -> Code:
        # contiguous: oneDNN up to 3.12 writes past its buffers where a 1x1 convolution with stride has few
        # channels that vary fastest (its issue 6035)
        x = ((images - self.mean) / self.std).permute(0, 3, 1, 2).contiguous()
        x = relu(self.stem_norm(self.stem(x)))
        x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = block(x)
        return Code(self.out(self.drop(x.mean((2, 3)))))
