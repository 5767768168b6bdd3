"""Clouds of known shape, in any frame, order and state: what is cleaned, which side is outside."""

import numpy as np
import pytest
import torch

from isofield.encoders import gauss
from isofield.encoders.gauss import indicator_for, solve_cloud
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.observation import PointCloud


def sphere(n: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def ellipsoid(n: int = 1500) -> np.ndarray:
    return sphere(n) * [1.0, 0.7, 0.5]


def outwards(solved: gauss.SolvedCloud) -> float:
    """Share of the normals that point away from the centre of a star-shaped cloud."""
    points = solved.cloud.points - solved.cloud.points.mean(axis=0)
    return float(((solved.normals.numpy() * points).sum(axis=1) > 0).mean())


def inside(solved: gauss.SolvedCloud, world: np.ndarray) -> torch.Tensor:
    """The indicator at places of the user's frame."""
    places = solved.world_from_scene.inverse().apply(world)
    return indicator_for(solved).at(gauss.cube(torch.from_numpy(places).float()))


def test_the_result_moves_and_scales_with_the_cloud():
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    move = Similarity(scale=250.0, rotation=turn, translation=np.array([3e5, -2e5, 40.0]))
    places = np.random.default_rng(2).uniform(-1, 1, (400, 3)) * [1.1, 0.8, 0.6]
    here = inside(solve_cloud(PointCloud(ellipsoid())), places)
    there = inside(solve_cloud(PointCloud(move.apply(ellipsoid()))), move.apply(places))
    assert ((here > 0) == (there > 0)).float().mean() > 0.98  # the cells of the grid lie differently
    assert (here - there).abs().median() < 0.03


def test_order_of_the_points_does_not_matter():
    cloud = PointCloud(ellipsoid())
    places = np.random.default_rng(2).uniform(-1, 1, (400, 3)) * [1.1, 0.8, 0.6]
    mixed = cloud[np.random.default_rng(3).permutation(len(cloud))]
    assert torch.allclose(inside(solve_cloud(cloud), places), inside(solve_cloud(mixed), places), atol=1e-3)


def test_normals_of_the_file_are_used():
    solved = solve_cloud(PointCloud(sphere(1000), normals=sphere(1000)))
    assert solved.notes["orientation"] == "normals of the file"
    assert torch.allclose(solved.normals, torch.from_numpy(sphere(1000)).float(), atol=1e-6)


def test_normals_that_point_inwards_are_turned_round():
    solved = solve_cloud(PointCloud(sphere(1000), normals=-sphere(1000)))
    assert "turned round" in str(solved.notes["orientation"])
    assert outwards(solved) == 1


def test_normals_with_random_signs_are_ignored():
    signs = np.random.default_rng(0).choice([-1, 1], (1000, 1))
    solved = solve_cloud(PointCloud(sphere(1000), normals=sphere(1000) * signs))
    assert solved.notes["orientation"] == "Gauss field"
    assert "disagree" in str(solved.notes["normals"])
    assert outwards(solved) == 1


def test_the_side_of_the_sensors_is_outside():
    draw = np.random.default_rng(0)
    xy = draw.uniform(-1, 1, (3000, 2))
    sheet = np.c_[xy, 0.2 * np.sin(3 * xy[:, 0])]
    for height in (5.0, -5.0):
        solved = solve_cloud(PointCloud(sheet, sensors=np.tile([0, 0, height], (3000, 1))))
        assert solved.notes["orientation"] == "sensor positions"
        assert (np.sign(height) * solved.normals[:, 2] > 0).float().mean() > 0.99


def test_strays_are_left_out_and_counted():
    solved = solve_cloud(PointCloud(np.concatenate([sphere(2000), 4 * sphere(6, 1)])))
    assert solved.notes["outliers"] == 6
    assert np.ptp(solved.world_from_scene.apply(solved.cloud.points), axis=0) == pytest.approx(
        [2, 2, 2], abs=0.02
    )


def test_repeated_points_count_once():
    once = solve_cloud(PointCloud(sphere(500)))
    repeated = solve_cloud(PointCloud(np.repeat(sphere(500), 30, axis=0)))
    assert repeated.notes["repeated"] == 29 * 500
    assert len(repeated.cloud) == 500
    assert repeated.notes["spacing"] == pytest.approx(once.notes["spacing"], rel=1e-3)


def test_dense_clouds_are_thinned(monkeypatch):
    monkeypatch.setattr(gauss, "MANY", 5_000)
    monkeypatch.setattr(gauss, "LARGEST", 32)
    monkeypatch.setattr(gauss, "FINEST", 0.7 * gauss.MARGIN / 32)
    solved = solve_cloud(PointCloud(sphere(6_000)))
    assert solved.notes["thinned"] == len(solved.cloud) < 4_000
    assert outwards(solved) == 1


def test_clumps_are_evened_out(monkeypatch):
    # A scanner that stands close to one place: a hundred times more points there.
    cap = sphere(60_000)
    cap = cap[cap[:, 0] > 0.95]
    monkeypatch.setattr(gauss, "LARGEST", 32)
    monkeypatch.setattr(gauss, "FINEST", 0.7 * gauss.MARGIN / 32)
    solved = solve_cloud(PointCloud(np.concatenate([sphere(600), cap])))
    assert "thinned" in solved.notes
    assert outwards(solved) > 0.99


def test_noise_of_dense_clouds_is_averaged():
    draw = np.random.default_rng(0)
    noisy = sphere(8_000) * (1 + 0.03 * draw.normal(size=(8_000, 1)))  # 0.8 spacings
    solved = solve_cloud(PointCloud(noisy))
    assert solved.notes["averaged"] == len(solved.cloud) < 5_000
    left = np.linalg.norm(solved.world_from_scene.apply(solved.cloud.points), axis=1).std()
    assert left < 0.012
    assert outwards(solved) > 0.99


def test_thin_parts_are_not_taken_for_noise():
    draw = np.random.default_rng(0)
    turn, along = draw.uniform(0, 2 * np.pi, 4000), draw.uniform(-1, 1, 4000)
    wire = np.c_[0.03 * np.cos(turn), 0.03 * np.sin(turn), along]
    assert "averaged" not in solve_cloud(PointCloud(wire)).notes


def test_ten_points_are_enough():
    solved = solve_cloud(PointCloud(sphere(10)))
    assert np.isfinite(solved.normals.numpy()).all()
    assert inside(solved, np.array([[0.0, 0, 0], [3, 3, 3]])).tolist()[0] > 0


@pytest.mark.parametrize("noise", [0, 1e-4])
def test_lines_are_refused(noise):
    line = np.linspace(0, 1, 300)[:, None] * [1, 2, 3] + noise * np.random.default_rng(0).normal(
        size=(300, 3)
    )
    with pytest.raises(InputError, match="along a line"):
        solve_cloud(PointCloud(line))


def test_a_flat_plate_has_two_sides():
    draw = np.random.default_rng(0)
    plate = np.c_[draw.uniform(-1, 1, (4000, 2)), draw.choice([-0.1, 0.1], 4000)]
    solved = solve_cloud(PointCloud(plate))
    top = solved.cloud.points[:, 2] > 0
    middle = np.abs(solved.cloud.points[:, :2]).max(axis=1) < 0.4
    assert (solved.normals[:, 2].numpy()[top & middle] > 0).mean() > 0.98
    assert (solved.normals[:, 2].numpy()[~top & middle] < 0).mean() > 0.98


def test_two_objects_far_apart_are_both_solid():
    centres = np.array([[0.0, 0, 0], [12, 0, 0]])
    solved = solve_cloud(PointCloud(np.concatenate([sphere(1000), sphere(1000, 1) + centres[1]])))
    assert (inside(solved, centres) > 0.2).all()
    assert (inside(solved, np.array([[6.0, 0, 0], [0, 1.5, 0], [12, 0, -1.5]])) < 0).all()


def test_confidence_ends_where_the_points_do():
    cap = sphere(6000)
    solved = solve_cloud(
        PointCloud(cap[cap[:, 2] > 0], sensors=np.tile([0, 0, 5.0], (int((cap[:, 2] > 0).sum()), 1)))
    )
    spacing = float(solved.notes["spacing"])
    ring = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0.0]])
    places = [ring * [1, 1, 0] + [0, 0, z] for z in (0.1, -2 * spacing, -12 * spacing)]
    # Beside the sheet is farther than beyond its edge.
    places.append(np.array([[0, 0, 1 - 3.5 * spacing], [0, 0, 1 + 3.5 * spacing]]))
    sure = [
        solved.confidence()(torch.from_numpy(solved.world_from_scene.inverse().apply(p)).float())
        for p in places
    ]
    assert (sure[0] > 0.9).all()
    assert (sure[1] > 0.5).all()
    assert (sure[2] == 0).all()
    assert (sure[3] < 0.2).all()


