"""Strays are found, surfaces are left alone."""

import numpy as np

from isofield.ops.outliers import outliers


def sphere(n: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_strays_are_found_and_nothing_else():
    strays = 2.5 * sphere(12, 1)
    found = outliers(np.concatenate([sphere(3000), strays]))
    assert found[-12:].all()
    assert found[:-12].sum() <= 3


def test_a_pair_of_strays_is_found():
    pair = np.array([[0, 0, 3.0], [0, 0, 3.001]])
    assert outliers(np.concatenate([sphere(3000), pair]))[-2:].all()


def test_density_that_falls_slowly_leaves_nothing_behind():
    draw = np.random.default_rng(0)
    away = np.exp(draw.uniform(0, 4, 8000))  # as a scanner sees the floor: from 1 to 55 away
    angle = draw.uniform(0, 2 * np.pi, 8000)
    floor = np.stack([away * np.cos(angle), away * np.sin(angle), 0 * away], axis=1)
    assert outliers(floor).mean() < 0.001


def test_far_units_and_repeats_make_no_difference():
    points = np.concatenate([sphere(2000), 3 * sphere(5, 1)])
    assert np.array_equal(outliers(points), outliers(1e6 * points))
    assert not outliers(np.repeat(sphere(200), 20, axis=0)).any()


def test_few_points_are_all_kept():
    assert not outliers(np.concatenate([sphere(20), [[9.0, 9, 9]]])).any()
