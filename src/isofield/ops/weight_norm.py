"""Linear layers whose directions and lengths are learned apart (Salimans and Kingma, arXiv:1602.07868)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, normalize


class NormedLinear(nn.Module):
    """x -> x (gain * direction / |direction|)^T + bias, the lengths taken of rows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        plain = nn.Linear(inputs, outputs)
        self.direction = nn.Parameter(plain.weight.detach().clone())
        self.gain = nn.Parameter(plain.weight.detach().norm(dim=1, keepdim=True))
        self.bias = nn.Parameter(plain.bias.detach().clone())

    @torch.no_grad()
    def set(self, weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"]) -> None:
        """Take on a plain layer's numbers."""
        self.direction.copy_(weight)
        self.gain.copy_(weight.norm(dim=1, keepdim=True))
        self.bias.copy_(bias)

    @property
    def weight(self) -> Float[Tensor, "o i"]:
        """Of the plain layer that computes the same."""
        return self.gain * normalize(self.direction, dim=1)

    def forward(self, x: Float[Tensor, "*rows i"]) -> Float[Tensor, "*rows o"]:
        return linear(x, self.weight, self.bias)
