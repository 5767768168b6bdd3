"""What neighbours tell of planes, and where they must not be asked."""

import numpy as np
import torch

from isofield.ops.neighbourhood import neighbourhood


def sheets(apart: float, noise: float, count: int = 6_000) -> torch.Tensor:
    """Two unit squares, one above the other, with noise."""
    draw = np.random.default_rng(0)
    points = draw.random((count, 3)) * [1, 1, 0]
    points[:, 2] = draw.choice([0.0, apart], count)
    return torch.from_numpy(points + noise * draw.standard_normal(points.shape)).float()


def test_planes_spacing_and_areas_of_a_square():
    near = neighbourhood(sheets(0.0, 0.0))
    assert abs(float(near.normal[:, 2].abs().min()) - 1) < 1e-3
    assert float(near.scatter.max()) < 1e-6
    assert abs(float(near.area.sum()) - 1) < 0.15
    assert abs(near.spacing * np.sqrt(6_000) - 1) < 0.1


def test_the_nearer_half_decides_where_the_farther_lies_on_another_sheet():
    spacing = 1 / np.sqrt(3_000)
    near = neighbourhood(sheets(1.9 * spacing, 0.0))
    upright = (near.normal[:, 2].abs() > 0.99).float().mean()
    assert float(upright) > 0.9


def test_noise_is_averaged_over_all_neighbours():
    spacing = 1 / np.sqrt(6_000)
    near = neighbourhood(sheets(0.0, 0.2 * spacing))
    tilt = near.normal[:, 2].abs().clamp(max=1).acos().rad2deg()
    assert float(tilt.median()) < 7
    assert 0.1 < float(near.scatter.median()) / spacing < 0.25
