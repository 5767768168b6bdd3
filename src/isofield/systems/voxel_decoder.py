"""Voxel decoder in the manner of 3D-R2N2 (Choy et al., ECCV 2016, arXiv:1604.00449), a baseline.

    points or picture -> code c -> 4^3 voxels -> ... -> 32^3 voxels of logits -> inside

This is the decoder that Occupancy Networks compare with: transposed convolutions on one code. The original
has residual blocks, and a recurrent unit for several pictures. The shape is where the probability, read
trilinearly between the voxels' logits, exceeds 0.4. The loss is the cross entropy of the voxels.
"""

from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.occupancy import OccupancySource
from isofield.errors import InputError
from isofield.fields.voxel_grid import VoxelField
from isofield.geometry import Box, Similarity
from isofield.scene import Scene
from isofield.systems.coded import CodedConfig, CodedSystem, encoder_of, source_of

STORED = 32
"""Voxels along an edge in data sets."""


@dataclass(frozen=True)
class VoxelDecoderConfig(CodedConfig):
    """Voxels; defaults are those of the comparison in Occupancy Networks."""

    resolution: Literal[16, 32, 64, 128] = 32
    """Voxels along an edge."""
    width: int = 256
    """Channels of the 4^3 voxels; each doubling halves them."""
    target: Literal["voxels", "points"] = "voxels"
    """Training: compare with the 32^3 voxels of the data set, or, read trilinearly, with labelled points."""
    points: int = 2048
    """Training: labelled points per object, where they are compared with."""
    threshold: float = 0.4
    """Occupancy probability on the surface."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target == "voxels" and self.resolution != STORED:
            raise InputError(f"data sets hold {STORED}^3 voxels: for other resolutions set target=points")
        if self.width % (1 << self.doublings):
            raise InputError(
                f"{self.doublings} doublings halve the channels as often: set width to a multiple of "
                f"{1 << self.doublings}"
            )
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is not a probability between 0 and 1")

    @property
    def doublings(self) -> int:
        """From 4^3 voxels to the resolution."""
        return self.resolution.bit_length() - 3


class VoxelDecoder(CodedSystem):
    """A grid of occupancies from one code."""

    config: VoxelDecoderConfig

    def __init__(self, config: VoxelDecoderConfig) -> None:
        super().__init__(config, encoder_of(config))
        self.field = VoxelField(config.code_size, config.doublings, config.width)

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Cross entropy, as a mean over the voxels or the points."""
        condition = self.seen(batch)
        if self.config.target == "points":
            logits, truth = self.field(batch.points, condition), batch.inside
        else:
            assert batch.voxels is not None
            logits, truth = self.field.voxels(condition), batch.voxels
        return {"occupancy": binary_cross_entropy_with_logits(logits, truth)}

    @classmethod
    def batches(cls, config: VoxelDecoderConfig, data: Path, seed: int, size: int) -> OccupancySource:
        """Observations, and voxels or labelled points, of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or lacks what the network sees.
        """
        voxels = config.target == "voxels"
        choices: dict[str, Any] = {"points": 0 if voxels else config.points, "solid": voxels}
        return source_of(config, data, seed, size, **choices)

    @torch.no_grad()
    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The shape of a condition, in the unit box or where `unit` (unit from world) says."""
        level = log(self.config.threshold / (1 - self.config.threshold))
        inverse = Similarity() if unit is None else unit.inverse()
        inside = self.field.bind(condition, level)
        return Scene(Box.cube(), inverse, inside=inside, resolution=max(self.config.resolution, 64))
