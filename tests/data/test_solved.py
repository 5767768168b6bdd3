"""Training samples of the indicator network."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from isofield.data.degrade import Degradation, degraded, random_rotation, surface_area
from isofield.data.solved import SIDES, SolvedSample, solve_held_out, solve_sample
from isofield.data.solved_source import SYMMETRIES, SolvedSource, iou, turned
from isofield.ops.indicator import Indicator
from isofield.systems.indicator import IndicatorNet, IndicatorNetConfig
from isofield.training.source import HoldsOut


def write_ball(folder: Path, radius: float = 0.4, seed: int = 0) -> Path:
    """A ball in the ONet layout."""
    draw = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    normals = draw.standard_normal((20_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savez(
        folder / "pointcloud.npz",
        points=(radius * normals).astype(np.float16),
        normals=normals.astype(np.float16),
    )
    near = radius * normals + 0.02 * draw.standard_normal(normals.shape)
    for name, points in (("points", draw.uniform(-0.55, 0.55, (20_000, 3))), ("points_surface", near)):
        inside = np.linalg.norm(points, axis=1) < radius
        np.savez(folder / f"{name}.npz", points=points.astype(np.float16), occupancies=np.packbits(inside))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("balls") / "set"
    for k in range(3):
        write_ball(root / "ball" / f"b{k}", 0.3 + 0.05 * k, k)
    (root / "ball" / "train.lst").write_text("b0\nb1\n")
    (root / "ball" / "val.lst").write_text("b2\n")
    return root


def test_a_sample_is_a_function_of_seed_model_and_variant(dataset: Path) -> None:
    one, same = (solve_sample(dataset / "ball" / "b0", 1, 7, 512) for _ in range(2))
    other = solve_sample(dataset / "ball" / "b0", 1, 8, 512)
    for name in ("points", "normals", "indicator", "queries", "base", "inside"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert one.points.shape != other.points.shape or (one.points != other.points).any()


def test_indicator_of_a_sample_knows_the_ball(dataset: Path) -> None:
    sample = solve_held_out(dataset / "ball" / "b1", 1_000, 0.002, 4_000)
    assert iou(sample.base > 0, sample.inside) > 0.93
    outwards = sample.points - 0.5
    assert ((outwards * sample.normals).sum(1) > 0).mean() > 0.99


def test_a_saved_sample_comes_back_within_its_fixed_point(dataset: Path, tmp_path: Path) -> None:
    sample = solve_sample(dataset / "ball" / "b0", 1, 0, 512)
    sample.save(tmp_path / "s.npz")
    back = SolvedSample.load(tmp_path / "s.npz")
    np.testing.assert_allclose(back.points, sample.points, atol=1e-5)
    np.testing.assert_allclose(back.normals, sample.normals, atol=5e-3)
    np.testing.assert_allclose(back.indicator, sample.indicator, atol=1e-3)
    np.testing.assert_array_equal(back.inside, sample.inside)


@pytest.mark.parametrize("which", [0, 5, 17, 29, 40, 47])
def test_symmetries_move_everything_alike(dataset: Path, which: int) -> None:
    sample = solve_sample(dataset / "ball" / "b0", 1, 0, 512)
    moved = turned(sample, which)
    read = Indicator(torch.from_numpy(moved.indicator)).at(torch.from_numpy(moved.queries)).numpy()
    np.testing.assert_allclose(read, sample.base, atol=1e-4)
    np.testing.assert_allclose(
        (moved.normals * (moved.points - 0.5)).sum(1),
        (sample.normals * (sample.points - 0.5)).sum(1),
        atol=1e-5,
    )


def test_symmetries_are_48_different_isometries() -> None:
    assert len({m.tobytes() for m in SYMMETRIES}) == 48
    for m in SYMMETRIES:
        np.testing.assert_array_equal(m @ m.T, np.eye(3))


def test_batches_are_functions_of_the_step_and_split_over_ranks(dataset: Path) -> None:
    source = SolvedSource.of(dataset, "train", seed=3, size=2)
    whole = source.batch(4, 0, 1)
    again = SolvedSource.of(dataset, "train", seed=3, size=2).batch(4, 0, 1)
    assert torch.equal(whole.points, again.points)
    assert torch.equal(whole.clouds.indicator, again.clouds.indicator)
    halves = [source.batch(4, rank, 2) for rank in range(2)]
    assert torch.equal(torch.cat([half.points for half in halves]), whole.points)
    assert torch.equal(torch.cat([half.inside for half in halves]), whole.inside)


def test_variants_follow_the_wanted_spacing(dataset: Path) -> None:
    coarse = solve_sample(dataset / "ball" / "b0", SIDES.index(24), 0, 256)
    fine = solve_sample(dataset / "ball" / "b0", SIDES.index(48), 0, 256)
    assert len(coarse.indicator) == 48
    assert len(fine.indicator) == 96
    assert len(fine.points) > 1.5 * len(coarse.points)


def test_degradations_do_what_they_say() -> None:
    draw = np.random.default_rng(0)
    normals = draw.standard_normal((20_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = 0.5 * normals
    assert surface_area(points) == pytest.approx(np.pi, rel=0.08)
    assert len(degraded(points, normals, Degradation(500, 0.0), draw)) == 500
    noisy = degraded(points, normals, Degradation(5_000, 0.01), draw)
    assert np.std(np.linalg.norm(noisy, axis=1)) == pytest.approx(0.01, rel=0.1)
    cut = degraded(points, normals, Degradation(20_000, 0.0, cut=0.3), draw)
    assert len(cut) == pytest.approx(14_000, rel=0.02)
    seen = degraded(points, normals, Degradation(20_000, 0.0, views=1), draw)
    assert np.linalg.norm(seen.mean(axis=0)) > 0.15
    stray = degraded(points, normals, Degradation(5_000, 0.0, outliers=0.1), draw)
    assert (np.abs(np.linalg.norm(stray, axis=1) - 0.5) > 1e-3).mean() == pytest.approx(0.1, rel=0.3)


def test_rotations_are_rotations() -> None:
    for seed in range(5):
        r = random_rotation(np.random.default_rng(seed))
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(r) == pytest.approx(1)


def test_small_data_sets_are_enough(dataset: Path, tmp_path: Path) -> None:
    """Fewer points than a sample wants, and nothing to validate on."""
    small = tmp_path / "small"
    shutil.copytree(dataset, small)
    for folder in small.glob("*/*/"):
        for name in ("points", "points_surface"):
            if (path := folder / f"{name}.npz").exists():
                arrays = dict(np.load(path))
                arrays["points"], arrays["occupancies"] = arrays["points"][:800], arrays["occupancies"][:100]
                np.savez(path, **arrays)
    for path in small.glob("*/val.lst"):
        path.write_text("")
    source = SolvedSource.of(small, "train", 0, 2)
    assert source.batch(0, 0, 1).points.shape[1] == source.queries
    assert source.validate(IndicatorNet(IndicatorNetConfig())) == {}


def test_what_is_held_out_can_be_looked_at(dataset: Path) -> None:
    source = SolvedSource.of(dataset, "train", 0, 2)
    assert isinstance(source, HoldsOut)
    known = source.held_out()
    assert len(known) == len(source.measured) > 0
    assert len(known[0].observation) == 3_000
    assert known[0].inside.any()
