"""Fields whose condition is fixed: chains of products and clips, run in cache-sized pieces.

Of a trained network's units half are clipped to zero at all points of a small region. Points are
therefore taken in an order in which neighbours follow each other, and each product leaves out the units that
are zero throughout its piece: sums without terms that are zero are the same sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import leaky_relu

from isofield.geometry.order import near_order
from isofield.ops.steps import Activation, Affine, Residual, Scale, Step

RELU = Activation("relu")
CHUNK = 512
"""Rows at a time: few enough to stay in a core's cache and to lie together, enough to be worth a product."""


@dataclass(frozen=True)
class Layer:
    """x -> relu(scale * x + shift) @ weight + bias."""

    scale: Float[Tensor, " i"]
    shift: Float[Tensor, " i"]
    weight: Float[Tensor, "i o"]
    bias: Float[Tensor, " o"]


@dataclass(frozen=True)
class Block:
    """x -> x + outer(inner(x))."""

    inner: Layer
    outer: Layer


class BoundField:
    """points -> values of a residual network of points whose condition is fixed.

    lift (linear), then blocks or layers, then a last layer to one channel. Offsets that meet are
    added up beforehand: a layer's scale and shift fold into the matrix before it wherever nothing
    lies between, and what a block adds to the stream is remembered by the next shift. The points keep
    their gradient; the weights are those of the moment of binding.

    Args:
        lift: Weight and bias of positions -> channels.
        steps: What follows, in order.
        out: Last layer, to one channel.
        slope: Negative slope of the last layer's activation.
    """

    def __init__(
        self,
        lift: tuple[Float[Tensor, "3 c"], Float[Tensor, " c"]],
        steps: Sequence[Layer | Block],
        out: Layer,
        slope: float = 0.0,
    ) -> None:
        self.lift, self.steps, self.out, self.slope = lift, tuple(steps), out, slope
        self.folded, self.last = _folded(lift[1], self.steps, out)

    @property
    def layers(self) -> Sequence[Step]:
        """The steps that are evaluated, from which the field can be bounded over boxes."""
        weight = self.lift[0]
        steps: list[Step] = [Affine(weight, weight.new_zeros(weight.shape[1]))]
        for step in self.folded:
            steps += [_residual(step)] if isinstance(step, Block) else _clip_and_map(step, biased=False)
        return (*steps, *_clip_and_map(self.last, Activation("leaky", self.slope) if self.slope else RELU))

    def above(self, level: float) -> "BoundField":
        """The field minus a level."""
        return BoundField(self.lift, self.steps, replace(self.out, bias=self.out.bias - level), self.slope)

    def __call__(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        points = points.to(self.lift[0])
        if torch.is_grad_enabled() and points.requires_grad:
            return torch.cat([self._followed(part) for part in points.split(CHUNK)])
        if len(points) <= CHUNK:
            return self._in_place(points)
        order = near_order(points)
        values = torch.cat([self._in_place(part) for part in points[order].split(CHUNK)])
        return torch.empty_like(values).index_copy_(0, order, values)

    def _in_place(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        x = points @ self.lift[0]
        clipped = torch.empty_like(x)
        for step in self.folded:
            first = step.inner if isinstance(step, Block) else step
            torch.addcmul(first.shift, x, first.scale, out=clipped).clamp_(min=0)
            if isinstance(step, Block):
                hidden = torch.addmm(step.inner.bias, *_alive(clipped, step.inner.weight)).clamp_(min=0)
                x.addmm_(*_alive(hidden, step.outer.weight))
            else:
                x = torch.mm(*_alive(clipped, step.weight))
        torch.addcmul(self.last.shift, x, self.last.scale, out=clipped)
        return torch.mv(_clipped(clipped, self.slope), self.last.weight[:, 0]) + self.last.bias

    def _followed(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        x = points @ self.lift[0]
        for step in self.folded:
            first = step.inner if isinstance(step, Block) else step
            clipped = torch.addcmul(first.shift, x, first.scale).relu()
            if isinstance(step, Block):
                hidden = torch.addmm(step.inner.bias, clipped, step.inner.weight).relu()
                x = torch.addmm(x, hidden, step.outer.weight)
            else:
                x = clipped @ step.weight
        clipped = leaky_relu(torch.addcmul(self.last.shift, x, self.last.scale), self.slope)
        return torch.mv(clipped, self.last.weight[:, 0]) + self.last.bias


def _alive(
    clipped: Float[Tensor, "n i"], weight: Float[Tensor, "i o"]
) -> tuple[Float[Tensor, "n a"], Float[Tensor, "a o"]]:
    """The factors of a product without the units that are zero at all points; what is not a number stays."""
    units = clipped.amax(dim=0).nonzero()[:, 0]
    return clipped.index_select(1, units), weight.index_select(0, units)


def _clipped(x: Float[Tensor, "n c"], slope: float) -> Float[Tensor, "n c"]:
    return torch.nn.functional.leaky_relu_(x, slope) if slope else x.clamp_(min=0)


def _folded(
    carried: Float[Tensor, " c"], steps: Sequence[Layer | Block], out: Layer
) -> tuple[list[Layer | Block], Layer]:
    """The steps with every bias of the stream moved into the next shift, inner scales into matrices."""
    folded: list[Layer | Block] = []
    for step in steps:
        if isinstance(step, Layer):
            folded.append(_shifted(step, carried, torch.zeros_like(step.bias)))
            carried = step.bias
            continue
        inner, outer = step.inner, step.outer
        bias = torch.addcmul(outer.shift, inner.bias, outer.scale)
        inner = Layer(inner.scale, inner.shift, (inner.weight * outer.scale).contiguous(), bias)
        folded.append(Block(_shifted(inner, carried, bias), outer))
        carried = carried + outer.bias
    return folded, _shifted(out, carried, out.bias)


def _shifted(layer: Layer, carried: Float[Tensor, " i"], bias: Float[Tensor, " o"]) -> Layer:
    """The layer for a stream that lacks the offset `carried`."""
    shift = torch.addcmul(layer.shift, carried, layer.scale)
    return Layer(layer.scale, shift, layer.weight.contiguous(), bias)


def _clip_and_map(layer: Layer, activation: Activation = RELU, biased: bool = True) -> list[Step]:
    """A layer as steps."""
    bias = layer.bias if biased else layer.weight.new_zeros(layer.weight.shape[1])
    return [Scale(layer.scale, layer.shift), activation, Affine(layer.weight, bias)]


def _residual(block: Block) -> Residual:
    """A folded block as a step: scale and bias of its outer layer are elsewhere already."""
    weight = block.outer.weight
    return Residual((*_clip_and_map(block.inner), RELU, Affine(weight, weight.new_zeros(weight.shape[1]))))
