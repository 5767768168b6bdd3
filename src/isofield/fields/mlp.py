"""Plain networks of the position: layers and activations, with skips from the input and residual blocks."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from isofield.ops.steps import Affine, Residual, Scale, Step, run

CHUNK = 1024
"""Rows at a time: what a core's cache likes."""


class BoundMlp:
    """points -> values of a network whose steps are known, in float32.

    The points keep their gradient. `layers` shows the steps, from which bounds can be computed.

    Args:
        layers: From three channels, the position, to one; positive inside.
    """

    def __init__(self, layers: Sequence[Step]) -> None:
        self.layers = tuple(layers)

    def __call__(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        points = points.float()
        follow = torch.is_grad_enabled() and points.requires_grad
        values = run if follow else _in_place
        return torch.cat([values(self.layers, part, part)[:, 0] for part in points.split(CHUNK)])


def _in_place(steps: Sequence[Step], x: Float[Tensor, "n i"], points: Float[Tensor, "n 3"]) -> Tensor:
    """As `run`; what the steps themselves have made is written over, never their input."""
    given = x
    for step in steps:
        if isinstance(step, Affine):
            x = torch.addmm(step.bias, x, step.weight)
            if step.skip is not None:
                x.addmm_(points, step.skip)
        elif isinstance(step, Scale):
            x = torch.addcmul(step.shift, x, step.scale, out=None if x is given else x)
        elif isinstance(step, Residual):
            added = _in_place(step.steps, x, points)
            x = x + added if x is given else x.add_(added)
        else:
            x = step(x) if x is given else step.in_place(x)
    return x


def fold_code(
    weight: Float[Tensor, "i o"],
    bias: Float[Tensor, " o"],
    code: Float[Tensor, " k"],
    first: bool = True,
) -> Affine:
    """The layer of [code, position] that is left for the position once the code is known.

    Args:
        weight: Of the layer that sees both.
        bias: Of that layer.
        code: Fixed latent code.
        first: The code comes before the position (DeepSDF), otherwise behind it (IM-NET).
    """
    size = len(code)
    known, rest = (weight[:size], weight[size:]) if first else (weight[-size:], weight[:-size])
    return Affine(rest.contiguous(), bias + code @ known)


def fold_skip(weight: Float[Tensor, "i o"], bias: Float[Tensor, " o"], code: Float[Tensor, " k"]) -> Affine:
    """The layer of [hidden, code, position], as in the middle of DeepSDF, once the code is known."""
    hidden = len(weight) - len(code) - 3
    own, known, skip = weight.split([hidden, len(code), 3])
    return Affine(own.contiguous(), bias + code @ known, skip.contiguous())
