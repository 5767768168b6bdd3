"""Which cells of a regular grid hold something, and rows for the nodes at their corners.

The grid has `resolution` cells along each edge of [-0.5, 0.5]^3 and one more node. A scalar lives on all
nodes, node (i, j, k) at (i n + j) n + k with n = resolution + 1; wider features live in rows, which only
the nodes of active cells have, so that empty space costs neither memory nor time.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Int32, UInt8

BLOCK = 4
"""Cells along the edge of a block that is skipped at once where it is empty."""
CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


@dataclass(frozen=True)
class ActiveCells:
    """The active cells of a grid over [-0.5, 0.5]^3."""

    cells: Bool[np.ndarray, "r r r"]
    """Indexed x, y, z; the resolution is a multiple of the block's edge."""

    def __post_init__(self) -> None:
        if self.resolution % BLOCK:
            raise ValueError(f"a resolution of {self.resolution} is no multiple of {BLOCK}")

    @property
    def resolution(self) -> int:
        return len(self.cells)

    @property
    def side(self) -> int:
        """Nodes along an edge."""
        return self.resolution + 1

    @cached_property
    def flat(self) -> UInt8[np.ndarray, " c"]:
        """1 for active cells, x slowest."""
        return self.cells.reshape(-1).astype(np.uint8)

    @cached_property
    def blocks(self) -> UInt8[np.ndarray, " m"]:
        """1 for blocks that hold an active cell, x slowest."""
        few = self.resolution // BLOCK
        parts = self.cells.reshape(few, BLOCK, few, BLOCK, few, BLOCK)
        return parts.any(axis=(1, 3, 5)).reshape(-1).astype(np.uint8)

    @cached_property
    def nodes(self) -> Int[np.ndarray, " n"]:
        """Corners of active cells, ascending: those with a row."""
        return np.flatnonzero(corners_of(self.cells))

    @cached_property
    def rows(self) -> Int32[np.ndarray, " all"]:
        """Row of every node; 0 for those that have none. The two nodes of an edge along z that have rows
        have consecutive ones.
        """
        rows = np.zeros(self.side**3, np.int32)
        rows[self.nodes] = np.arange(len(self.nodes), dtype=np.int32)
        return rows

    @cached_property
    def neighbours(self) -> Int32[np.ndarray, "n 6"]:
        """Rows of the nodes one further and one back along x, y and z; -1 where there is none."""
        known = np.zeros(self.side**3, bool)
        known[self.nodes] = True
        place = np.stack(np.unravel_index(self.nodes, (self.side,) * 3), axis=1)
        found = np.full((len(self.nodes), 6), -1, np.int32)
        for axis, step in enumerate((self.side**2, self.side, 1)):
            for column, sign in ((2 * axis, 1), (2 * axis + 1, -1)):
                there = (place[:, axis] < self.resolution) if sign > 0 else (place[:, axis] > 0)
                other = self.nodes[there] + sign * step
                found[there, column] = np.where(known[other], self.rows[other], -1)
        return found

    @cached_property
    def places(self) -> Float[np.ndarray, "n 3"]:
        """Where the nodes with rows are."""
        place = np.stack(np.unravel_index(self.nodes, (self.side,) * 3), axis=1)
        return place / self.resolution - 0.5


def corners_of(cells: Bool[np.ndarray, "r r r"]) -> Bool[np.ndarray, "m m m"]:
    """Which nodes are a corner of one of the cells; m = r + 1."""
    size = len(cells)
    nodes = np.zeros((size + 1,) * 3, bool)
    for i, j, k in CORNERS:
        nodes[i : i + size, j : j + size, k : k + size] |= cells
    return nodes


def any_corner(nodes: Bool[np.ndarray, "m m m"]) -> Bool[np.ndarray, "r r r"]:
    """The cells of which one of the corners is marked; r = m - 1."""
    size = len(nodes) - 1
    cells = np.zeros((size,) * 3, bool)
    for i, j, k in CORNERS:
        cells |= nodes[i : i + size, j : j + size, k : k + size]
    return cells


def grown(cells: Bool[np.ndarray, "r r r"], by: int = 1) -> Bool[np.ndarray, "r r r"]:
    """The cells and those that touch them, `by` times, over corners, too."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(cells, size=2 * by + 1) if by else cells
