"""Values of a field at its surface, from coarse to fine, asking for as few as can be.

A coarse grid is evaluated everywhere. Each finer grid is predicted from the coarser one, and only the
ends of edges whose predicted signs differ are evaluated. Where a sign is not as predicted, its
neighbours may differ from it, too; they are evaluated in turn, until none is left. So both ends of
every edge that the surface crosses are the field's own values: vertices lie where they would with
all nodes evaluated. Which nodes are evaluated does not depend on the order of work.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.errors import InputError
from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, UNKNOWN, Bricks, cells_where, codes_of, corner_or
from isofield.extract.lattice import Lattice
from isofield.extract.predict import Pyramid, between, coarse_blocks
from isofield.ops.query import query
from isofield.scene import Inside

SLICE = 262_144
"""Points between two reports of progress."""
STEEPER = 1.1
"""How much steeper than anywhere on the coarse grid the field may be, in nodes that are not evaluated."""


class Sampler:
    """Evaluates the field at nodes of a lattice and keeps account of it."""

    def __init__(
        self, inside: Inside, lattice: Lattice, closed: bool, report: Callable[[float], None] | None = None
    ) -> None:
        self.inside, self.lattice, self.closed = inside, lattice, closed
        self.report = report or (lambda share: None)
        """Told the share of the current stage that is done."""
        self.low, self.high = np.inf, -np.inf
        """Range of the values seen."""
        self.count = 0
        """Points evaluated."""

    def values(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """The field at any points, checked to be finite."""
        values = query(self.inside, points)
        if values.shape != (len(points),):
            raise InputError(f"the field gave values of shape {values.shape} for {len(points)} points")
        if not np.isfinite(values).all():
            where = points[np.flatnonzero(~np.isfinite(values))[0]]
            share = 1 - np.isfinite(values).mean()
            raise InputError(
                f"the field is not finite at {share:.2%} of {len(points)} points, the first at "
                f"({where[0]:.4g}, {where[1]:.4g}, {where[2]:.4g}): it cannot be meshed there"
            )
        self.count += len(points)
        return values

    def fill(self, grid: Bricks, addresses: Int[np.ndarray, " n"], level: int) -> None:
        """Write the field's values into the grid.

        Of a closed surface, nodes on the border that would be inside become -inf: outside, and
        recognisable, so that the surface is capped exactly on the border.
        """
        for start in range(0, len(addresses), SLICE):
            part = addresses[start : start + SLICE]
            nodes = grid.nodes(part)
            values = self.values(self.lattice.positions(nodes, level))
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            if self.closed:
                border = ((nodes == 0) | (nodes == grid.cells)).any(axis=1)
                values[border & (values >= 0)] = -np.inf
            grid.values[part], grid.known[part] = values, True
            self.report((start + len(part)) / len(addresses))


def refine(
    sampler: Sampler, levels: int, search: bool = False, stage: Callable[[int], None] | None = None
) -> Bricks:
    """The finest grid, known along the surface.

    Args:
        sampler: Evaluates the field.
        levels: How often the grid that is searched for parts is refined.
        search: Evaluate the grid of half as many cells everywhere, and of the searched one only nodes
            where the steepest slope seen could lead to another sign. Otherwise evaluate all of it.
        stage: Told the level that is begun.

    Raises:
        InputError: The field is not finite, or never crosses zero.
    """
    top = levels + search
    pyramid = Pyramid(sampler.lattice, top, sampler.closed)
    grid = pyramid.grids[top]
    pyramid.reserve(top, _all_bricks(grid))
    sampler.fill(grid, _nodes_of(grid), top)
    for level in reversed(range(top)):
        if stage:
            stage(level)
        coarse, grid = grid, pyramid.grids[level]
        if level >= levels:
            pyramid.reserve(level, _all_bricks(grid))
            sampler.fill(grid, doubtful(grid, coarse, sampler.low < 0 <= sampler.high), level)
        else:
            pyramid.reserve(level, _finer_bricks(coarse))
            cells = promising(coarse, coarsest=level == levels - 1)
            look(sampler, pyramid, level, cells)
        complete(sampler, pyramid, level)
    if not sampler.low < 0 <= sampler.high:
        raise InputError(no_surface(sampler))
    return grid


def _all_bricks(grid: Bricks) -> Int[np.ndarray, "n 3"]:
    return np.argwhere(np.ones(grid.cells // SIDE + 1, dtype=bool))


def _nodes_of(grid: Bricks) -> Int[np.ndarray, " n"]:
    """Addresses of all nodes of the grid's bricks that lie on the grid."""
    local = np.array(list(np.ndindex(SIDE, SIDE, SIDE)))
    there = (grid.corners[1:, None] + local <= grid.cells).all(axis=2)
    return np.flatnonzero(there) + SIDE**3


