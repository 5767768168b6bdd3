"""Fields of Occupancy Networks (Mescheder et al., CVPR 2019): a network of the position, set by a code.

CbnField       residual blocks; the code sets gain and shift of every channel (the paper's)
CbnChain       the same without residual connections (ablation)
ResidualField  residual blocks; the code is added once, after the lift (ablation; generative model)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from isofield.condition import Condition
from isofield.fields.bound import Block, BoundField, Layer
from isofield.ops.norm import ConditionalNorm, PointNorm, Scale


class CbnBlock(nn.Module):
    """x + outer(relu(norm(inner(relu(norm(x)))))), both norms conditional; `outer` starts at zero."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.before = ConditionalNorm(features, width)
        self.inner = nn.Linear(width, width)
        self.between = ConditionalNorm(features, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Float[Tensor, "b n c"], known: Float[Tensor, "b #n f"]) -> Float[Tensor, "b n c"]:
        hidden = self.inner(relu(self.before(x, known)))
        return x + self.outer(relu(self.between(hidden, known)))

    def fixed(self, known: Float[Tensor, " f"]) -> Block:
        """The block in evaluation mode under a code."""
        return Block(
            _layer(self.before.fixed(known), self.inner), _layer(self.between.fixed(known), self.outer)
        )


class CodedField(nn.Module):
    """What the fields share: a lift of the position, a latent code added to it, and one output channel.

    Args:
        features: Channels of the condition from an encoder; 0 for none.
        width: Channels of the blocks.
        latent: Channels at the end of the condition from the prior, added after the lift; 0 for none.
        leaky: Negative slope 0.2 in the last activation (the blocks always use ReLU).
    """

    def __init__(self, features: int, width: int, latent: int = 0, leaky: bool = False) -> None:
        super().__init__()
        self.sizes = (features, latent)
        self.lift = nn.Linear(3, width)
        self.latent = nn.Linear(latent, width) if latent else None
        self.out = nn.Linear(width, 1)
        self.slope = 0.2 if leaky else 0.0

    def lifted(
        self, points: Float[Tensor, "b n 3"], condition: Condition
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b #n f"]]:
        """Channels of the points with the latent code's added, and the encoder's part of the condition."""
        known, latent = condition.at(points).split(self.sizes, -1)
        x = self.lift(points)
        return x if self.latent is None else x + self.latent(latent), known

    def logits(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n"]:
        """The last layer."""
        return self.out(leaky_relu(x, self.slope))[..., 0]

    def lift_under(self, condition: Condition) -> tuple[Tensor, Tensor, Float[Tensor, " f"]]:
        """Weight and bias of the lift under the one code of a batch of one, and the encoder's part of it."""
        known, latent = code_of(condition, self.lift).split(self.sizes)
        bias = self.lift.bias if self.latent is None else self.lift.bias + self.latent(latent)
        return self.lift.weight.T.contiguous(), bias.clone(), known


class CbnField(CodedField):
    """(points, condition) -> logits, by conditional batch normalisation in `blocks` residual blocks."""

    def __init__(
        self, features: int, width: int = 256, blocks: int = 5, latent: int = 0, leaky: bool = False
    ) -> None:
        super().__init__(features, width, latent, leaky)
        self.blocks = nn.ModuleList(CbnBlock(features, width) for _ in range(blocks))
        self.norm = ConditionalNorm(features, width)

    def forward(self, points: Float[Tensor, "b n 3"], condition: Condition) -> Float[Tensor, "b n"]:
        x, known = self.lifted(points, condition)
        for block in self.blocks:
            x = block(x, known)
        return self.logits(self.norm(x, known))

    @torch.no_grad()
    def bind(self, condition: Condition) -> BoundField:
        """The field under the one code of a batch of one, in evaluation mode, several times faster."""
        weight, bias, known = self.lift_under(condition)
        steps = [block.fixed(known) for block in self.blocks]  # type: ignore[operator]
        return BoundField((weight, bias), steps, _layer(self.norm.fixed(known), self.out), self.slope)


class CbnChain(CodedField):
    """(points, condition) -> logits: CbnField with one linear layer in place of each residual block."""

    def __init__(
        self, features: int, width: int = 256, blocks: int = 5, latent: int = 0, leaky: bool = False
    ) -> None:
        super().__init__(features, width, latent, leaky)
        self.norms = nn.ModuleList(ConditionalNorm(features, width) for _ in range(blocks + 1))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))

    def forward(self, points: Float[Tensor, "b n 3"], condition: Condition) -> Float[Tensor, "b n"]:
        x, known = self.lifted(points, condition)
        for norm, layer in zip(self.norms, self.layers, strict=False):
            x = layer(relu(norm(x, known)))
        return self.logits(self.norms[-1](x, known))

    @torch.no_grad()
    def bind(self, condition: Condition) -> BoundField:
        """The field under the one code of a batch of one, in evaluation mode, several times faster."""
        weight, bias, known = self.lift_under(condition)
        scales = [norm.fixed(known) for norm in self.norms]  # type: ignore[operator]
        *steps, out = map(_layer, scales, [*self.layers, self.out])
        return BoundField((weight, bias), steps, out, self.slope)


