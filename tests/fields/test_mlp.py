"""Networks of the position: the fast way, the plain one, and torch's own modules agree."""

import numpy as np
import pytest
import torch
from torch import nn

from isofield.condition import Code
from isofield.fields.cbn import CbnChain, CbnField, ResidualField
from isofield.fields.mlp import BoundMlp, fold_code, fold_skip
from isofield.ops.bounds import bound
from isofield.ops.steps import Activation, Affine, Residual, Scale, run


def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    return layer, Affine(layer.weight.detach().T.contiguous(), layer.bias.detach())


@pytest.mark.parametrize(
    ("activation", "module"),
    [
        (Activation("relu"), nn.ReLU()),
        (Activation("leaky", 0.02), nn.LeakyReLU(0.02)),
        (Activation("elu"), nn.ELU()),
        (Activation("softplus", 100.0), nn.Softplus(beta=100)),
        (Activation("tanh"), nn.Tanh()),
    ],
)
def test_it_is_what_torch_computes(activation, module):
    torch.manual_seed(0)
    (one, first), (two, second), (three, third) = linear(3, 16), linear(16, 16), linear(16, 1)
    field = BoundMlp([first, activation, second, activation, third])
    points = torch.rand(3000, 3) - 0.5
    expected = nn.Sequential(one, module, two, module, three)(points)[:, 0].detach()
    with torch.inference_mode():
        torch.testing.assert_close(field(points), expected, atol=1e-6, rtol=1e-5)


def every_step():
    torch.manual_seed(1)
    relu = Activation("relu")
    inner = (
        relu,
        linear(16, 16)[1],
        Activation("sine"),
        Scale(torch.rand(16), torch.rand(16)),
        linear(16, 16)[1],
    )
    skipping = Affine(torch.randn(16, 16) / 4, torch.randn(16), torch.randn(3, 16))
    return [
        Scale(torch.rand(3), torch.rand(3)),
        linear(3, 16)[1],
        Residual(inner),
        Residual((relu,)),
        skipping,
        relu,
        linear(16, 1)[1],
    ]


def test_in_place_is_the_plain_way_and_leaves_the_points_alone():
    steps = every_step()
    points = torch.rand(2500, 3)
    kept = points.clone()
    with torch.inference_mode():
        values = BoundMlp(steps)(points)
    torch.testing.assert_close(values, run(steps, points, points)[:, 0], atol=1e-5, rtol=1e-5)
    assert torch.equal(points, kept)


def test_points_keep_their_gradient():
    field = BoundMlp(every_step())
    points = torch.rand(7, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(field(points).sum(), points)
    step = 1e-2 * torch.eye(3)
    with torch.inference_mode():
        for axis in range(3):
            change = (field(points + step[axis]) - field(points - step[axis])) / 2e-2
            torch.testing.assert_close(gradient[:, axis], change, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("first", [True, False])
def test_a_known_code_moves_into_the_bias(first):
    torch.manual_seed(2)
    layer, plain = linear(8 + 3, 16)
    code, points = torch.randn(8), torch.rand(50, 3)
    both = [code.expand(50, 8), points]
    folded = fold_code(plain.weight, plain.bias, code, first)
    expected = layer(torch.cat(both if first else both[::-1], dim=1)).detach()
    torch.testing.assert_close(run([folded], points, points), expected, atol=1e-5, rtol=1e-5)


def test_a_skip_from_code_and_position_is_one_layer():
    torch.manual_seed(3)
    layer, plain = linear(5 + 8 + 3, 16)
    code, points, hidden = torch.randn(8), torch.rand(50, 3), torch.randn(50, 5)
    expected = layer(torch.cat([hidden, code.expand(50, 8), points], dim=1)).detach()
    folded = fold_skip(plain.weight, plain.bias, code)
    torch.testing.assert_close(run([folded], hidden, points), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [CbnField, CbnChain, ResidualField])
@pytest.mark.parametrize("leaky", [False, True])
def test_steps_of_bound_decoders_are_the_decoder_and_can_be_bounded(make, leaky):
    torch.manual_seed(4)
    model = make(features=6, width=16, blocks=2, leaky=leaky).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    field = model.bind(Code(torch.randn(1, 6)))
    steps = field.layers
    points = torch.rand(2000, 3) - 0.5
    with torch.inference_mode():
        torch.testing.assert_close(BoundMlp(steps)(points), field(points), atol=1e-5, rtol=1e-4)
        centre = points[:100].contiguous()
        low, high = bound(steps, centre, torch.full((1, 3), 0.02)).range()
        around = centre[:, None] + 0.0199 * torch.tensor(
            np.random.default_rng(0).uniform(-1, 1, (100, 50, 3)), dtype=torch.float32
        )
        values = field(around.reshape(-1, 3)).reshape(100, 50)
    assert (values >= low[:, None]).all()
    assert (values <= high[:, None]).all()
    assert (high - low).median() < 3 * (values.amax(1) - values.amin(1)).median() + 0.1
