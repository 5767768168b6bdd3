"""Networks of points as short lists of steps, so that they can be run, bounded and rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import elu, elu_, leaky_relu, leaky_relu_, softplus

Kind = Literal["relu", "leaky", "elu", "softplus", "sine", "tanh"]


@dataclass(frozen=True)
class Activation:
    """A function applied to every channel."""

    kind: Kind
    parameter: float = 0.0
    """Negative slope of leaky, beta of softplus; the others have none."""

    @property
    def unit(self) -> float:
        """Size of the values around zero, where they do not go to zero with x."""
        return 1 + (1 / self.parameter if self.kind == "softplus" else 0.0)

    def __call__(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        match self.kind:
            case "relu":
                return x.clamp(min=0)
            case "leaky":
                return leaky_relu(x, self.parameter)
            case "elu":
                return elu(x)
            case "softplus":
                return softplus(x, beta=self.parameter)
            case "sine":
                return torch.sin(x)
            case "tanh":
                return torch.tanh(x)

    def in_place(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n c"]:
        """The same, written over x where torch can."""
        match self.kind:
            case "relu":
                return x.clamp_(min=0)
            case "leaky":
                return leaky_relu_(x, self.parameter)
            case "elu":
                return elu_(x)
            case "sine":
                return x.sin_()
            case "tanh":
                return x.tanh_()
        return self(x)


@dataclass(frozen=True)
class Affine:
    """x -> x @ weight + bias, plus points @ skip if there is one."""

    weight: Float[Tensor, "i o"]
    bias: Float[Tensor, " o"]
    skip: Float[Tensor, "3 o"] | None = None


@dataclass(frozen=True)
class Scale:
    """x -> scale * x + shift, channel by channel."""

    scale: Float[Tensor, " c"]
    shift: Float[Tensor, " c"]


@dataclass(frozen=True)
class Residual:
    """x -> x + steps(x)."""

    steps: "tuple[Step, ...]"


Step = Affine | Scale | Activation | Residual


@runtime_checkable
class Layered(Protocol):
    """A field that shows its network: positive inside, zero on the surface."""

    def __call__(self, points: Float[Tensor, "n 3"], /) -> Float[Tensor, " n"]: ...

    @property
    def layers(self) -> Sequence[Step]:
        """Steps from points to one channel."""
        ...


def run(steps: Sequence[Step], x: Float[Tensor, "n i"], points: Float[Tensor, "n d"]) -> Float[Tensor, "n o"]:
    """What the steps make of x, with gradients; the plain version of every faster way."""
    for step in steps:
        if isinstance(step, Affine):
            x = torch.addmm(step.bias, x, step.weight)
            if step.skip is not None:
                x = x + points @ step.skip
        elif isinstance(step, Scale):
            x = x * step.scale + step.shift
        elif isinstance(step, Residual):
            x = x + run(step.steps, x, points)
        else:
            x = step(x)
    return x
