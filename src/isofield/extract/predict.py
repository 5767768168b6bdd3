"""Values of a finer grid, guessed from those of the coarser one."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from isofield.extract.bricks import BATCH, SIDE, Bricks, once
from isofield.extract.lattice import Lattice

_HALF = SIDE // 2
_AROUND = np.array(list(np.ndindex(*[_HALF + 1] * 3)))


class Pyramid:
    """Grids of all levels; those below the top are filled by interpolation wherever someone looks.

    A brick of one level needs its place in the coarser grid filled first, up to the top, which is
    complete. Known values are never replaced.
    """

    def __init__(self, lattice: Lattice, top: int, closed: bool) -> None:
        self.closed = closed
        self.grids = [Bricks(lattice.cells_at(level)) for level in range(top + 1)]

    def reserve(self, level: int, bricks: Int[np.ndarray, "n 3"]) -> None:
        """Fill these bricks of a level, unless they are there or hold no node."""
        grid = self.grids[level]
        bricks = bricks[grid.holds(bricks)]
        bricks = distinct(bricks[grid.slots_of(bricks) == 0], grid)
        if not len(bricks):
            return
        if level + 1 < len(self.grids):
            low = _HALF * bricks
            corners = np.array(list(np.ndindex(2, 2, 2))) * _HALF
            self.reserve(level + 1, (low[:, None] + corners).reshape(-1, 3) // SIDE)
        slots = grid.add(bricks)
        if level + 1 < len(self.grids):
            for start in range(0, len(slots), BATCH):
                predict(grid, self.grids[level + 1], slots[start : start + BATCH], self.closed)


def distinct(bricks: Int[np.ndarray, "n 3"], grid: Bricks) -> Int[np.ndarray, "m 3"]:
    """Each brick once, in raster order."""
    shape = grid.directory.shape
    keys = once(np.ravel_multi_index(tuple((bricks - grid.origin).T), shape))
    return np.stack(np.unravel_index(keys, shape), axis=1) + grid.origin


def predict(grid: Bricks, coarse: Bricks, slots: Int[np.ndarray, " t"], closed: bool) -> None:
    """Fill bricks by trilinear interpolation; nodes that both grids share keep their value, known or not.

    Of a closed surface, nodes on the border that would be inside become -inf; as the nodes to
    interpolate from they count as zero, so that what is inside stays inside up to the border.
    """
    values, known = coarse_blocks(grid, coarse, slots)
    last = grid.cells - grid.corners[slots]
    values[np.isneginf(values)] = 0
    for axis in range(3):
        values = doubled(values, axis, last[:, axis], lambda a, b: (a + b) / 2)
        known = doubled(known, axis, last[:, axis], lambda a, b: np.zeros_like(a))
    at = grid.corners[slots]
    rim = np.flatnonzero(((at == 0) | (last < SIDE)).any(axis=1))
    place, end = at[rim, :, None] + np.arange(SIDE), grid.cells[:, None]
    part = values[rim]
    if closed:
        part[_any_axis((place == 0) | (place == end)) & (part >= 0)] = -np.inf
    part[_any_axis(place > end)] = np.nan
    values[rim] = part
    known[rim] &= ~np.isnan(part)
    shape = (-1, SIDE**3)
    grid.values.reshape(shape)[slots] = values.reshape(shape)
    grid.known.reshape(shape)[slots] = known.reshape(shape)


def _any_axis(marked: Bool[np.ndarray, "t 3 8"]) -> Bool[np.ndarray, "t 8 8 8"]:
    """Nodes whose place along some axis is marked."""
    x, y, z = marked.transpose(1, 0, 2)
    return x[:, :, None, None] | y[:, None, :, None] | z[:, None, None, :]


def coarse_blocks(
    grid: Bricks, coarse: Bricks, slots: Int[np.ndarray, " t"]
) -> tuple[Float[np.ndarray, "t 5 5 5"], Bool[np.ndarray, "t 5 5 5"]]:
    """Values, and whether they are known, at the coarse nodes in and around each brick."""
    at = coarse.addresses((grid.corners[slots] >> 1)[:, None] + _AROUND)
    shape = (len(slots), *[_HALF + 1] * 3)
    return coarse.values[at].reshape(shape), coarse.known[at].reshape(shape)


def doubled(
    block: np.ndarray,
    axis: int,
    last: Int[np.ndarray, " t"],
    join: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Twice as many nodes along one of the three axes of a batch of blocks (t x y z).

    New nodes join their two neighbours. The last node of a grid with an odd number of cells is the
    last one of the coarse grid, too.
    """
    block = np.moveaxis(block, axis + 1, -1)
    finer = np.empty((*block.shape[:-1], SIDE), block.dtype)
    finer[..., 0::2] = block[..., :-1]
    finer[..., 1::2] = join(block[..., :-1], block[..., 1:])
    odd = np.flatnonzero((last % 2 == 1) & (last > 0) & (last < SIDE))
    finer[odd, ..., last[odd]] = block[odd, ..., (last[odd] + 1) // 2]
    return np.moveaxis(finer, -1, axis + 1)
