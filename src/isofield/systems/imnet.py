"""IM-NET: Learning Implicit Fields for Generative Shape Modeling (Chen, Zhang; CVPR 2019, arXiv:1812.02822).

    voxels or picture -> code c -> f(p, c) -> inside

The shape is the set of points whose value exceeds one half. The generator f is seven plain layers on the
position and the code, and its output is softly clipped:

    f = max(min(h, 0.01 h + 0.99), 0.01 h)          loss = mean (f(p, c) - inside)^2

This is the improved release of the authors, without skips and with normalised convolutions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.occupancy import ObjectSource, OccupancySource
from isofield.data.seen_source import PhotoSource, StagedVoxelSource
from isofield.encoders.imnet import EDGE, PIXELS, ImNetPicture, ImNetVoxels
from isofield.encoders.table import CodeTable
from isofield.errors import InputError
from isofield.fields.imnet import ImNetField
from isofield.geometry import Box, Similarity
from isofield.observation import Photo, Voxels, unit_from_world
from isofield.scene import Scene
from isofield.systems.coded import CodedSystem, check_objects


@dataclass(frozen=True)
class IMNetConfig:
    """IM-NET from voxels; defaults are those of the improved release."""

    sees: Literal["voxels", "image", "object"] = "voxels"
    """The observation: voxels, a picture, or the object's number in the training set."""
    code_size: int = 256
    """Channels of the code c."""
    field_width: int = 128
    """Channels of the generator's last hidden layer; the first ones have eight times as many."""
    voxel_width: int = 32
    """Channels of the voxel encoder's first layer."""
    picture_width: int = 64
    """Channels of the picture encoder's first layer."""
    objects: int = 0
    """Objects of the training set, where each has a code of its own."""
    taught: bool = False
    """Training as published: the code of a picture follows that of voxels, whose encoder learns along."""
    points: int = 4096
    """Training: labelled points per object, or centres of voxels."""
    epochs_16: int = 200
    """Training, from voxels: epochs on the centres of 16^3 voxels, at first."""
    epochs_32: int = 200
    """Training, from voxels: epochs on those of 32^3 voxels that follow; labelled points come last."""
    image_size: int = 137
    """Pixels along the edges of pictures, of which the network sees the middle 128."""
    crop: float = 1.0
    """Training: smallest share of a picture that is shown, enlarged."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    mirror: bool = False
    """Training: show every other object mirrored from left to right."""
    padding: float = 0.1
    """Part by which the field's box exceeds the unit box, as labelled points do. Official weights: 0."""
    threshold: float = 0.5
    """Value on the surface."""

    def __post_init__(self) -> None:
        check_objects(self.sees, self.objects, self.mirror)
        if self.taught and self.sees != "image":
            raise InputError("only the code of a picture is taught by that of voxels: set sees=image")
        if self.image_size < PIXELS:
            raise InputError(f"the network sees {PIXELS} pixels: set image_size to that, or more")
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is not between 0 and 1")
        if self.epochs_16 < 0 or self.epochs_32 < 0:
            raise InputError(
                "a stage can't have fewer than no epochs: set epochs_16 and epochs_32 to 0 or more"
            )


class IMNet(CodedSystem):
    """Occupancy from one code, by plain layers."""

    def __init__(self, config: IMNetConfig) -> None:
        super().__init__(config, _encoder(config))
        self.field = ImNetField(config.code_size, config.field_width)
        self.teacher = ImNetVoxels(config.code_size, config.voxel_width) if config.taught else None

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Mean squared error of the clipped values, and of the picture's code where voxels teach it."""
        condition, losses = self.seen(batch), {}
        if self.teacher is not None:
            taught, condition = condition, self.teacher(batch.voxels)
            losses["code"] = mse_loss(taught.vector, condition.vector.detach())
        return {"occupancy": mse_loss(self.field(batch.points, condition), batch.inside), **losses}

    @classmethod
    def batches(cls, config: IMNetConfig, data: Path, seed: int, size: int) -> OccupancySource:
        """Observations and labelled points of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or lacks what the network sees.
        """
        choices: dict[str, Any] = {"points": config.points, "mirror": config.mirror}
        if config.sees == "image":
            choices |= {"image_size": config.image_size, "crop": config.crop, "solid": config.taught}
        elif config.sees == "voxels":
            choices["epochs"] = config.epochs_16, config.epochs_32
        kinds: dict[str, type[OccupancySource]] = {"voxels": StagedVoxelSource, "image": PhotoSource}
        kind = kinds.get(config.sees, ObjectSource)
        return kind.of(data, seed, size, 0, config.held, config.only, **choices)

    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The shape of a condition, in the unit box or where `unit` (unit from world) says."""
        inverse = Similarity() if unit is None else unit.inverse()
        inside = self.field.bind(condition, self.config.threshold)
        return Scene(Box.cube(1 + self.config.padding), inverse, inside=inside)

    def shown(self, observation: Any) -> tuple[Tensor, Similarity]:
        """What the encoder takes, and the map from the observation's frame to the unit box."""
        if isinstance(observation, Photo):
            return super().shown(observation)
        box = np.stack([observation.box.low, observation.box.high])
        return _cube(observation), unit_from_world(box)


def _cube(voxels: Voxels) -> Float[Tensor, "x y z"]:
    """The voxels, if the encoder can repeat them to its size."""
    shape = voxels.occupied.shape
    if len({*shape}) != 1 or EDGE % shape[0]:
        raise InputError(
            f"this network reads {EDGE}^3 voxels, or coarser ones whose edge divides {EDGE}, "
            f"not {' x '.join(map(str, shape))}"
        )
    return torch.as_tensor(voxels.occupied, dtype=torch.float32)


def _encoder(config: IMNetConfig) -> nn.Module:
    """Observation -> Code, as the config says."""
    if config.sees == "voxels":
        return ImNetVoxels(config.code_size, config.voxel_width)
    if config.sees == "image":
        return ImNetPicture(config.code_size, config.picture_width)
    return CodeTable(config.objects, config.code_size)
