"""Training shapes as predictions: lookups, overlaps and means beside their plain versions."""

import numpy as np
import pytest

from isofield.metrics import Samples, iou
from isofield.metrics.baselines import (
    best_level,
    grid_points,
    mean_shape,
    mirrored,
    nearest_code,
    overlaps,
    packed,
    shares_at,
    unpacked,
)
from isofield.metrics.stored_shape import StoredShape


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def balls(side, *circles):
    """Packed balls, each given by its centre and radius."""
    grid = grid_points(side)
    return packed(np.stack([np.linalg.norm(grid - centre, axis=1) < r for centre, r in circles]))


def stored(draw, distance, normal, count=4000):
    """A shape from its signed distance, with points on its surface by projection."""
    points = draw.uniform(-0.55, 0.55, (count, 3))
    seeds = draw.uniform(-0.55, 0.55, (count, 3))
    surface = seeds - distance(seeds)[:, None] * normal(seeds)
    return StoredShape(points, distance(points) < 0, Samples(surface, normal(surface)))


def test_a_stored_ball_is_known_everywhere(draw):
    distance = lambda p: np.linalg.norm(p, axis=1) - 0.4  # noqa: E731
    ball = stored(draw, distance, lambda p: p / np.linalg.norm(p, axis=1, keepdims=True))
    places = draw.uniform(-0.55, 0.55, (20_000, 3))
    assert iou(ball.occupied(places), distance(places) < 0) > 0.99


def test_labelled_points_alone_would_lose_a_thin_board(draw):
    distance = lambda p: np.abs(p[:, 2]) - 0.01  # noqa: E731
    board = stored(draw, distance, lambda p: np.sign(p[:, 2:]) * [[0, 0, 1.0]])
    places = draw.uniform(-0.5, 0.5, (20_000, 3))
    truth = distance(places) < 0
    plain = board.inside[np.argmin(np.square(places[:500, None] - board.points).sum(axis=2), axis=1)]
    assert iou(plain, truth[:500]) < 0.3
    assert iou(board.occupied(places), truth) > 0.9


def test_whichever_is_nearer_tells(draw):
    shape = StoredShape(
        draw.random((50, 3)),
        draw.random(50) < 0.5,
        Samples(draw.random((40, 3)), draw.standard_normal((40, 3))),
    )
    places = draw.random((100, 3))
    told = []
    for place in places:
        to_points = np.linalg.norm(shape.points - place, axis=1)
        to_surface = np.linalg.norm(shape.surface.points - place, axis=1)
        foot = to_surface.argmin()
        side = (place - shape.surface.points[foot]) @ shape.surface.normals[foot] < 0
        told.append(side if to_surface[foot] < to_points.min() else shape.inside[to_points.argmin()])
    assert shape.occupied(places).tolist() == told


def test_a_surface_without_normals_tells_nothing(draw):
    shape = StoredShape(draw.random((5, 3)), np.ones(5, bool), Samples(draw.random((5, 3)), None))
    with pytest.raises(ValueError, match="no normals"):
        shape.occupied(draw.random((3, 3)))


def test_overlaps_of_bits_are_those_of_cells(draw):
    cells = draw.random((7, 9**3)) < 0.3
    cells[3], one = False, draw.random(9**3) < 0.3
    found = overlaps(packed(cells), packed(one))
    assert found == pytest.approx([iou(each, one) for each in cells])
    assert overlaps(packed(cells), packed(cells[3]))[3] == 1
    assert (unpacked(packed(cells), 9) == cells).all()


def test_a_mirrored_ball_is_on_the_other_side():
    bits = balls(16, ([0.2, 0.1, 0.3], 0.2), ([0, 0, 0.1], 0.3))
    turned = mirrored(bits, 16)
    assert (turned[0] == balls(16, ([-0.2, 0.1, 0.3], 0.2))[0]).all()
    assert (turned[1] == bits[1]).all()


def test_the_nearest_code(draw):
    codes = draw.standard_normal((20, 5))
    assert nearest_code(codes, codes[13] + 1e-3) == 13


def test_the_mean_of_balls_and_where_to_cut_it():
    bits = balls(24, ([0, 0, 0], 0.2), ([0, 0, 0], 0.3), ([0, 0, 0], 0.4))
    mean = mean_shape(bits, 24)
    assert mean.max() == 1
    assert np.unique(mean) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    scores = [overlaps(bits, ball).mean() for ball in bits]
    assert np.argmax(scores) == 1  # the middle one is the best answer
    assert 1 / 3 < best_level(mean, bits) <= 2 / 3


def test_shares_between_cells_are_interpolated():
    side = 16
    grid = grid_points(side)
    linear = (grid @ [0.3, -0.2, 0.5] + 0.1).reshape(side, side, side)
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (100, 3))
    assert shares_at(linear, points) == pytest.approx(points @ [0.3, -0.2, 0.5] + 0.1)
