"""Adam on the touched rows of a field's tables."""

import numpy as np
import pytest
import torch

from isofield.ops.active_cells import ActiveCells
from isofield.render.voxels import Gradients, VoxelField
from isofield.training.touched_adam import Rates, TouchedAdam

SIZE = 8


def field() -> VoxelField:
    draw = np.random.default_rng(0)
    cells = ActiveCells(np.ones((SIZE,) * 3, bool))
    raw = draw.normal(size=cells.side**3).astype(np.float32)
    return VoxelField(cells, raw, draw.normal(size=(len(cells.nodes), 3)).astype(np.float32))


def touch(gradients: Gradients, seed: int) -> None:
    draw = np.random.default_rng(seed)
    for lane in range(2):
        for sums, touched in (
            (gradients.raw[lane], gradients.raw_touched[lane]),
            (gradients.features[lane], gradients.rows_touched[lane]),
        ):
            chosen = draw.choice(len(sums), 200, replace=False)
            sums[chosen] = draw.normal(size=sums[chosen].shape)
            touched[chosen] = 1


def test_with_all_rows_touched_it_is_the_adam_of_torch() -> None:
    voxels = field()
    theirs = torch.nn.Parameter(torch.from_numpy(voxels.features.copy()))
    optimiser = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99), eps=1e-12)
    ours = TouchedAdam(voxels, Gradients.of(voxels))
    for seed in range(3):
        slope = np.random.default_rng(seed).normal(size=voxels.features.shape).astype(np.float32)
        ours.gradients.features[0][:] = slope
        ours.gradients.rows_touched[0][:] = 1
        theirs.grad = torch.from_numpy(slope)
        optimiser.step()
        ours.step(Rates(raw=0.1, features=0.1))
    assert np.abs(voxels.features - theirs.detach().numpy()).max() < 1e-4


@pytest.mark.parametrize("smooth", [0.0, 1e-3])
def test_compiled_and_plain_steps_agree(smooth: float) -> None:
    results = []
    for compiled in (True, False):
        voxels = field()
        adam = TouchedAdam(voxels, Gradients.of(voxels))
        for seed in range(3):
            touch(adam.gradients, seed)
            adam.step(Rates(0.01, 0.01, smooth, smooth, smooth / 10, 0.1), compiled)
        assert not any(lane.any() for lane in adam.gradients.raw + adam.gradients.features)
        results.append(voxels)
    # the compiled step reads neighbours that have moved already
    tolerance = 1e-5 if smooth == 0 else 2e-3
    assert np.abs(results[0].raw - results[1].raw).max() < tolerance
    assert np.abs(results[0].features - results[1].features).max() < tolerance


def test_rows_without_gradient_stay() -> None:
    voxels = field()
    before = voxels.raw.copy()
    adam = TouchedAdam(voxels, Gradients.of(voxels))
    touch(adam.gradients, 0)
    marked = (adam.gradients.raw_touched[0] | adam.gradients.raw_touched[1]) > 0
    adam.step(Rates(0.1, 0.1, 1e-3, 1e-3))
    assert np.array_equal(before[~marked], voxels.raw[~marked])
    assert (before[marked] != voxels.raw[marked]).all()


def test_the_eikonal_term_brings_slopes_to_one() -> None:
    cells = ActiveCells(np.ones((16,) * 3, bool))
    place = np.linspace(-0.5, 0.5, 17)
    x, y, z = np.meshgrid(place, place, place, indexing="ij")
    raw = (0.5 * (np.sqrt(x**2 + y**2 + z**2) - 0.3)).astype(np.float32).reshape(-1)
    voxels = VoxelField(cells, raw, np.zeros((len(cells.nodes), 1), np.float32), surface=True)
    adam = TouchedAdam(voxels, Gradients.of(voxels))
    for _ in range(200):
        adam.gradients.raw_touched[0][:] = 1
        adam.step(Rates(0.003, 0.0, eikonal=1.0))
    grid = voxels.raw.reshape(17, 17, 17)
    slopes = np.sqrt(sum(np.diff(grid, axis=a)[4:12, 4:12, 4:12] ** 2 for a in range(3))) * 16
    assert abs(np.median(slopes) - 1) < 0.1