def test_sparse_parts_are_supported_too():
    # Half of a ball has nearly all of the points.
    dense = sphere(20_000)
    points = np.concatenate([sphere(800), dense[dense[:, 0] > 0.3]])
    solved = solve_cloud(PointCloud(points))
    far = sphere(2000, 5)
    far = far[far[:, 0] < -0.2]
    sure = solved.confidence()(torch.from_numpy(solved.world_from_scene.inverse().apply(far)).float())
    assert (sure > 0.5).float().mean() > 0.95


def test_colours_come_from_the_nearest_points():
    points = sphere(2000)
    solved = solve_cloud(PointCloud(points, colours=(points + 1) / 2))
    colour = solved.colour()
    assert colour is not None
    found = colour(torch.from_numpy(solved.cloud.points[:50]).float())
    assert np.abs(found.numpy() - solved.cloud.colours[:50]).max() < 0.02
    assert solve_cloud(PointCloud(points)).colour() is None


@pytest.mark.parametrize(
    "far", [[[100, 0, 0]], [[1e4, 0, 0], [0, -1e4, 0]], [[50, 0, 0], [0, 70, 0], [0, 0, 1e3]]]
)
def test_a_few_points_far_off_cost_nothing(far):
    ball = np.random.default_rng(0).standard_normal((4_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    solved = solve_cloud(PointCloud(np.concatenate([ball, far])))
    assert len(solved.points) == 4_000
    assert solved.notes["outliers"] == len(far)
    assert solved.world_from_scene.scale == pytest.approx(2, rel=0.01)


def test_both_sides_of_a_thin_board_keep_their_sides():
    """Two spacings thick, without noise: sixteen neighbours reach to the other side."""
    draw = np.random.default_rng(1)
    points = draw.uniform(-0.5, 0.5, (20_000, 3)) * [1200, 700, 18]
    points[:, 2] = draw.choice([-9.0, 9.0], len(points))
    solved = solve_cloud(PointCloud(points))
    outwards = np.sign(solved.cloud.points[:, 2]) * solved.normals[:, 2].numpy()
    assert (outwards > 0.9).mean() > 0.95
