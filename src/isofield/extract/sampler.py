"""Evaluation of a field at nodes of a lattice, checked and counted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from isofield.errors import InputError
from isofield.extract.bricks import Bricks
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
            grid.values[part], grid.known[part] = values, True
            self.report((start + len(part)) / len(addresses))


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
