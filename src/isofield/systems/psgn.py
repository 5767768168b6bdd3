"""PSGN: A Point Set Generation Network (Fan, Su, Guibas; CVPR 2017, arXiv:1612.00603), a baseline.

    points or picture -> code c -> 1,024 points of the surface

Four plain layers give the coordinates of all points at once. This is the decoder that Occupancy Networks
compare with; the original has a second branch of convolutions. The loss is the Chamfer distance:

    loss = mean_x min_s |x - s|^2 + mean_s min_x |x - s|^2
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.surface_source import SurfaceSource
from isofield.errors import InputError
from isofield.geometry import Box, Similarity
from isofield.ops.chamfer import chamfer
from isofield.scene import Scene
from isofield.systems.coded import CodedConfig, CodedSystem, encoder_of, source_of


@dataclass(frozen=True)
class PSGNConfig(CodedConfig):
    """Point sets; defaults are those of the comparison in Occupancy Networks."""

    width: int = 512
    """Channels of the hidden layers."""
    made: int = 1024
    """Points that come out."""
    points: int = 2048
    """Training: points of the surface they are compared with, per object."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.made, self.points) < 1:
            raise InputError("there have to be points: set made and points to 1 or more")


class PSGN(CodedSystem):
    """Points of a surface from one code."""

    config: PSGNConfig

    def __init__(self, config: PSGNConfig) -> None:
        super().__init__(config, encoder_of(config))
        sizes = [(config.code_size, config.width), (config.width, config.width), (config.width, config.width)]
        self.layers = nn.ModuleList(nn.Linear(*size) for size in sizes)
        self.out = nn.Linear(config.width, 3 * config.made)

    def places(self, condition: Code) -> Float[Tensor, "b n 3"]:
        """The points of each code."""
        first, *others = self.layers
        x = first(condition.vector)
        for layer in others:
            x = layer(relu(x))
        return self.out(relu(x)).view(len(x), self.config.made, 3)

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Both directions of the Chamfer distance."""
        assert batch.surface is not None
        forth, back = chamfer(self.places(self.seen(batch)), batch.surface)
        return {"accuracy": forth.mean(), "completeness": back.mean()}

    @classmethod
    def batches(cls, config: PSGNConfig, data: Path, seed: int, size: int) -> SurfaceSource:
        """Observations and surface points of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or lacks what the network sees.
        """
        return SurfaceSource.over(source_of(config, data, seed, size), config.points)

    @property
    def judged_by(self) -> str:
        return "closeness"

    @torch.no_grad()
    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The points of a condition, in the unit box or where `unit` (unit from world) says."""
        points = self.places(condition)[0].cpu().numpy().astype(np.float64)
        return Scene(Box.cube(), Similarity() if unit is None else unit.inverse(), points=points)
