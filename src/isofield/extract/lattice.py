"""Where the nodes of a refined grid lie."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.geometry import Box


@dataclass(frozen=True)
class Lattice:
    """Nodes of a regular grid over a box; level k keeps every 2^k-th of them, and the last.

    Borders of the lattice and of the box coincide, so cells differ from cubes by at most the
    rounding of the box's edges to whole cells.
    """

    box: Box
    cells: Int[np.ndarray, "3"]
    """Cells along each axis at level 0, the finest."""

    @classmethod
    def over(cls, box: Box, resolution: int, levels: int = 0) -> "Lattice":
        """Lattice of `resolution` cells along the box's longest edge, to be coarsened `levels` times.

        Even the coarsest level has two cells along each edge, so that not all nodes lie on the
        border; across very flat boxes cells are therefore flatter than cubes.
        """
        cells = np.ceil(box.extent / box.extent.max() * resolution - 1e-6).astype(np.int64)
        return cls(box, np.maximum(cells, 2 << levels))

    @property
    def step(self) -> Float[np.ndarray, "3"]:
        """Edges of one finest cell."""
        return self.box.extent / self.cells

    def cells_at(self, level: int) -> Int[np.ndarray, "3"]:
        """Cells along each axis; the last one of a row may be cut by the box."""
        return -(-self.cells >> level)

    def positions(self, nodes: Int[np.ndarray, "n 3"], level: int = 0) -> Float[np.ndarray, "n 3"]:
        """Where the nodes of a level lie, the same bits for one place on every level."""
        finest = np.minimum(nodes << level, self.cells)
        return self.box.low + finest * self.step
