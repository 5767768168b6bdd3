from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.data.occupancy import OccupancySource, share
from isofield.errors import InputError


@pytest.fixture
def balls(tmp_path) -> Path:
    """A data set of balls of radius 0.3, 0.35, ... in the ONet layout."""
    draw = np.random.default_rng(0)
    names = {"train": [f"t{i}" for i in range(5)], "val": ["v0", "v1"]}
    for split, ids in names.items():
        for index, name in enumerate(ids):
            folder = tmp_path / "balls" / name
            folder.mkdir(parents=True)
            radius = 0.3 + 0.05 * index
            normals = draw.normal(size=(5000, 3))
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            points = draw.uniform(-0.55, 0.55, (20_000, 3)).astype(np.float16)
            inside = np.linalg.norm(points.astype(np.float64), axis=1) < radius
            np.savez(
                folder / "pointcloud.npz", points=np.float16(radius * normals), normals=np.float16(normals)
            )
            np.savez(folder / "points.npz", points=points, occupancies=np.packbits(inside))
        (tmp_path / "balls" / f"{split}.lst").write_text("".join(f"{name}\n" for name in ids))
    (tmp_path / "balls" / "test.lst").write_text("")
    return tmp_path


def test_clouds_lie_on_the_surface_and_labels_are_right(balls):
    batch = OccupancySource.of(balls, seed=3, size=5).batch(0, 0, 1)
    assert batch.cloud.shape == (5, 3000, 3)
    assert batch.points.shape == (5, 2048, 3)
    radii = batch.cloud.norm(dim=-1).mean(dim=1)
    assert torch.allclose(radii.sort().values, torch.tensor([0.3, 0.35, 0.4, 0.45, 0.5]), atol=2e-3)
    assert batch.cloud.norm(dim=-1).std(dim=1).numpy() == pytest.approx(np.full(5, 0.005), rel=0.1)
    distance = batch.points.norm(dim=-1) - radii[:, None]
    clear = distance.abs() > 2e-3
    assert ((distance < 0) == (batch.inside > 0.5))[clear].all()


def test_batches_are_functions_of_seed_and_step(balls):
    source, again, other = (OccupancySource.of(balls, seed=seed, size=4) for seed in (3, 3, 4))
    assert torch.equal(source.batch(7, 0, 1).points, again.batch(7, 0, 1).points)
    assert not torch.equal(source.batch(7, 0, 1).points, source.batch(8, 0, 1).points)
    assert not torch.equal(source.batch(7, 0, 1).points, other.batch(7, 0, 1).points)


def test_ranks_share_one_batch(balls):
    source = OccupancySource.of(balls, seed=3, size=4)
    whole, parts = source.batch(5, 0, 1), [source.batch(5, rank, 2) for rank in (0, 1)]
    for name in ("cloud", "points", "inside"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
    with pytest.raises(ValueError, match="can't be split evenly over 3"):
        share(4, 0, 3)


def test_every_epoch_takes_each_model_once(balls):
    source = OccupancySource.of(balls, seed=3, size=1)
    radii = [source.batch(step, 0, 1).cloud.norm(dim=-1).mean().item() for step in range(15)]
    epochs = [tuple(round(r * 20) for r in radii[first : first + 5]) for first in (0, 5, 10)]
    assert {tuple(sorted(epoch)) for epoch in epochs} == {(6, 7, 8, 9, 10)}
    assert len(set(epochs)) > 1


def test_held_out_shapes_are_the_validation_part(balls):
    held = OccupancySource.of(balls, seed=3, size=1).held_out()
    assert [known.name for known in held] == ["balls/v0", "balls/v1"]
    assert held[1].inside.mean() == pytest.approx(4 / 3 * np.pi * 0.35**3 / 1.1**3, rel=0.1)
    again = OccupancySource.of(balls, seed=3, size=1).held_out()
    assert np.array_equal(held[1].observation.points, again[1].observation.points)


def test_no_data_set(tmp_path):
    with pytest.raises(InputError, match="not a data set"):
        OccupancySource.of(tmp_path, 0, 1)


def test_points_near_the_surface_come_on_request_and_change_nothing_else(balls):
    draw = np.random.default_rng(1)
    for folder in (balls / "balls").glob("t?"):
        points = draw.normal(size=(3000, 3))
        points *= (0.4 + 0.01 * draw.standard_normal((3000, 1))) / np.linalg.norm(
            points, axis=1, keepdims=True
        )
        inside = np.linalg.norm(points, axis=1) < 0.4
        np.savez(folder / "points_surface.npz", points=points.astype(np.float32), occupancies=inside)
    plain, more = (OccupancySource.of(balls, 3, 5, near=near).batch(0, 0, 1) for near in (0, 500))
    assert plain.near is None
    assert torch.equal(plain.points, more.points)
    assert more.near.shape == (5, 500, 3)
    distance = more.near.norm(dim=-1) - 0.4
    assert distance.abs().mean() < 0.02
    clear = distance.abs() > 1e-3
    assert ((distance < 0) == (more.near_inside > 0.5))[clear].all()


def test_without_points_near_the_surface_they_are_missed_by_name(balls):
    with pytest.raises(InputError, match=r"points_surface.npz is missing"):
        OccupancySource.of(balls, 3, 5, near=10).batch(0, 0, 1)
