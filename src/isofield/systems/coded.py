"""What systems with one code share: how a cloud, a picture, voxels or an object's number becomes the code.

Encoders of the baselines, and their inputs, are those of Occupancy Networks (arXiv:1812.03828), so that only
decoders differ.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.occupancy import ObjectSource, OccupancySource
from isofield.data.seen_source import PhotoSource
from isofield.encoders.image import ImageCode
from isofield.encoders.pointnet import PointNet
from isofield.encoders.table import CodeTable
from isofield.errors import InputError
from isofield.geometry import Similarity
from isofield.observation import Photo, PointCloud, Voxels, unit_from_world
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.onet import resized


@dataclass(frozen=True)
class CodedConfig:
    """What is seen; defaults are those of Occupancy Networks from 300 noisy points."""

    sees: Literal["points", "image", "object"] = "points"
    """The observation: a cloud, a picture, or the object's number in the training set."""
    code_size: int = 512
    """Channels of the code c. Paper: 256 for pictures."""
    encoder_width: int = 512
    """Channels of the PointNet's blocks; channels of the picture encoder's first stage (64: ResNet-18)."""
    objects: int = 0
    """Objects of the training set, where each has a code of its own."""
    cloud_size: int = 300
    """Points the network was trained with; clouds are drawn to this size."""
    noise: float = 0.005
    """Training: noise of the clouds, object's longest edge 1."""
    image_size: int = 224
    """Pixels along the edges of the picture that the network sees."""
    crop: float = 1.0
    """Training: smallest share of a picture that is shown, enlarged. Paper: 0.75."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    mirror: bool = False
    """Training: show every other object mirrored from left to right."""

    def __post_init__(self) -> None:
        check_objects(self.sees, self.objects, self.mirror)


def check_objects(sees: str, objects: int, mirror: bool) -> None:
    """Nothing, if the choices about codes of objects agree.

    Raises:
        InputError: Their number is missing, or mirrored objects would need codes of their own.
    """
    if sees == "object" and objects < 1:
        raise InputError("a code for each object needs their number: set objects")
    if sees == "object" and mirror:
        raise InputError(
            "mirrored objects would need codes of their own: set mirror or sees=object, not both"
        )


class CodedSystem(System):
    """Observation -> code, for systems that say what a code stands for in `scene`.

    Args:
        config: Says what is seen: `sees`, and `cloud_size` and `image_size` where `shown` is not replaced.
        encoder: Of that observation, or a table of codes for objects' numbers.
    """

    config: Any

    def __init__(self, config: Any, encoder: nn.Module) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder

    def seen(self, batch: OccupancyBatch) -> Code:
        """Codes of what a batch shows."""
        names = {"points": "cloud", "image": "images", "voxels": "voxels", "object": "item"}
        return self.encoder(getattr(batch, names[self.config.sees]))

    @abstractmethod
    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The shape of a condition, in the unit box or where `unit` (unit from world) says."""

    def shown(self, observation: Any) -> tuple[Shaped[Tensor, "..."], Similarity]:
        """What the encoder takes, and the map from the observation's frame to the unit box."""
        if isinstance(observation, Photo):
            image = resized(observation.image, self.config.image_size)
            return torch.as_tensor(image, dtype=torch.float32), Similarity()
        unit = unit_from_world(observation.points)
        return torch.as_tensor(unit.apply(self.some(observation)), dtype=torch.float32), unit

    def some(self, cloud: PointCloud) -> Float[np.ndarray, "n 3"]:
        """As many points of a cloud as the network was trained with, the same every time."""
        order = np.random.default_rng(0).permutation(len(cloud))
        return cloud.points[np.resize(order, self.config.cloud_size)]

    @property
    def wants(self) -> type[PointCloud | Photo | Voxels] | None:
        """None for networks that see an object's number."""
        return {"points": PointCloud, "image": Photo, "voxels": Voxels}.get(self.config.sees)

    def reconstruct(self, observation: Any) -> Scene:
        """The shape the network sees; deterministic.

        From a picture, or an object's number, it comes in the unit box, upright as in training.

        Raises:
            ValueError: The observation isn't what the network was trained on, or has no extent.
        """
        code, unit = self.encode(observation)
        return self.scene(code, unit)

    @torch.no_grad()
    def encode(self, observation: Any) -> tuple[Code, Similarity]:
        """The observation's code, and the map from its frame to the unit box.

        Raises:
            ValueError: As `reconstruct`.
        """
        if isinstance(observation, int) and isinstance(self.encoder, CodeTable):
            return self.encoder.of(observation), Similarity()
        wanted = self.wants
        if wanted is None or not isinstance(observation, wanted):
            what = "the number of an object it has learned" if wanted is None else wanted.__name__
            raise InputError(f"this network reads {what}, not {type(observation).__name__}")
        seen, unit = self.shown(observation)
        training = self.training
        try:
            self.eval()
            return self.encoder(seen[None].to(next(self.parameters()).device)), unit
        finally:
            self.train(training)


def encoder_of(config: CodedConfig) -> nn.Module:
    """Observation -> Code, as in Occupancy Networks."""
    if config.sees == "points":
        return PointNet(config.code_size, config.encoder_width)
    if config.sees == "image":
        return ImageCode(config.code_size, config.encoder_width)
    return CodeTable(config.objects, config.code_size)


def source_of(config: CodedConfig, data: Path, seed: int, size: int, **choices: Any) -> OccupancySource:
    """Batches of a data set in the ONet layout, showing what the config says.

    Args:
        config: What is seen.
        data: Folder of the data set.
        seed: Of all draws.
        size: Models in a batch.
        choices: Other fields of the source.

    Raises:
        InputError: `data` is no such data set, or lacks what the network sees.
    """
    choices |= {"noise": config.noise, "mirror": config.mirror}
    if config.sees == "image":
        choices |= {"image_size": config.image_size, "crop": config.crop}
    kinds: dict[str, type[OccupancySource]] = {"image": PhotoSource, "object": ObjectSource}
    kind = kinds.get(config.sees, OccupancySource)
    cloud_size = config.cloud_size if config.sees == "points" else 0
    return kind.of(data, seed, size, cloud_size, config.held, config.only, **choices)
