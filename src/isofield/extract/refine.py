"""Values of a field at its surface, from coarse to fine, asking for as few as can be.

A coarse grid is evaluated everywhere. Each finer grid is predicted from the coarser one, and only the
ends of edges whose predicted signs differ are evaluated. Where a sign is not as predicted, its
neighbours may differ from it, too; they are evaluated in turn, until none is left. So both ends of
every edge that the surface crosses are the field's own values: vertices lie where they would with
all nodes evaluated. Which nodes are evaluated does not depend on the order of work, so the finest
grid can be worked on a few layers at a time (`layers`).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from isofield.errors import InputError
from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, Bricks, codes_of, corner_or, once
from isofield.extract.predict import Pyramid
from isofield.extract.sampler import Sampler, no_surface
from isofield.extract.search import doubtful, promising

_AROUND = 2 * np.array(list(np.ndindex(2, 2, 2))) - 1
"""To the farthest of a node's 26 neighbours; the others are in bricks of one of these."""
_BESIDE = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
SLICE = 65_536
"""Nodes whose neighbours are looked at together; bounds the temporaries."""
Stage = Callable[[int, Bricks], None]
"""Told the level that is begun, and the coarser grid."""
SEARCHED = 32
"""Cells along an edge of the grid that is searched for parts."""
DENSE = 128
"""Most cells along an edge of a grid that is evaluated everywhere."""


def depth(resolution: int, coarse: int | None) -> tuple[int, bool]:
    """The `levels` of `refine` between `coarse` cells, or about 32 if None, and so many; its `search`."""
    levels = max(0, round(np.log2(resolution / (coarse or SEARCHED))))
    while -(-resolution >> levels) > DENSE:
        levels += 1
    return levels, coarse is None and resolution >= SEARCHED // 2


def refine(sampler: Sampler, levels: int, search: bool = False, stage: Stage | None = None) -> Bricks:
    """The finest grid, known along the surface.

    Args:
        sampler: Evaluates the field.
        levels: How often the grid that is searched for parts is refined.
        search: Evaluate the grid of half as many cells everywhere, and of the searched one only nodes
            where the steepest slope seen could lead to another sign. Otherwise evaluate all of it.
        stage: Told the level that is begun, and the coarser grid.

    Raises:
        InputError: The field is not finite, or never crosses zero.
    """
    pyramid = refine_to(sampler, levels, search, 0, stage)
    if not sampler.low < 0 <= sampler.high:
        raise InputError(no_surface(sampler))
    return pyramid.grids[0]


