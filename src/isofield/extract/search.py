"""Where the surface may hide: nodes and cells that the values seen so far do not rule out."""

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, UNKNOWN, Bricks, cells_where, codes_of, corner_or
from isofield.extract.predict import coarse_blocks, doubled

STEEPER = 1.1
"""How much steeper than anywhere on the coarse grid the field may be, in nodes that are not evaluated."""


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
            size = doubled(size, axis, (grid.cells - grid.corners[slots])[:, axis], np.maximum)
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
