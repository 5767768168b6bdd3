"""DeepSDF's network: every option against a plain transcription, the bound field against the field."""

import pytest
import torch
from torch.nn.functional import layer_norm, linear, relu

from isofield.condition import Code
from isofield.errors import InputError
from isofield.fields.deepsdf import DeepSdfField
from isofield.fields.mlp import BoundMlp
from isofield.ops.steps import Layered

SMALL = {
    "code": 6,
    "widths": (32, 32, 32, 32),
    "norm_layers": (0, 1, 2, 3),
    "latent_in": (2,),
    "dropouts": (),
}
VARIANTS = {
    "official": {},
    "xyz_in_all": {"xyz_in_all": True},
    "two tanh": {"use_tanh": True},
    "layer norm": {"weight_norm": False},
    "plain": {"weight_norm": False, "norm_layers": ()},
    "twice latent": {"latent_in": (1, 3), "xyz_in_all": True},
    "last too": {"norm_layers": (0, 4), "latent_in": (4,)},
}


def made(**options):
    torch.manual_seed(0)
    field = DeepSdfField(**(SMALL | options)).eval()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return field


def plain(field, options, points, code):
    """Layer by layer, from the numbers alone."""
    chosen = SMALL | {"xyz_in_all": False, "use_tanh": False} | options
    seen = torch.cat([code.expand(len(points), -1), points], 1)
    x = seen
    for number, layer in enumerate(field.layers):
        if number in chosen["latent_in"]:
            x = torch.cat([x, seen], 1)
        elif number and chosen["xyz_in_all"]:
            x = torch.cat([x, points], 1)
        weight = layer.weight
        if hasattr(layer, "gain"):
            weight = layer.gain * layer.direction / layer.direction.norm(dim=1, keepdim=True)
        x = linear(x, weight, layer.bias)
        if number == len(field.layers) - 1:
            break
        if str(number) in field.norms:
            norm = field.norms[str(number)]
            x = layer_norm(x, x.shape[1:], norm.weight, norm.bias)
        x = relu(x)
    return torch.tanh(torch.tanh(x) if chosen["use_tanh"] else x)[:, 0]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_its_formula_and_bound_is_the_same(name):
    options = VARIANTS[name]
    field, points, code = made(**options), torch.rand(1500, 3) * 2 - 1, torch.randn(1, 6)
    values = field(points[None], Code(code))[0]
    torch.testing.assert_close(values, plain(field, options, points, code), atol=1e-6, rtol=1e-5)
    bound = field.bind(Code(code))
    with torch.inference_mode():
        torch.testing.assert_close(bound(points), values, atol=1e-6, rtol=1e-5)
    assert isinstance(bound, Layered) == (name != "layer norm")


def test_normed_layers_are_those_named():
    field = made(norm_layers=(1, 3))
    assert [hasattr(layer, "gain") for layer in field.layers] == [False, True, False, True, False]
    field = made(norm_layers=(1, 4), weight_norm=False)
    assert set(field.norms) == {"1"}  # the last layer has none


def test_each_item_has_its_own_code():
    field, points, codes = made(), torch.rand(2, 20, 3), torch.randn(2, 6)
    both = field(points, Code(codes))
    for k in range(2):
        torch.testing.assert_close(both[k], field(points[k : k + 1], Code(codes[k : k + 1]))[0])
    assert not torch.allclose(both[0], field(points[:1], Code(codes[1:]))[0])


@pytest.mark.parametrize("name", ["official", "layer norm"])
def test_bound_points_keep_their_gradient_and_the_binding_its_weights(name):
    field, code = made(**VARIANTS[name]), torch.randn(1, 6)
    points = torch.rand(50, 3, requires_grad=True)
    bound = field.bind(Code(code))
    (slope,) = torch.autograd.grad(bound(points).sum(), points)
    (wanted,) = torch.autograd.grad(field(points[None], Code(code)).sum(), points)
    torch.testing.assert_close(slope, wanted, atol=1e-6, rtol=1e-5)
    if isinstance(bound, BoundMlp):
        before = bound(points).detach()
        with torch.no_grad():
            for parameter in field.parameters():
                parameter.mul_(2)
        assert bound(points).equal(before)


def test_dropout_acts_in_training_only():
    field, points, code = made(dropouts=(0, 1), latent_dropout=True), torch.rand(1, 100, 3), torch.randn(1, 6)
    assert field(points, Code(code)).equal(field(points, Code(code)))
    field.train()
    torch.manual_seed(1)
    assert not field(points, Code(code)).equal(field(points, Code(code)))
    only_code = made(latent_dropout=True).train()
    assert not only_code(points, Code(code)).equal(only_code(points, Code(code)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latent_in": (0,)}, "choose from 1 to 4"),
        ({"latent_in": (5,)}, "no such layer"),
        ({"widths": (8, 8)}, "leave no channel beside the 9"),
    ],
)
def test_layers_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        DeepSdfField(**(SMALL | {"latent_in": (1,)} | options))
