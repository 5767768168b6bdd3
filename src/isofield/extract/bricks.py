"""Sparse values on a lattice, known or predicted, in bricks of 8^3 nodes.

Bricks are allocated only where the surface passes, so the memory follows the surface; the
directory of bricks is dense and 512 times smaller than the grid. Within bricks everything is
plain array arithmetic: no sorting, no hashing, no loop over cells.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

SIDE = 8
VOLUME = SIDE**3
BATCH = 512
"""Bricks that are padded at once; bounds the temporaries."""
_LOCAL = np.array(list(np.ndindex(SIDE, SIDE, SIDE)))


class Bricks:
    """Values at some nodes of a grid, or of some layers of it; NaN where there is none.

    A node's address is slot * 512 + its place within the brick. Slot 0 is never filled: it
    stands for all bricks that were not allocated, so look-ups need no masks.
    """

    def __init__(self, cells: Int[np.ndarray, "3"], layers: range | None = None) -> None:
        """Args:
        cells: Of the whole grid.
        layers: Layers of bricks across the x axis that this is about; all of them if None. Bricks of
            the layer before and the layer after can be stored, too.
        """
        self.cells = cells
        self.layers = range(cells[0] // SIDE + 1) if layers is None else layers
        # One brick of margin on every side, so neighbours of border bricks can be asked for.
        shape = (len(self.layers) + 2, *(cells[1:] // SIDE + 3))
        self.directory = np.zeros(shape, dtype=np.int32)
        self.origin = np.array([self.layers.start - 1, -1, -1])
        """Place among all bricks of the directory's first one."""
        self.corners = np.zeros((1, 3), dtype=np.int64)
        """Lowest node of each brick, by slot."""
        self._values = np.full((1, SIDE, SIDE, SIDE), np.nan, dtype=np.float32)
        self._known = np.zeros(self._values.shape, dtype=bool)

    @property
    def slots(self) -> Int[np.ndarray, " s"]:
        """Bricks of the layers that this is about, in raster order."""
        layer = self.corners[1:, 0] // SIDE
        own = (layer >= self.layers.start) & (layer < self.layers.stop)
        slots = 1 + np.flatnonzero(own)
        places = np.ravel_multi_index(tuple(self._places(self.corners[slots]).T), self.directory.shape)
        return slots[np.argsort(places, kind="stable")]

    def _places(self, nodes: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, "n 3"]:
        """Place in the directory of the bricks of these nodes."""
        return (nodes >> 3) - self.origin

    def slots_of(self, bricks: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
        """Slots of bricks by their place among all; 0 where there is none."""
        return self.directory[tuple((bricks - self.origin).T)]

    def holds(self, bricks: Int[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Which of these bricks have a node of the grid and a place here."""
        low, high = np.maximum(self.origin, 0), self.origin + self.directory.shape - 1
        return ((bricks >= low) & (bricks <= np.minimum(high, self.cells // SIDE))).all(axis=1)

    def owns(self, addresses: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which nodes are of the layers that this is about."""
        layer = self.corners[addresses >> 9, 0] // SIDE
        return (layer >= self.layers.start) & (layer < self.layers.stop)

    @property
    def values(self) -> Float[np.ndarray, " a"]:
        """Values by address; a view that can be written, until the next allocation."""
        return self._values[: len(self.corners)].reshape(-1)

    @property
    def known(self) -> Bool[np.ndarray, " a"]:
        """Which values are the field's own, and not predicted; as `values`."""
        return self._known[: len(self.corners)].reshape(-1)

    def allocate(self, cells: Int[np.ndarray, "n 3"], span: int = 1) -> None:
        """Make room for the nodes from `cells` to `cells + span`, span at most 8."""
        wanted = np.zeros(self.directory.shape, dtype=bool)
        low, high = self._places(cells), self._places(np.minimum(cells + span, self.cells))
        for corner in np.ndindex(2, 2, 2):
            x, y, z = np.where(corner, high, low).T
            wanted[x, y, z] = True
        self.add(np.argwhere(wanted & (self.directory == 0)) + self.origin)

    def add(self, bricks: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
        """Slots of new bricks, by their place among all; none may be there yet."""
        count = len(self.corners)
        slots = np.arange(count, count + len(bricks))
        self.directory[tuple((bricks - self.origin).T)] = slots
        self.corners = np.concatenate([self.corners, bricks * SIDE])
        if len(self.corners) > len(self._values):
            # Some room to spare costs nothing as long as nobody writes there.
            room = (5 * len(self.corners) // 4, *self._values.shape[1:])
            values, known = np.empty(room, np.float32), np.empty(room, bool)
            values[:count], known[:count] = self._values[:count], self._known[:count]
            self._values, self._known = values, known
        self._values[count : len(self.corners)] = np.nan
        self._known[count : len(self.corners)] = False
        return slots

    def addresses(self, nodes: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        """Where the nodes are stored; nodes of missing bricks lead into slot 0."""
        x, y, z = nodes[..., 0], nodes[..., 1], nodes[..., 2]
        i, j, k = self.origin
        slot = self.directory[(x >> 3) - i, (y >> 3) - j, (z >> 3) - k].astype(np.int64)
        return (slot << 9) | ((x & 7) << 6) | ((y & 7) << 3) | (z & 7)

    def nodes(self, addresses: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n 3"]:
        """Inverse of `addresses`."""
        return self.corners.take(addresses >> 9, axis=0) + _LOCAL.take(addresses & (VOLUME - 1), axis=0)

    def missing(self, cells: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, " m"]:
        """Addresses, ascending, of corners of the cells without a value; makes room for them."""
        self.allocate(cells)
        wanted = np.zeros(len(self.values), dtype=bool)
        for offset in np.ndindex(2, 2, 2):
            wanted[self.addresses(np.minimum(cells + offset, self.cells))] = True
        return np.flatnonzero(wanted & np.isnan(self.values))

    def padded(
        self, slots: Int[np.ndarray, " s"], before: int, after: int, known: bool = False
    ) -> Iterator[tuple[Int[np.ndarray, " t"], Float[np.ndarray, "t d d d"]]]:
        """Batches, at least one, of bricks with `before` and `after` layers of nodes around.

        With `known`, values that are only predicted are NaN.
        """
        for start in range(0, max(len(slots), 1), BATCH):
            part = slots[start : start + BATCH]
            block = self.gathered(self._values, part, before, after)
            if known:
                block[~self.gathered(self._known, part, before, after)] = np.nan
            yield part, block

    def gathered(
        self, stored: Shaped[np.ndarray, "s 8 8 8 *k"], slots: Int[np.ndarray, " t"], before: int, after: int
    ) -> Shaped[np.ndarray, "t d d d *k"]:
        """What is stored for these bricks, with `before` and `after` layers of their neighbours' around."""
        ranges = (slice(SIDE - before, SIDE), slice(0, SIDE), slice(0, after))
        places = (slice(0, before), slice(before, before + SIDE), slice(before + SIDE, before + SIDE + after))
        block = np.empty((len(slots), *[before + SIDE + after] * 3, *stored.shape[4:]), stored.dtype)
        corners = self.corners[slots] // SIDE
        for offset in product((0, 1, 2)[not before : 2 + bool(after)], repeat=3):
            to, of = ((slice(None), *(kind[k] for k in offset)) for kind in (places, ranges))
            block[to] = stored[of][self.slots_of(corners + offset - 1)]
        return block


def once(numbers: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " m"]:
    """Each number once, ascending. By sorting: numpy's own way by hashing takes ten times as long."""
    numbers = np.sort(numbers)
    first = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return numbers[first]


def corner_or(codes: np.ndarray) -> np.ndarray:
    """Bitwise or over the eight corners of each cell of a batch of blocks."""
    codes = codes[:, :-1] | codes[:, 1:]
    codes = codes[:, :, :-1] | codes[:, :, 1:]
    return codes[..., :-1] | codes[..., 1:]


INSIDE, OUTSIDE, UNKNOWN = 1, 2, 4


def codes_of(values: Float[np.ndarray, "*n"]) -> np.ndarray:
    """INSIDE, OUTSIDE or UNKNOWN for each value. Exactly zero is inside, always."""
    codes = np.where(values >= 0, np.uint8(INSIDE), np.uint8(OUTSIDE))
    codes[np.isnan(values)] = UNKNOWN
    return codes


def cells_where(mask: Bool[np.ndarray, "t d d d"], corners: Int[np.ndarray, "t 3"]) -> Int[np.ndarray, "n 3"]:
    """Coordinates of the marked cells of blocks that begin at these corners."""
    found = np.argwhere(mask)
    return corners[found[:, 0]] + found[:, 1:]
