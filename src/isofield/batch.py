"""What systems that learn from occupied points train on."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class OccupancyBatch:
    """Observations and points of known occupancy; the object fills [-0.5, 0.5]^3."""

    cloud: Float[Tensor, "b n 3"] | None
    """Observed surface points; None where the system sees voxels."""
    points: Float[Tensor, "b m 3"]
    """Where the occupancy is known."""
    inside: Float[Tensor, "b m"]
    """1 inside the object, 0 outside."""
    voxels: Float[Tensor, "b x y z"] | None = None
    """Observed voxels, 1 where occupied, for systems that see voxels."""
