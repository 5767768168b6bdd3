"""Against loops, against closed solutions, and the properties that make weights a distribution."""

import math

import pytest
import torch

from isofield.ops.transmittance import (
    inverse_cdf,
    lengths,
    middles,
    opacity,
    refined,
    stratified,
    transmittance,
    weights,
)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_weights_are_those_of_a_loop():
    density, length = 3 * drawn(5, 9), drawn(5, 9, seed=1)
    for r in range(5):
        light = 1.0
        for s in range(9):
            alpha = 1 - math.exp(-density[r, s] * length[r, s])
            assert weights(density, length)[r, s].item() == pytest.approx(light * alpha, abs=1e-14)
            assert transmittance(density, length)[r, s].item() == pytest.approx(light, abs=1e-14)
            light *= 1 - alpha


def test_what_is_lost_and_what_passes_is_all_the_light():
    density, length = 3 * drawn(7, 20), drawn(7, 20, seed=1)
    passed = torch.exp(-(density * length).sum(1))
    torch.testing.assert_close(weights(density, length).sum(1) + passed, torch.ones(7).double())


def test_an_even_slab_takes_what_beer_says():
    t = torch.linspace(0, 1, 1001, dtype=torch.float64)[None]
    density = torch.full_like(t, 2.0) * (t < 0.5)
    lost = weights(density, lengths(t, 0.0)).sum()
    assert lost.item() == pytest.approx(1 - math.exp(-1.0), rel=1e-9)


def test_thin_clouds_are_not_rounded_away():
    assert opacity(torch.tensor([[1e-12]]), torch.tensor([[1.0]])).item() == pytest.approx(1e-12)


def test_gradients():
    density, length = (3 * drawn(2, 5)).requires_grad_(), drawn(2, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(weights, (density, length))


def test_strata_hold_one_sample_each_and_meet():
    near, far = torch.tensor([2.0, 0.0]).double(), torch.tensor([6.0, 1.0]).double()
    even = stratified(near, far, 8)
    assert even[:, 0].tolist() == [2, 0]
    assert even[:, -1].tolist() == [6, 1]
    borders = middles(even)
    found = stratified(near, far, 8, drawn(2, 8))
    for k in range(7):
        assert (found[:, k] <= borders[:, k]).all()
        assert (found[:, k + 1] >= borders[:, k]).all()


def cdf_by_loop(edges: list[float], weight: list[float], u: float) -> float:
    total = sum(w + 1e-5 for w in weight)
    below = 0.0
    for k, w in enumerate(weight):
        share = (w + 1e-5) / total
        if u < below + share or k == len(weight) - 1:
            return edges[k] + (u - below) / share * (edges[k + 1] - edges[k])
        below += share
    raise AssertionError


def test_the_histogram_is_inverted_as_a_loop_does():
    edges = drawn(3, 12).sort(1).values
    weight, u = drawn(3, 11, seed=1), drawn(3, 50, seed=2)
    weight[:, 4] = 0
    found = inverse_cdf(edges, weight, u)
    for r in range(3):
        for k in range(50):
            wanted = cdf_by_loop(edges[r].tolist(), weight[r].tolist(), u[r, k].item())
            low = edges[r, 4] <= found[r, k] <= edges[r, 5]
            assert found[r, k].item() == pytest.approx(wanted, abs=1e-9) or low


def test_samples_fall_where_the_weights_are():
    t = torch.linspace(0, 1, 11).double()[None]
    weight = torch.zeros_like(t)
    weight[:, 6] = 1.0
    found = refined(t, weight, drawn(1, 1000))
    assert found.shape == (1, 1011)
    assert (found.diff(dim=1) >= 0).all()
    assert ((found > 0.55) & (found < 0.65)).double().mean() > 0.98