def refine_to(sampler: Sampler, levels: int, search: bool, last: int, stage: Stage | None = None) -> Pyramid:
    """Grids down to the `last` level, known along the surface; as `refine`."""
    top = levels + search
    pyramid = Pyramid(sampler.lattice, top, sampler.closed)
    grid = pyramid.grids[top]
    pyramid.reserve(top, _all_bricks(grid))
    sampler.fill(grid, _nodes_of(grid), top)
    for level in reversed(range(last, top)):
        if stage:
            stage(level, grid)
        coarse, grid = grid, pyramid.grids[level]
        if level >= levels:
            pyramid.reserve(level, _all_bricks(grid))
            wanted = doubtful(grid, coarse, sampler.low < 0 <= sampler.high)
        else:
            pyramid.reserve(level, finer_bricks(coarse))
            nodes = suspects(coarse, grid.cells, coarsest=level == levels - 1)
            pyramid.reserve(level, nodes // SIDE)
            wanted = grid.addresses(nodes)
        evaluate(sampler, pyramid, level, np.concatenate([wanted, unknown_ends(grid)]))
        if level == levels and not sampler.low < 0 <= sampler.high:
            evaluate(sampler, pyramid, level, _nodes_of(grid))
    return pyramid


def _all_bricks(grid: Bricks) -> Int[np.ndarray, "n 3"]:
    return np.argwhere(np.ones(grid.cells // SIDE + 1, dtype=bool))


def _nodes_of(grid: Bricks) -> Int[np.ndarray, " n"]:
    """Addresses of all nodes of the grid's bricks that lie on the grid."""
    local = np.array(list(np.ndindex(SIDE, SIDE, SIDE)))
    there = (grid.corners[1:, None] + local <= grid.cells).all(axis=2)
    return np.flatnonzero(there) + SIDE**3


def finer_bricks(coarse: Bricks) -> Int[np.ndarray, "n 3"]:
    """Bricks of the next finer grid with nodes in cells that the surface crosses, some of them twice."""
    found = [np.zeros((0, 3), np.int64)]
    parts = (slice(0, 4), slice(3, 8), slice(7, 8))
    for slots, block in coarse.padded(coarse.slots, before=0, after=1):
        crossed = corner_or(codes_of(block)) == INSIDE | OUTSIDE
        for offset in np.ndindex(3, 3, 3):
            some = crossed[(slice(None), *(parts[k] for k in offset))].any(axis=(1, 2, 3))
            found.append(2 * coarse.corners[slots[some]] // SIDE + offset)
    return np.concatenate(found)


def suspects(coarse: Bricks, cells: Int[np.ndarray, "3"], coarsest: bool) -> Int[np.ndarray, "n 3"]:
    """Nodes of the next finer grid, of so many cells, in and around cells that may hide a surface.

    Some of them are named several times.
    """
    hiding = promising(coarse, coarsest)
    nodes = 2 * hiding[:, None] + np.array(list(np.ndindex(3, 3, 3)))
    return np.minimum(nodes, cells).reshape(-1, 3)


def evaluate(
    sampler: Sampler, pyramid: Pyramid, level: int, addresses: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "m 3"]:
    """Evaluate those of the nodes that are unknown, and on from where a sign is not as predicted.

    Returns:
        Nodes to go on from that are not of the grid's own layers.
    """
    grid = pyramid.grids[level]
    beyond = [np.zeros((0, 3), np.int64)]
    while True:
        addresses = once(addresses[~grid.known[addresses]])
        own = grid.owns(addresses)
        beyond.append(grid.nodes(addresses[~own]))
        addresses = addresses[own]
        if not len(addresses):
            return np.concatenate(beyond)
        predicted = grid.values[addresses] >= 0
        sampler.fill(grid, addresses, level)
        wrong = addresses[(grid.values[addresses] >= 0) != predicted]
        parts = [wrong[start : start + SLICE] for start in range(0, max(len(wrong), 1), SLICE)]
        addresses = np.concatenate([_led_to(pyramid, level, part) for part in parts])


def _led_to(pyramid: Pyramid, level: int, wrong: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Neighbours of these nodes on the other side of the surface, after making room around."""
    grid = pyramid.grids[level]
    nodes = grid.nodes(wrong)
    corners = nodes[:, None] + _AROUND
    pyramid.reserve(level, corners.reshape(-1, 3) // SIDE)
    beside = grid.addresses(nodes[:, None] + _BESIDE)
    values = grid.values[beside]
    differs = (values >= 0) != (grid.values[wrong] >= 0)[:, None]
    return beside[differs & ~np.isnan(values)]


def unknown_ends(grid: Bricks) -> Int[np.ndarray, " n"]:
    """Addresses of nodes whose value is not known, at edges that change sign."""
    found = [np.zeros(0, np.int64)]
    for slots, block in grid.padded(grid.slots, before=1, after=1):
        inside, outside = block >= 0, block < 0
        ends = np.zeros_like(inside)
        for axis in (1, 2, 3):
            one, other = [slice(None)] * 4, [slice(None)] * 4
            one[axis], other[axis] = slice(None, -1), slice(1, None)
            a, b = tuple(one), tuple(other)
            crossed = (inside[a] & outside[b]) | (outside[a] & inside[b])
            ends[a] |= crossed
            ends[b] |= crossed
        middle = (slice(None), *[slice(1, -1)] * 3)
        place = np.flatnonzero(ends[middle])
        addresses = slots[place // SIDE**3] * SIDE**3 + place % SIDE**3
        found.append(addresses[~grid.known[addresses]])
    return np.concatenate(found)
