"""Bounds of networks hold at every point, in exact arithmetic and in float32, and get tight."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isofield.ops.bounds import bound
from isofield.ops.lines import lines
from isofield.ops.steps import Activation, Affine, Residual, Scale, run

ACTIVATIONS = [
    Activation("relu"),
    Activation("leaky", 0.02),
    Activation("leaky", 1.7),
    Activation("elu"),
    Activation("softplus", 100.0),
    Activation("softplus", 0.3),
    Activation("sine"),
    Activation("tanh"),
]


def matrix(rng, inputs, outputs, gain):
    return torch.tensor(rng.normal(0, gain / np.sqrt(inputs), (inputs, outputs)), dtype=torch.float32)


def row(rng, size):
    return torch.tensor(rng.normal(0, 0.5, size), dtype=torch.float32)


def plain(rng, activation, width=12, depth=4, gain=1.6):
    steps = [Affine(matrix(rng, 3, width, 3.0), row(rng, width)), activation]
    for layer in range(depth):
        skip = matrix(rng, 3, width, 1.0) if layer == 1 else None
        steps += [Affine(matrix(rng, width, width, gain), row(rng, width), skip), activation]
    return [*steps, Affine(matrix(rng, width, 1, 1.0), row(rng, 1))]


def residual(rng, activation, width=12, blocks=3):
    """The blocks of an occupancy network's decoder: scale, activation, product, twice, and around."""
    steps = [Affine(matrix(rng, 3, width, 3.0), row(rng, width))]
    for _ in range(blocks):
        inner = []
        for _ in range(2):
            inner += [Scale(row(rng, width) + 1, row(rng, width)), activation]
            inner.append(Affine(matrix(rng, width, width, 1.2), row(rng, width)))
        steps.append(Residual(tuple(inner)))
    return [
        *steps,
        Scale(row(rng, width) + 1, row(rng, width)),
        activation,
        Affine(matrix(rng, width, 1, 1), row(rng, 1)),
    ]


def doubled(steps):
    """The same network in float64."""
    return [
        Residual(tuple(doubled(s.steps)))
        if isinstance(s, Residual)
        else s
        if isinstance(s, Activation)
        else type(s)(*(None if x is None else x.double() for x in vars(s).values()))
        for s in steps
    ]


def boxes(rng, count, size):
    centre = torch.tensor(rng.uniform(-1, 1, (count, 3)), dtype=torch.float32)
    half = torch.tensor(rng.uniform(0, size, (count, 3)), dtype=torch.float32)
    return centre, half


def corners_and_more(rng, centre, half, count=64):
    """Points of the boxes in float64, the corners among them, exactly within."""
    t = rng.uniform(-1, 1, (len(centre), count, 3))
    t[:, : count // 2] = np.sign(t[:, : count // 2])
    return centre.double()[:, None] + half.double()[:, None] * torch.tensor(t)


def assert_sound(steps, centre, half, rng, group=8):
    planes = bound(steps, centre, half, group)
    low, high = planes.range()
    points = corners_and_more(rng, centre, half)
    flat = points.reshape(-1, 3)
    exact = run(doubled(steps), flat, flat)[:, 0].reshape(points.shape[:2])
    place = torch.nan_to_num((points - centre[:, None]) / half[:, None])
    change = (planes.slope.double()[:, None] * place).sum(dim=2)
    spare = 1e-6 * planes.slope.double().abs().sum(dim=1)[:, None]
    assert (exact >= planes.low.double()[:, None] + change - spare).all()
    assert (exact <= planes.high.double()[:, None] + change + spare).all()
    assert (exact >= low[:, None]).all()
    assert (exact <= high[:, None]).all()
    rounded = flat.float()
    within = (
        (rounded - centre.repeat_interleave(points.shape[1], 0)).abs()
        <= half.repeat_interleave(points.shape[1], 0)
    ).all(dim=1)
    single = run(steps, rounded, rounded)[:, 0]
    assert (single >= low.repeat_interleave(points.shape[1]))[within].all()
    assert (single <= high.repeat_interleave(points.shape[1]))[within].all()


@pytest.mark.parametrize("build", [plain, residual])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: f"{a.kind}{a.parameter:g}")
@pytest.mark.parametrize("size", [1.0, 0.1, 1e-3, 1e-6, 0.0])
def test_no_point_of_hundreds_of_boxes_escapes(build, activation, size):
    rng = np.random.default_rng([ACTIVATIONS.index(activation), int(1e7 * size)])
    assert_sound(build(rng, activation), *boxes(rng, 500, size), rng)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    activation=st.sampled_from(ACTIVATIONS),
    size=st.floats(1e-7, 4),
    gain=st.floats(0.01, 30),
    group=st.integers(1, 40),
    far=st.floats(0, 1e4),
)
def test_no_point_escapes_whatever_the_network(seed, activation, size, gain, group, far):
    rng = np.random.default_rng(seed)
    centre, half = boxes(rng, 33, size)
    assert_sound(plain(rng, activation, depth=3, gain=gain), centre + far, half, rng, group)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    activation=st.sampled_from(ACTIVATIONS),
    low=st.floats(-60, 60, width=32),
    width=st.one_of(st.floats(0, 2**-13, width=32), st.floats(0, 50, width=32)),
)
def test_the_function_stays_between_its_lines(activation, low, width):
    low = torch.tensor([[low]])
    high = low + width
    slope, below, above = (x.double() for x in lines(activation, low, high))
    x = torch.cat([torch.linspace(low.item(), high.item(), 2001).double(), low[0].double(), high[0].double()])
    gap = activation(x) - slope * x
    rounding = 1e-6 * (x.abs().max() + activation.unit)
    assert gap.min() >= below - rounding
    assert gap.max() <= above + rounding
    # And they touch it: no line can be moved inwards.
    if width > 1e-3 and not (activation.kind == "sine" and width > 6):
        assert gap.min() <= below + rounding + 1e-3 * width
        assert gap.max() >= above - rounding - 1e-3 * width


