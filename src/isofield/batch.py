"""What systems that learn from occupied points train on."""

from dataclasses import dataclass

from jaxtyping import Float, Int
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
    """Voxels, 1 where occupied: what is observed, or, for systems that make voxels, what is to be found."""
    images: Float[Tensor, "b h w 3"] | None = None
    """Observed pictures, RGB in [0, 1], for systems that see one picture."""
    item: Int[Tensor, " b"] | None = None
    """Number of each object in the data set, for systems that learn a code per object."""
    surface: Float[Tensor, "b k 3"] | None = None
    """Points on the surface, for systems that learn from them."""
    near: Float[Tensor, "b k 3"] | None = None
    """Where the occupancy is known near the surface, for systems that weigh it differently."""
    near_inside: Float[Tensor, "b k"] | None = None
    """1 inside the object, 0 outside."""


@dataclass(frozen=True)
class DistanceBatch:
    """Points whose signed distance to a shape is known, in a frame that fits the system."""

    points: Float[Tensor, "b m 3"]
    """Where the distance is known. DeepSDF: each shape in the unit ball; grids: in [-0.5, 0.5]^3."""
    sdf: Float[Tensor, "b m"]
    """Negative inside; in units of the same frame."""
    item: Int[Tensor, " b"]
    """Number of each object in the training set."""
    epoch: int = 1
    """How often the training set has been gone through, counting the present time."""


@dataclass(frozen=True)
class SolvedClouds:
    """Clouds in the unit cube whose indicator is known; several of them in one row of points."""

    points: Float[Tensor, "n 3"]
    """Positions in the unit cube."""
    normals: Float[Tensor, "n 3"]
    """Unit normals, outwards, as the indicator has them."""
    scatter: Float[Tensor, " n"]
    """Distance of the neighbours from the local plane over the cells' size."""
    item: Int[Tensor, " n"]
    """Which cloud each point belongs to."""
    indicator: Float[Tensor, "b r2 r2 r2"]
    """On a grid twice as fine as the features."""


@dataclass(frozen=True)
class SolvedBatch:
    """Solved clouds and points of the unit cube whose occupancy is known."""

    clouds: SolvedClouds
    points: Float[Tensor, "b m 3"]
    """Where the occupancy is known."""
    indicator: Float[Tensor, "b m"]
    """The clouds' indicator there."""
    inside: Float[Tensor, "b m"]
    """1 inside the object, 0 outside."""
