"""A signed distance from a code and a position, by one plain network (DeepSDF, arXiv:1901.05103).

    f(z, x) = tanh(MLP([z, x]))    relu; some layers see [z, x] again, beside what came before

Distances are those of the unit ball in which the original code keeps its shapes. Once the code is known, it
is part of the biases: no layer sees more than the position.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, relu

from isofield.condition import Code
from isofield.errors import InputError
from isofield.fields.mlp import BoundMlp, fold_code, fold_skip
from isofield.ops.steps import Activation, Affine, Step
from isofield.ops.weight_norm import NormedLinear

CODE_DROPOUT = 0.2
"""Share of the code that is dropped in training, where that is chosen."""
Distance = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]


class DeepSdfField(nn.Module):
    """(points, code) -> signed distance, negative inside, in (-1, 1).

    Args:
        code: Channels of the code.
        widths: Channels after each hidden layer, counting those that are joined to them.
        latent_in: Layers that see code and position again.
        norm_layers: Layers with weight norm or, without it, with layer norm behind them.
        weight_norm: Which of the two.
        xyz_in_all: Every layer sees the position again.
        use_tanh: A tanh before the last one.
        dropouts: Layers after which units are dropped in training.
        dropout_share: How many of them.
        latent_dropout: Parts of the code are dropped in training, too.

    Raises:
        InputError: The layers named do not exist, or are too narrow for what is joined to them.
    """

    def __init__(
        self,
        code: int,
        widths: Sequence[int] = (512,) * 8,
        latent_in: Sequence[int] = (4,),
        norm_layers: Sequence[int] = tuple(range(8)),
        weight_norm: bool = True,
        xyz_in_all: bool = False,
        use_tanh: bool = False,
        dropouts: Sequence[int] = tuple(range(8)),
        dropout_share: float = 0.2,
        latent_dropout: bool = False,
    ) -> None:
        super().__init__()
        count, seen = len(widths) + 1, code + 3
        if not all(0 < number < count for number in latent_in):
            raise InputError(f"latent_in {tuple(latent_in)} has no such layer; choose from 1 to {count - 1}")
        self.code_size = code
        self.latent_in, self.use_tanh, self.latent_dropout = frozenset(latent_in), use_tanh, latent_dropout
        self.dropouts, self.dropout_share = frozenset(dropouts), dropout_share
        # the position alone comes back to a layer that doesn't see everything again
        self.xyz_in = frozenset(range(1, count)) - self.latent_in if xyz_in_all else frozenset[int]()
        joined = [seen * (n in self.latent_in) + 3 * (n in self.xyz_in) for n in range(count)]
        outputs = [width - more for width, more in zip(widths, joined[1:], strict=True)]
        if min(outputs, default=0) < 1:
            raise InputError(
                f"widths {tuple(widths)} leave no channel beside the {seen} of code and position"
            )
        sizes = zip([seen, *widths], [*outputs, 1], strict=True)
        self.layers = nn.ModuleList(
            NormedLinear(i, o) if weight_norm and number in norm_layers else nn.Linear(i, o)
            for number, (i, o) in enumerate(sizes)
        )
        normed = () if weight_norm else norm_layers
        self.norms = nn.ModuleDict({str(n): nn.LayerNorm(outputs[n]) for n in normed if n < len(outputs)})

    def forward(self, points: Float[Tensor, "b n 3"], condition: Code) -> Float[Tensor, "b n"]:
        code = condition.at(points).expand(-1, points.shape[1], -1)
        seen = x = torch.cat([code, points], -1)
        if self.latent_dropout:
            x = torch.cat([dropout(code, CODE_DROPOUT, self.training), points], -1)
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            if number in self.latent_in:
                x = torch.cat([x, seen], -1)
            elif number in self.xyz_in:
                x = torch.cat([x, points], -1)
            x = layer(x)
            if number < last:
                x = relu(self.norms[str(number)](x) if str(number) in self.norms else x)
                if number in self.dropouts:
                    x = dropout(x, self.dropout_share, self.training)
        return (x.tanh() if self.use_tanh else x).tanh()[..., 0]

    def steps(self, code: Float[Tensor, " c"]) -> tuple[Step, ...] | None:
        """What the network is to positions once the code is known; None with layer norm, which is no step.

        Weight norm is gone, and the code is in the biases; gradients of both are kept. As in evaluation mode.
        """
        if len(self.norms):
            return None
        steps: list[Step] = []
        own: list[NormedLinear | nn.Linear] = list(self.layers)  # type: ignore[arg-type]
        for number, layer in enumerate(own):
            weight, bias = layer.weight.T, layer.bias
            if number == 0:
                steps.append(fold_code(weight, bias, code))
            elif number in self.latent_in:
                steps.append(fold_skip(weight, bias, code))
            elif number in self.xyz_in:
                steps.append(Affine(weight[:-3].contiguous(), bias, weight[-3:].contiguous()))
            else:
                steps.append(Affine(weight.contiguous(), bias))
            steps.append(Activation("relu"))
        end = Activation("tanh")
        return (*steps[:-1], *([end] if self.use_tanh else []), end)

    @torch.no_grad()
    def bind(self, condition: Code) -> Distance:
        """Signed distances of points under the only code of a condition; points keep their gradient."""
        steps = self.steps(condition.vector[0])
        if steps is not None:
            return BoundMlp([_kept(step) for step in steps])
        return lambda points: self(points.to(condition.vector)[None], condition)[0]


def _kept(step: Step) -> Step:
    """The step with numbers of its own, where it would share the network's."""
    return Affine(step.weight.clone(), step.bias.clone(), step.skip) if isinstance(step, Affine) else step