class ResidualBlock(nn.Module):
    """x + outer(relu(inner(relu(x)))), optionally with batch normalisation before each ReLU."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.before = PointNorm(width) if norm else nn.Identity()
        self.inner = nn.Linear(width, width)
        self.between = PointNorm(width) if norm else nn.Identity()
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return x + self.outer(relu(self.between(self.inner(relu(self.before(x))))))

    def fixed(self) -> Block:
        """The block in evaluation mode."""
        return Block(
            _layer(_scale(self.before, self.inner), self.inner),
            _layer(_scale(self.between, self.outer), self.outer),
        )


class ResidualField(CodedField):
    """(points, condition) -> logits: the code is added once, as a linear image after the lift.

    `norm` puts batch normalisation before each ReLU of the `blocks`.
    """

    def __init__(
        self,
        features: int,
        width: int = 128,
        blocks: int = 5,
        latent: int = 0,
        leaky: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__(features, width, latent, leaky)
        self.known = nn.Linear(features, width) if features else None
        self.blocks = nn.ModuleList(ResidualBlock(width, norm) for _ in range(blocks))
        self.norm = PointNorm(width) if norm else nn.Identity()

    def forward(self, points: Float[Tensor, "b n 3"], condition: Condition) -> Float[Tensor, "b n"]:
        x, known = self.lifted(points, condition)
        if self.known is not None:
            x = x + self.known(known)
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))

    @torch.no_grad()
    def bind(self, condition: Condition) -> BoundField:
        """The field under the one code of a batch of one, in evaluation mode, several times faster."""
        weight, bias, known = self.lift_under(condition)
        if self.known is not None:
            bias += self.known(known)
        steps = [block.fixed() for block in self.blocks]  # type: ignore[operator]
        return BoundField((weight, bias), steps, _layer(_scale(self.norm, self.out), self.out), self.slope)


def code_of(condition: Condition, lift: nn.Linear) -> Float[Tensor, " f"]:
    """The one code of a condition that is the same everywhere.

    Raises:
        ValueError: It is not, or belongs to several shapes.
    """
    code = condition.at(lift.weight.new_zeros(1, 2, 3))
    if code.shape[:2] != (1, 1):
        raise ValueError(f"a field is bound to one code of one shape, not to features of shape {code.shape}")
    return code[0, 0]


def _layer(scale: Scale, linear: nn.Linear) -> Layer:
    return Layer(*scale, linear.weight.T.contiguous(), linear.bias.clone())


def _scale(norm: nn.Module, after: nn.Linear) -> Scale:
    """Factor and offset of an optional normalisation before a layer."""
    if isinstance(norm, PointNorm):
        return norm.fixed()
    return torch.ones_like(after.weight[0]), torch.zeros_like(after.weight[0])
