"""The search for parts skips what slopes exclude, and nothing that saturated or unseen fields may hide."""

import numpy as np
import pytest
import torch

from isofield.extract import extract_mesh
from isofield.extract.lattice import Lattice
from isofield.extract.predict import Pyramid
from isofield.extract.refine import refine
from isofield.extract.sampler import Sampler
from isofield.extract.search import doubtful
from isofield.geometry import Box

CELL = 1.1 / 32
BALL = torch.tensor([1.0, 5.0, 3.0]) * CELL


def steep(p):
    """The logits of a thick sphere that was trained long, and of one that is thin."""
    return -90 * (p.norm(dim=1) - 0.35) + 5 * torch.sin(9 * p[:, 0])


def shell(p):
    """Thinner than the coarse cells: no node of 16 cells is inside, some of 32 are."""
    return 60 * (0.4 * CELL - (p - torch.tensor([CELL, 0, 0])).abs().amax(dim=1).sub(11 * CELL).abs())


def tilted(p):
    """Far flatter in one half than in the other: the steepest slope of all says nothing there."""
    f = 0.3 - p.norm(dim=1)
    return torch.where(f > 0, 100 * f, 3 * f)


def searched(field, resolution=32):
    """Points asked, and the grid of `resolution` cells."""
    sampler = Sampler(field, Lattice.over(Box.cube(1.1), resolution, 1), closed=False)
    grid = refine(sampler, 0, search=True)
    return sampler.count, grid


def everywhere(field, resolution=32):
    sampler = Sampler(field, Lattice.over(Box.cube(1.1), resolution), closed=False)
    return refine(sampler, 0)


@pytest.mark.parametrize(("field", "most"), [(steep, 0.3), (shell, 0.5), (tilted, 0.4)])
def test_signs_are_those_of_the_grid_that_is_asked_everywhere(field, most):
    for resolution in (32, 33):
        count, grid = searched(field, resolution)
        plain = everywhere(field, resolution)
        nodes = np.argwhere(np.ones(plain.cells + 1, bool))
        one, other = grid.values[grid.addresses(nodes)] >= 0, plain.values[plain.addresses(nodes)] >= 0
        np.testing.assert_array_equal(one, other)
        assert other.any()
        assert count < most * len(nodes)


@pytest.mark.parametrize("saturated", [torch.sign, lambda f: 11 * torch.tanh(400 * f)])
@pytest.mark.parametrize("seen", [True, False])
def test_a_field_that_levels_off_is_asked_everywhere_it_does(saturated, seen):
    """A ball around a node that the coarse grid does not have, where all values are the same."""

    def field(p):
        ball = 0.75 * CELL - (p - BALL).norm(dim=1)
        return saturated(torch.maximum(ball, 0.2 - (p + 0.3).norm(dim=1)) if seen else ball)

    _, grid = searched(field)
    middle = np.round(BALL.numpy() / CELL).astype(int) + 16
    assert (grid.values[grid.addresses(middle[None])] > 0).all()


def test_nodes_that_were_not_asked_are_farther_from_zero_than_slopes_reach():
    """Of a distance no node is left out whose sign is open, whatever its scale."""
    wanted = []
    for scale in (1e-3, 1.0, 1e3):
        sampler = Sampler(
            lambda p, scale=scale: scale * (0.3 - p.norm(dim=1)), Lattice.over(Box.cube(1.1), 32, 1), False
        )
        pyramid = Pyramid(sampler.lattice, 1, False)
        coarse, grid = pyramid.grids[1], pyramid.grids[0]
        bricks = np.argwhere(np.ones((3, 3, 3), bool))
        pyramid.reserve(1, bricks)
        coarse_nodes = np.argwhere(np.ones(coarse.cells + 1, bool))
        sampler.fill(coarse, coarse.addresses(coarse_nodes), 1)
        pyramid.reserve(0, np.argwhere(np.ones(grid.cells // 8 + 1, bool)))
        wanted.append(grid.nodes(doubtful(grid, coarse, True)))
    assert len(np.unique(wanted[0] % 2, axis=0)) == 7
    for other in wanted[1:]:
        np.testing.assert_array_equal(wanted[0], other)
    away = np.abs(np.linalg.norm((wanted[0] - 16) * CELL, axis=1) - 0.3)
    assert away.max() < 0.3
    assert 500 < len(wanted[0]) < 10_000


def test_all_of_the_searched_grid_is_asked_before_there_is_no_surface():
    """A steep bump between coarse nodes, on a field that varies too little to suspect it."""
    centre = torch.tensor([1.0, 3.0, -5.0]) / 32

    def field(p):
        return torch.maximum(-2 + 2.5 * p[:, 0], 100 * (0.02 - (p - centre).norm(dim=1)))

    mesh = extract_mesh(field, Box.cube(1.0), resolution=64)
    assert np.abs(np.linalg.norm(mesh.vertices - centre.numpy(), axis=1) - 0.02).max() < 0.011