def _finer_bricks(coarse: Bricks) -> Int[np.ndarray, "n 3"]:
    """Bricks of the next finer grid with nodes in cells that the surface crosses, some of them twice."""
    found = [np.zeros((0, 3), np.int64)]
    parts = (slice(0, 4), slice(3, 8), slice(7, 8))
    for slots, block in coarse.padded(coarse.slots, before=0, after=1):
        crossed = corner_or(codes_of(block)) == INSIDE | OUTSIDE
        for offset in np.ndindex(3, 3, 3):
            some = crossed[(slice(None), *(parts[k] for k in offset))].any(axis=(1, 2, 3))
            found.append(2 * coarse.corners[slots[some]] // SIDE + offset)
    return np.concatenate(found)


def doubtful(grid: Bricks, coarse: Bricks, crossed: bool) -> Int[np.ndarray, " n"]:
    """Addresses of unknown nodes that may have another sign than the known ones around them.

    Nodes of the coarse grid are at most half its diagonal away. The field does not change its sign on
    the way from a value that is larger than the slope times the way; slopes are taken to be at
    most STEEPER times the steepest between neighbours of the coarse grid. All, if nothing is `crossed`.
    """
    slots = grid.slots
    unknown = ~grid.known.reshape(-1, SIDE**3)[slots] & ~np.isnan(grid.values.reshape(-1, SIDE**3)[slots])
    if crossed:
        slope = max(_smallest_and_slope(block)[1].max() for _, block in coarse.padded(coarse.slots, 1, 2))
        size = np.abs(coarse_blocks(grid, coarse, slots)[0])
        size[np.isinf(size)] = 0  # caps: the field itself may be anything there
        way = np.zeros(1)
        for axis in range(3):
            size = between(size, axis, (grid.cells - grid.corners[slots])[:, axis], np.maximum)
            way = way[..., None] + np.arange(SIDE) % 2
        unknown &= ~(size > STEEPER * slope * np.sqrt(way) / 2).reshape(unknown.shape)
    brick, place = np.nonzero(unknown)
    return slots[brick] * SIDE**3 + place


def promising(grid: Bricks, coarsest: bool) -> Int[np.ndarray, "n 3"]:
    """Cells that the surface may cross unseen.

    Along a line of slope s a value v is |v| / s away from zero. No point of a cell is farther
    than half its diagonal from a corner, so of a distance field nothing is missed on the
    searched level. Finer levels look half an edge around. Cells beside crossed ones are left out: those
    explain small values.
    """
    reach = np.sqrt(3) / 2 if coarsest else 0.5
    found = [np.zeros((0, 3), np.int64)]
    pairs = zip(
        grid.padded(grid.slots, before=1, after=2),
        grid.padded(grid.slots, before=1, after=2, known=True),
        strict=True,
    )
    for (slots, block), (_, sure) in pairs:
        crossed = corner_or(codes_of(block)) & (INSIDE | OUTSIDE) == INSIDE | OUTSIDE
        middle = (slice(None), *[slice(1, -1)] * 3)
        known = (corner_or(codes_of(sure)) & UNKNOWN == 0)[middle]
        smallest, slope = _smallest_and_slope(sure)
        small = (smallest <= reach * slope) & known & ~_with_neighbours(crossed)
        found.append(cells_where(small, grid.corners[slots]))
    return np.concatenate(found)


def _with_neighbours(mask: Bool[np.ndarray, "t 10 10 10"]) -> Bool[np.ndarray, "t 8 8 8"]:
    """Whether a cell or one of its 26 neighbours is marked."""
    mask = mask[:, :-2] | mask[:, 1:-1] | mask[:, 2:]
    mask = mask[:, :, :-2] | mask[:, :, 1:-1] | mask[:, :, 2:]
    return mask[..., :-2] | mask[..., 1:-1] | mask[..., 2:]


def _smallest_and_slope(block: Float[np.ndarray, "t 11 11 11"]) -> tuple[np.ndarray, np.ndarray]:
    """Per cell the smallest size of a corner's value, and the steepest change per edge around it."""
    block = np.where(np.isinf(block), np.nan, block)
    square = np.zeros_like(block[:, 1:-1, 1:-1, 1:-1])
    middle = [slice(None)] + [slice(1, -1)] * 3
    for axis in (1, 2, 3):
        ahead = np.abs(np.diff(block, axis=axis))
        one, other = list(middle), list(middle)
        one[axis], other[axis] = slice(None, -1), slice(1, None)
        # One-sided differences: across a thin part the central one would vanish.
        change = np.fmax(ahead[tuple(one)], ahead[tuple(other)])
        square += np.nan_to_num(change, nan=0.0) ** 2
    size = np.abs(block[tuple(middle)])
    return _corners(np.fmin, size), np.sqrt(_corners(np.fmax, square))


def _corners(best: np.ufunc, values: np.ndarray) -> np.ndarray:
    """The fmin or fmax over the eight corners of each cell."""
    values = best(values[:, :-1], values[:, 1:])
    values = best(values[:, :, :-1], values[:, :, 1:])
    return best(values[..., :-1], values[..., 1:])


def look(sampler: Sampler, pyramid: Pyramid, level: int, cells: Int[np.ndarray, "n 3"]) -> None:
    """Evaluate the 27 nodes in and around each of these cells of the next coarser level."""
    grid = pyramid.grids[level]
    nodes = np.minimum(2 * cells[:, None] + np.array(list(np.ndindex(3, 3, 3))), grid.cells).reshape(-1, 3)
    pyramid.reserve(level, nodes // SIDE)
    ask(sampler, pyramid, level, grid.addresses(nodes))


def complete(sampler: Sampler, pyramid: Pyramid, level: int) -> None:
    """Evaluate ends of edges that change sign until all of them are known."""
    ask(sampler, pyramid, level, unknown_ends(pyramid.grids[level]))


def ask(sampler: Sampler, pyramid: Pyramid, level: int, addresses: Int[np.ndarray, " n"]) -> None:
    """Evaluate those of the nodes that are unknown, and on from where a sign is not as predicted."""
    grid = pyramid.grids[level]
    while True:
        addresses = np.unique(addresses[~grid.known[addresses]])
        if not len(addresses):
            return
        predicted = grid.values[addresses] >= 0
        sampler.fill(grid, addresses, level)
        wrong = addresses[(grid.values[addresses] >= 0) != predicted]
        nodes = grid.nodes(wrong)
        pyramid.reserve(level, (nodes[:, None] + _NEIGHBOURS).reshape(-1, 3) // SIDE)
        beside = grid.addresses(nodes[:, None] + _BESIDE)
        values = grid.values[beside]
        differs = (values >= 0) != (grid.values[wrong] >= 0)[:, None]
        addresses = beside[differs & ~np.isnan(values)]


_NEIGHBOURS = np.array(list(np.ndindex(3, 3, 3))) - 1
_BESIDE = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])


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


def no_surface(sampler: Sampler) -> str:
    """Why there is no mesh, in one sentence."""
    box = sampler.lattice.box
    low, high = np.round(box.low, 4).tolist(), np.round(box.high, 4).tolist()
    side = "outside" if sampler.high < 0 else "inside"
    return (
        f"the field never crosses zero: at {sampler.count} points of the box from {low} to {high} it lies "
        f"between {sampler.low:.4g} and {sampler.high:.4g}, so everything is {side}; likely causes are a "
        f"level that does not fit these values, a box that misses the shape, an exchanged sign, or parts "
        f"thinner than the coarse cells"
    )
