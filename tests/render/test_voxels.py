"""The march through a sparse grid: closed solutions, gradients, the plain path beside the compiled one."""

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.ops.active_cells import ActiveCells
from isofield.render.voxels import Gradients, VoxelField, largest_transmittance, march

SIZE = 8


def field(
    surface: bool = False, unbounded: bool = False, full: bool = False, channels: int = 4
) -> VoxelField:
    draw = np.random.default_rng(0)
    cells = np.ones((SIZE,) * 3, bool) if full else draw.uniform(size=(SIZE,) * 3) < 0.4
    if not full:
        cells[:4, :4, :4] = False  # an empty block
    active = ActiveCells(cells)
    raw = draw.normal(0.0 if surface else -1.0, 0.1 if surface else 1.0, active.side**3).astype(np.float32)
    features = draw.uniform(size=(len(active.nodes), channels)).astype(np.float32)
    sharpness = 12.0 if surface else 4.0
    return VoxelField(active, raw, features, surface, sharpness, unbounded, steps_per_cell=2.0)


def rays(count: int = 64) -> Rays:
    camera = Camera.orbiting(0.7, 0.4, 1.6, 26.0, 16)
    return Rays.of(camera, np.random.default_rng(1).uniform(0, 16, (count, 2)))


@pytest.mark.parametrize("unbounded", [False, True])
@pytest.mark.parametrize("surface", [False, True])
def test_compiled_and_plain_march_agree(surface: bool, unbounded: bool) -> None:
    voxels, seen_from = field(surface, unbounded), rays()
    if unbounded:
        seen_from = Rays(
            seen_from.origins, seen_from.directions, seen_from.near, torch.full_like(seen_from.far, 20.0)
        )
    shift = torch.rand(len(seen_from), generator=torch.Generator().manual_seed(0))
    found, sums = [], []
    for compiled in (True, False):
        gradients = Gradients.of(voxels)
        marched = march(voxels, seen_from, shift, gradients, compiled)
        weights = torch.linspace(0.5, 1.5, marched.seen.shape[1])
        (
            (marched.seen * weights).sum() + (marched.passed * 0.3).sum() + (marched.depth * 0.2).sum()
        ).backward()
        found.append(marched)
        sums.append([sum(gradients.raw), sum(gradients.features)])
    assert found[0].count.sum() > 100
    for name in ("seen", "passed", "depth"):
        assert torch.allclose(getattr(found[0], name), getattr(found[1], name), atol=2e-4), name
    for one, other in zip(*sums, strict=True):
        assert np.abs(one).max() > 0.01
        assert np.abs(one - other).max() < 2e-3 * np.abs(other).max()


def test_a_slab_of_even_density_lets_through_what_the_law_of_beer_and_lambert_says() -> None:
    voxels = field(full=True)
    voxels.raw[:] = 0.2
    voxels.features[:] = 0.7
    voxels.steps_per_cell = 16.0
    origin, towards = torch.tensor([[0.1, 0.2, -2.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    straight = Rays(origin, towards, torch.zeros(1), torch.full((1,), torch.inf))
    marched = march(voxels, straight)
    expected = torch.exp(-softplus(torch.tensor(0.2)) * voxels.sharpness)
    assert torch.allclose(marched.passed, expected[None], atol=1e-3)
    assert torch.allclose(marched.seen, (1 - expected).expand(1, 4) * 0.7, atol=1e-3)


@pytest.mark.parametrize("surface", [False, True])
def test_gradients_are_those_of_differences(surface: bool) -> None:
    voxels, seen_from = field(surface), rays(16)
    gradients = Gradients.of(voxels)

    def loss(learning: Gradients | None) -> torch.Tensor:
        marched = march(voxels, seen_from, 0.5, learning)
        return (marched.seen.sum(dim=1) * torch.linspace(1, 2, 16)).sum() + marched.passed.sum()

    loss(gradients).backward()
    for table, sums, step in ((voxels.raw, gradients.raw, 2e-3), (voxels.features, gradients.features, 1e-2)):
        total = sum(sums).reshape(-1)
        for place in np.argsort(-np.abs(total))[:5]:
            flat = table.reshape(-1)
            kept = flat[place]
            values = []
            for sign in (1, -1):
                flat[place] = kept + sign * step
                values.append(loss(None).double().item())
            flat[place] = kept
            assert total[place] == pytest.approx((values[0] - values[1]) / (2 * step), rel=0.05, abs=2e-3)


def test_only_touched_rows_are_marked() -> None:
    voxels, seen_from = field(), rays(4)
    gradients = Gradients.of(voxels)
    march(voxels, seen_from, 0.5, gradients).seen.sum().backward()
    for sums, touched in (
        (gradients.raw, gradients.raw_touched),
        (gradients.features, gradients.rows_touched),
    ):
        changed = sum(np.abs(part).reshape(len(part), -1).sum(axis=1) for part in sums) > 0
        marked = sum(touched) > 0
        assert not (changed & ~marked).any()
        assert 0 < marked.sum() < len(marked)


def test_the_same_rays_give_the_same_bytes() -> None:
    results = []
    for _ in range(2):
        voxels = field()
        gradients = Gradients.of(voxels)
        march(voxels, rays(), 0.5, gradients).seen.sum().backward()
        results.append(gradients.features[0].tobytes() + gradients.raw[1].tobytes())
    assert results[0] == results[1]


def test_light_reaches_what_is_in_front_and_not_what_is_behind() -> None:
    cells = ActiveCells(np.ones((SIZE,) * 3, bool))
    raw = np.full((cells.side,) * 3, -10, np.float32)
    raw[4] = 20.0  # a wall across x
    voxels = VoxelField(cells, raw.reshape(-1), np.zeros((len(cells.nodes), 1), np.float32))
    lines = torch.linspace(-0.4, 0.4, 9)
    origins = torch.stack(torch.meshgrid(torch.tensor([-2.0]), lines, lines, indexing="ij"), -1).reshape(
        -1, 3
    )
    towards = torch.tensor([1.0, 0.0, 0.0]).expand_as(origins).contiguous()
    beam = Rays(origins, towards, torch.zeros(len(origins)), torch.full((len(origins),), torch.inf))
    most = np.zeros(len(raw.reshape(-1)), np.float32)
    largest_transmittance(voxels, beam, most)
    most = most.reshape(raw.shape)
    assert most[1, 2:-2, 2:-2].min() > 0.9
    assert most[6:].max() < 0.1


@pytest.mark.parametrize("surface", [False, True])
def test_compiled_and_plain_light_agree(surface: bool) -> None:
    voxels = field(surface)
    found = [np.zeros(len(voxels.raw), np.float32) for _ in range(2)]
    for most, compiled in zip(found, (True, False), strict=True):
        largest_transmittance(voxels, rays(256), most, compiled)
    assert (found[0] > 0.1).sum() > 30
    differ = np.abs(found[0] - found[1]) > 1e-3
    assert differ.mean() < 0.01  # samples halfway between nodes go either way
