"""One shape in feature grids and a small network, learnt in seconds.

After Instant Neural Graphics Primitives (Müller et al., SIGGRAPH 2022, arXiv:2201.05989):

    p -> features y_1(p) .. y_L(p) of grids of L sizes -> network -> signed distance s(p)

The loss is relative, |s - s*| / (|s*| + epsilon): what is near the surface counts most. The grids are a
hash table, dense, or three planes per size.
"""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from isofield.batch import DistanceBatch
from isofield.encoders.grids import feature_grids
from isofield.errors import InputError
from isofield.fields.features import FeatureField
from isofield.geometry import Box
from isofield.ops.coordinates import Volume
from isofield.ops.hash_grid import Levels
from isofield.scene import Scene
from isofield.system import System

SIDE = 1.1
"""Edge of the cube that the grids cover."""
MOST_DENSE = 10**9
"""Numbers that dense grids may have."""


@dataclass(frozen=True)
class GridConfig:
    """Feature grids of one shape; the defaults measured best on two processor cores."""

    features: Literal["hash", "dense", "planes"] = "hash"
    """How the grids are kept."""
    levels: int = 8
    """Sizes of grids."""
    coarsest: int = 16
    """Cells along an edge of the coarsest grid."""
    finest: int = 256
    """Cells along an edge of the finest grid."""
    channels: int = 2
    """Features of each grid."""
    log_rows: int = 17
    """Binary logarithm of the rows that a level's hash table may have."""
    width: int = 64
    """Hidden units of the network's layers."""
    layers: int = 2
    """Hidden layers."""
    epsilon: float = 0.01
    """Distance at which an error counts half as much as on the surface; longest edge 1."""

    def __post_init__(self) -> None:
        try:
            sizes = self.sizes
        except ValueError as error:
            raise InputError(f"these grids are impossible: {error}") from None
        corners = sum((n + 1) ** 3 for n in sizes.cells)
        if self.features == "dense" and corners * self.channels > MOST_DENSE:
            raise InputError(
                f"dense grids up to {self.finest} cells do not fit in memory; take features=hash"
            )

    @property
    def sizes(self) -> Levels:
        """Of the grids."""
        return Levels.between(self.coarsest, self.finest, self.levels, 2**self.log_rows)


class Grid(System):
    """Signed distances of one shape."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self.config = config
        self.grids = feature_grids(config.features, config.sizes, config.channels, Volume.centred(SIDE))
        self.field = FeatureField(config.levels * config.channels, config.width, config.layers)

    def losses(self, batch: DistanceBatch) -> dict[str, Float[Tensor, ""]]:
        """The relative error of the distance."""
        points = batch.points.flatten(0, 1)[None]  # one shape, however many parts the batch has
        truth = batch.sdf.flatten()
        error = (self.field(points, self.grids())[0] - truth).abs()
        return {"distance": (error / (truth.abs() + self.config.epsilon)).mean()}

    @property
    def wants(self) -> None:
        """Nothing: it knows one shape."""

    def reconstruct(self, observation: Any = None) -> Scene:
        """The shape, in the unit box; raises InputError for any number but 0."""
        if observation:
            raise InputError(f"grids know one shape, number 0; there is no {observation}")
        sdf = self.field.bind(self.grids())
        return Scene(Box.cube(SIDE), inside=lambda points: -sdf(points), resolution=self.config.finest)
