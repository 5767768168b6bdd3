"""Where the surface may hide: nodes and cells that the values seen so far do not rule out."""

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.extract.bricks import INSIDE, OUTSIDE, UNKNOWN, Bricks, cells_where, codes_of, corner_or

STEEPER = 1.1
"""How much steeper than on the coarse grid the field may be, in nodes that are not evaluated."""
UNSEEN = 1.5
"""The same as long as no surface was seen, whose slopes would tell more."""
FLAT = 16
"""A value of so many local slopes tells nothing about its surroundings: the field has levelled off there."""


def doubtful(grid: Bricks, coarse: Bricks, crossed: bool) -> Int[np.ndarray, " n"]:
    """Addresses of unknown nodes that may have another sign than the nodes of the coarse grid around them.

    Those are at most half the diagonal of a coarse cell away. The field does not change its sign on
    the way from a value that is larger than the slope times the way. As slope counts STEEPER times
    the steepest between neighbours of the coarse grid, anywhere or, where values are below FLAT slopes, in
    the nodes around. Of saturated fields, signs for instance, neither excludes anything.

    Args:
        grid: Complete, known where it coincides with the coarse one.
        coarse: All of it known.
        crossed: Whether both signs were seen; otherwise only slopes close by count, and more of them.
    """
    from scipy.ndimage import maximum_filter

    addresses = np.flatnonzero(~grid.known & ~np.isnan(grid.values))
    nodes = grid.nodes(addresses)
    values = _dense(coarse)
    slopes = _slopes(values)
    size = _largest_around(np.abs(np.where(np.isinf(values), 0, values)), nodes)  # caps hide the field
    slope = _largest_around(maximum_filter(slopes, 3), nodes)
    way = np.sqrt((nodes % 2).sum(axis=1)) / 2
    safe = (size > (STEEPER if crossed else UNSEEN) * slope * way) & (size < FLAT * slope)
    if crossed:
        safe |= size > STEEPER * slopes.max() * way
    return addresses[~safe]


def _dense(grid: Bricks) -> Float[np.ndarray, "x y z"]:
    """All values of a grid that is small enough."""
    nodes = np.moveaxis(np.indices(tuple(grid.cells + 1)), 0, -1)
    return grid.values[grid.addresses(nodes)]


def _slopes(values: Float[np.ndarray, "x y z"]) -> Float[np.ndarray, "x y z"]:
    """The steepest change per edge at each node, edges to infinite values left out."""
    values = np.where(np.isinf(values), np.nan, values)
    square = np.zeros_like(values)
    for axis in range(3):
        change = np.nan_to_num(np.abs(np.diff(values, axis=axis)), nan=0.0)
        none = np.zeros_like(change.take([0], axis))
        # One-sided differences: across a thin part the central one would vanish.
        square += np.maximum(*(np.concatenate(pair, axis) for pair in ([change, none], [none, change]))) ** 2
    return np.sqrt(square)


def _largest_around(values: Float[np.ndarray, "x y z"], nodes: Int[np.ndarray, "n 3"]) -> np.ndarray:
    """The largest of the values at the coarse nodes nearest to nodes of the next finer grid."""
    ends = nodes // 2, np.minimum((nodes + 1) // 2, np.array(values.shape) - 1)
    x, y, z = (np.stack([end[:, axis] for end in ends]) for axis in range(3))
    return values[x[:, None, None], y[None, :, None], z[None, None, :]].max(axis=(0, 1, 2))


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
