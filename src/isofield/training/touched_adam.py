"""Adam for tables of which each step changes a few rows.

Rows without gradient stay as they are, and so do their moments (arXiv:1412.6980, as the lazy Adam of
recommender systems). Smoothness is part of the step: a row with gradient is also drawn to its neighbours.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from isofield.ops.active_cells import ActiveCells
from isofield.render.voxels import COMPILED, Gradients, VoxelField

BETAS = (0.9, 0.99)
EPSILON = 1e-12


@dataclass(frozen=True)
class Rates:
    """How far a step goes, and what it weighs beside the pictures."""

    raw: float
    features: float
    smooth_raw: float = 0.0
    """Weight of the squared differences between neighbouring nodes."""
    smooth_features: float = 0.0
    eikonal: float = 0.0
    """Weight of (|gradient| - 1)^2 at nodes, with distances counted in cells; for signed distances."""
    balloon: float = 0.0
    """Slope that is added everywhere, so that a surface grows where the pictures do not mind."""


@dataclass
class TouchedAdam:
    """Moments of a field's tables."""

    voxels: VoxelField
    gradients: Gradients
    steps: int = 0
    moments: list[Float32[np.ndarray, "..."]] = field(default_factory=list)
    """First and second of the raw values, then of the features."""

    def __post_init__(self) -> None:
        if not self.moments:
            tables = (self.voxels.raw, self.voxels.raw, self.voxels.features, self.voxels.features)
            self.moments = [np.zeros_like(table) for table in tables]

    def step(self, rates: Rates, compiled: bool = COMPILED) -> None:
        """Takes a step along the gradients, and clears them."""
        self.steps += 1
        corrections = [np.float32(1 / (1 - beta**self.steps)) for beta in BETAS]
        if compiled:
            from isofield.training.touched_kernels import step
        else:
            from isofield.training.touched_plain import step
        step(self.voxels, self.gradients, self.moments, rates, corrections)


def inner(cells: ActiveCells) -> slice:
    """Nodes whose neighbours, two of them back and one ahead along each axis, are all in the table."""
    margin = 2 * cells.side**2
    return slice(margin, cells.side**3 - margin)