def affine_arithmetic(steps, centre, half):
    """The textbook: one box, one symbol per nonlinear channel and all of its generators, in float64."""
    forms = torch.cat([centre[None], torch.diag(half)]).double()
    for step in steps:
        if isinstance(step, Affine):
            forms = forms @ step.weight.double()
            forms[0] += step.bias
        else:
            swing = forms[1:].abs().sum(dim=0)
            slope, below, above = lines(step, (forms[0] - swing)[None], (forms[0] + swing)[None])
            forms = forms * slope
            forms[0] += ((below + above) / 2)[0]
            forms = torch.cat([forms, torch.diag(((above - below) / 2)[0])])
    swing = forms[1:].abs().sum()
    return forms[0, 0] - swing, forms[0, 0] + swing


@pytest.mark.parametrize("kind", ["relu", "elu", "sine"])
def test_a_group_of_one_is_affine_arithmetic(kind):
    rng = np.random.default_rng(5)
    steps = plain(rng, Activation(kind))
    steps = [Affine(s.weight, s.bias) if isinstance(s, Affine) else s for s in steps]
    centre, half = boxes(rng, 20, 0.3)
    low, high = bound(steps, centre, half, 1).range()
    for k in range(len(centre)):
        least, most = affine_arithmetic(steps, centre[k], half[k])
        assert low[k] == pytest.approx(least.item(), abs=2e-3 * (most - least).item())
        assert high[k] == pytest.approx(most.item(), abs=2e-3 * (most - least).item())


@pytest.mark.parametrize("build", [plain, residual])
def test_the_gap_between_the_planes_falls_with_the_square_of_the_box(build):
    rng = np.random.default_rng(3)
    steps = build(rng, Activation("softplus", 3.0))
    centre = torch.tensor(rng.uniform(-0.01, 0.01, (16, 3)), dtype=torch.float32)
    gaps = []
    for size in (0.04, 0.02, 0.01):
        planes = bound(steps, centre, torch.full((1, 3), size))
        gaps.append((planes.high - planes.low).mean().item())
    assert 3 < gaps[0] / gaps[1] < 6
    assert 3 < gaps[1] / gaps[2] < 6


def test_linear_networks_are_bounded_to_the_last_digits():
    rng = np.random.default_rng(8)
    steps = [Affine(matrix(rng, 3, 12, 1), row(rng, 12)), Affine(matrix(rng, 12, 1, 1), row(rng, 1))]
    centre, half = boxes(rng, 50, 1.0)
    planes = bound(steps, centre, half)
    assert (planes.high - planes.low).max() < 1e-4
    torch.testing.assert_close(
        planes.slope, half * (steps[0].weight @ steps[1].weight)[:, 0], atol=1e-5, rtol=1e-5
    )


def test_boxes_in_any_number_come_back_in_order():
    rng = np.random.default_rng(1)
    steps = plain(rng, Activation("relu"))
    centre, half = boxes(rng, 77, 0.1)
    alone = torch.cat([bound(steps, c[None], h[None], 1).low for c, h in zip(centre, half, strict=True)])
    together = bound(steps, centre, half, 32)
    assert len(together.low) == 77
    assert (together.low <= alone + 1e-5).all()
    torch.testing.assert_close(bound(steps, centre, half, 1).low, alone, atol=1e-5, rtol=1e-5)
