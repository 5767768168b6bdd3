"""The weights that come with isofield."""

import numpy as np
import torch

from isofield.observation import PointCloud
from isofield.systems.gauss import Gauss, GaussConfig
from isofield.systems.stored import load_system, ready_system, shipped_weights


def board(count: int, seed: int) -> np.ndarray:
    """Noisy points on a board thinner than their spacing, 1 x 0.6 x 0.03, on four legs."""
    draw = np.random.default_rng(seed)
    boxes = [((0, 0, 0.3), (1, 0.6, 0.03))]
    boxes += [((x, y, 0), (0.05, 0.05, 0.57)) for x in (-0.45, 0.45) for y in (-0.25, 0.25)]
    points = []
    for centre, size in boxes:
        size = np.array(size)
        areas = np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])
        each = int(count * areas.sum() / 1.9)
        axis = draw.choice(3, each, p=areas / areas.sum())
        p = draw.uniform(-0.5, 0.5, (each, 3))
        p[np.arange(each), axis] = draw.choice([-0.5, 0.5], each)
        points.append(p * size + centre)
    cloud = np.concatenate(points)
    return cloud + 0.005 * draw.standard_normal(cloud.shape)


def true_inside(p: np.ndarray) -> np.ndarray:
    top = (np.abs(p - [0, 0, 0.3]) < np.array([1, 0.6, 0.03]) / 2).all(1)
    legs = (np.abs(np.abs(p[:, :2]) - [0.45, 0.25]) < 0.025).all(1) & (np.abs(p[:, 2]) < 0.285)
    return top | legs


def test_shipped_weights_know_boards_better_than_gauss() -> None:
    path = shipped_weights("indicator")
    assert path is not None
    assert path.stat().st_size < 20e6
    cloud = PointCloud(board(2_500, 0))
    space = np.random.default_rng(1).uniform([-0.52, -0.32, -0.3], [0.52, 0.32, 0.33], (40_000, 3))
    truth = true_inside(space)
    scores = []
    for system in (load_system(path, "indicator"), Gauss(GaussConfig())):
        scene = system.reconstruct(cloud)
        assert scene.inside is not None
        with torch.inference_mode():
            p = torch.from_numpy(scene.world_from_scene.inverse().apply(space)).float()
            made = torch.cat([scene.inside(part) for part in p.split(10_000)]).numpy() > 0
        scores.append((made & truth).sum() / (made | truth).sum())
    assert scores[0] > scores[1] + 0.05
    assert scores[0] > 0.6


def test_a_system_comes_with_the_weights_it_ships_with() -> None:
    path = shipped_weights("indicator")
    assert path is not None
    stored = load_system(path).state_dict()
    for name, tensor in ready_system("indicator").state_dict().items():
        assert tensor.equal(stored[name]), name
