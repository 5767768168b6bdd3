"""What a bound field computes, step by step, so that it can be bounded over boxes."""

from isofield.fields.bound import Block, BoundField, Layer
from isofield.ops.steps import Activation, Affine, Residual, Scale, Step

RELU = Activation("relu")


def layers_of(field: BoundField) -> tuple[Step, ...]:
    """The steps of the field as it evaluates them: with offsets and inner scales already moved on."""
    lift = field.lift[0]
    steps: list[Step] = [Affine(lift, lift.new_zeros(lift.shape[1]))]
    for step in field.folded:
        steps += [_block(step)] if isinstance(step, Block) else _clipped(step, RELU, biased=False)
    last = Activation("leaky", field.slope) if field.slope else RELU
    return (*steps, *_clipped(field.last, last))


def _clipped(layer: Layer, activation: Activation, biased: bool = True) -> list[Step]:
    bias = layer.bias if biased else layer.weight.new_zeros(layer.weight.shape[1])
    return [Scale(layer.scale, layer.shift), activation, Affine(layer.weight, bias)]


def _block(block: Block) -> Residual:
    inner, outer = block.inner, block.outer
    unbiased = Affine(outer.weight, outer.weight.new_zeros(outer.weight.shape[1]))
    return Residual((*_clipped(inner, RELU), RELU, unbiased))
