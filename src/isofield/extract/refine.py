"""Values of a field near its surface, from coarse to fine.

A coarse grid is evaluated everywhere. Cells that the surface crosses, and cells whose values
are so small for their slope that it could, are split until the lattice is fine enough; on each
level the surface is then followed wherever it leaves the cells that were split. What results is
complete: every cell with a change of sign knows all its corners, so the surface has no gaps.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.errors import InputError
from isofield.extract.bricks import INSIDE, OUTSIDE, UNKNOWN, Bricks, cells_where, codes_of, corner_or
from isofield.extract.lattice import Lattice
from isofield.ops.query import query
from isofield.scene import Inside

SLICE = 262_144
"""Points between two reports of progress."""


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
            grid.values[part] = values
            self.report((start + len(part)) / len(addresses))


def refine(sampler: Sampler, levels: int, stage: Callable[[int], None] | None = None) -> Bricks:
    """The finest grid, complete along the surface; `levels` is how often cells are split.

    Raises:
        InputError: The field is not finite, or never crosses zero.
    """
    lattice = sampler.lattice
    grid = Bricks(lattice.cells_at(levels))
    everywhere = np.stack(np.meshgrid(*map(np.arange, grid.cells), indexing="ij"), axis=-1).reshape(-1, 3)
    sampler.fill(grid, grid.unknown(everywhere), levels)
    for level in reversed(range(levels)):
        if stage:
            stage(level)
        cells = promising(grid, coarsest=level == levels - 1)
        grid = split(sampler, grid, cells, level)
        follow(sampler, grid, level)
    if not sampler.low < 0 <= sampler.high:
        raise InputError(no_surface(sampler))
    return grid


def promising(grid: Bricks, coarsest: bool) -> Int[np.ndarray, "n 3"]:
    """Cells that the surface crosses or may cross unseen.

    Along a line of slope s a value v is |v| / s away from zero. No point of a cell is farther
    than half its diagonal from a corner, so for a distance field nothing is missed on the
    coarsest level; steeper fields are searched one ring wider there. Finer levels look half an
    edge around and only where no crossed cell is near, which would explain small values: this
    keeps the thin parts that the coarsest level found and costs next to nothing.
    """
    reach = np.sqrt(3) / 2 if coarsest else 0.5
    found = []
    for slots, block in grid.padded(grid.slots, before=1, after=2):
        codes = corner_or(codes_of(block))
        crossed, known = codes == INSIDE | OUTSIDE, codes & UNKNOWN == 0
        smallest, slope = _smallest_and_slope(block)
        small = smallest <= reach * slope
        if not coarsest:
            small &= ~_with_neighbours(codes & (INSIDE | OUTSIDE) == INSIDE | OUTSIDE)
        middle = (slice(None), *[slice(1, -1)] * 3)
        found.append(cells_where((small | crossed[middle]) & known[middle], grid.corners[slots]))
    cells = np.concatenate(found)
    return _ring(cells, grid.cells) if coarsest else cells


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


def _ring(cells: Int[np.ndarray, "n 3"], shape: Int[np.ndarray, "3"]) -> Int[np.ndarray, "m 3"]:
    """The cells and all their neighbours, on a grid small enough to be dense."""
    mask = np.zeros(shape + 2, dtype=np.uint8)
    for offset in np.ndindex(3, 3, 3):
        mask[tuple((cells + offset).T)] = 1
    return np.argwhere(mask[1:-1, 1:-1, 1:-1])


def split(sampler: Sampler, coarse: Bricks, cells: Int[np.ndarray, "n 3"], level: int) -> Bricks:
    """The next finer grid, known at the 27 nodes of each of the cells; old values are kept."""
    grid = Bricks(sampler.lattice.cells_at(level))
    addresses = grid.unknown(2 * cells, span=2)
    nodes = grid.nodes(addresses)
    old = ((nodes & 1 == 0) | (nodes == grid.cells)).all(axis=1)
    grid.values[addresses[old]] = coarse.values[coarse.addresses((nodes[old] + 1) >> 1)]
    sampler.fill(grid, addresses[np.isnan(grid.values[addresses])], level)
    return grid


def follow(sampler: Sampler, grid: Bricks, level: int) -> None:
    """Complete every cell with a change of sign among its known corners, until none is left.

    Only bricks with new values are looked at again, so a long thin part costs what it measures.
    """
    changed = grid.slots
    while len(changed):
        found = []
        for slots, block in grid.padded(changed, before=1, after=1):
            torn = corner_or(codes_of(block)) == INSIDE | OUTSIDE | UNKNOWN
            found.append(cells_where(torn, grid.corners[slots], before=1))
        cells = np.concatenate(found)
        cells = cells[((cells >= 0) & (cells < grid.cells)).all(axis=1)]
        addresses = grid.unknown(cells)
        sampler.fill(grid, addresses, level)
        changed = np.unique(addresses >> 9)


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
