"""AtlasNet (Groueix et al., CVPR 2018, arXiv:1802.05384), a baseline that gives a mesh.

    points or picture -> code c;  points u of a template -> phi_p(u, c), a place on the surface

Each of 25 patches has a network phi_p of its own, which bends the unit square (or one network bends the
sphere) to a piece of the surface. The places should be near the surface, and the surface near the places:

    loss = mean_u min_s |phi(u, c) - s|^2 + mean_s min_u |phi(u, c) - s|^2

There is no inside: patches are open and may overlap.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.occupancy import ObjectSource, OccupancySource
from isofield.data.seen_source import PhotoSource, window
from isofield.data.surface_source import SurfaceSource
from isofield.encoders.atlas import AtlasPointNet
from isofield.encoders.image import ImageCode
from isofield.encoders.table import CodeTable
from isofield.errors import InputError
from isofield.fields.atlas import AtlasField
from isofield.geometry import Box, Mesh, Similarity
from isofield.geometry.template import icosphere, square
from isofield.observation import Photo, unit_from_world
from isofield.ops.chamfer import chamfer
from isofield.scene import Scene
from isofield.systems.coded import CodedSystem, check_objects


@dataclass(frozen=True)
class AtlasNetConfig:
    """Patches from points; defaults are those of the 2019 release."""

    sees: Literal["points", "image", "object"] = "points"
    """The observation: a cloud, a picture, or the object's number in the training set."""
    template: Literal["square", "sphere"] = "square"
    """What the patches are before they are bent."""
    patches: int = 25
    """How many there are; 1 for the sphere."""
    code_size: int = 1024
    """Channels of the code c."""
    encoder_width: int = 64
    """Channels of the encoder's first layer."""
    width: int = 512
    """Channels of the patches' layers."""
    layers: int = 2
    """Layers between a patch's second and its last."""
    objects: int = 0
    """Objects of the training set, where each has a code of its own."""
    cloud_size: int = 2500
    """Points of the clouds that the network sees."""
    noise: float = 0.0
    """Training: noise of the clouds, object's longest edge 1."""
    points: int = 2500
    """Training: places made, and points of the surface they are compared with, per object."""
    image_size: int = 224
    """Pixels along the edge of the picture that the network sees."""
    window: float = 1.0
    """Middle part of a picture that is shown, by its edge. Official weights: 127 / 137."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    mirror: bool = False
    """Training: show every other object mirrored from left to right."""
    frame: Literal["box", "ball"] = "box"
    """What fits the network's input: the cube of edge 1, or, for official weights, the ball of radius 1."""
    vertices: int = 2500
    """Of the mesh, about."""

    def __post_init__(self) -> None:
        check_objects(self.sees, self.objects, self.mirror)
        if self.patches < 1 or min(self.points, self.vertices) < 4 * self.patches:
            raise InputError(
                f"{self.patches} patches need 4 points each: set patches lower, or points and vertices higher"
            )
        if not 0 < self.window <= 1:
            raise InputError(f"window {self.window} is no part of a picture; set it between 0 and 1")


class AtlasNet(CodedSystem):
    """A surface of patches, bent by one code."""

    def __init__(self, config: AtlasNetConfig) -> None:
        super().__init__(config, _encoder(config))
        c = config
        flat = 2 if c.template == "square" else 3
        self.field = AtlasField(c.code_size, c.patches, flat, c.width, c.layers)

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Both directions of the Chamfer distance, between places at random and points of the surface."""
        assert batch.surface is not None
        count = len(batch.surface)
        if count < 2 and self.training:
            raise InputError("batch normalisation needs two objects or more in a batch: set --batch-size")
        condition = self.seen(batch)
        places = self.field(self._random(count, batch.surface.device), condition).flatten(1, 2)
        forth, back = chamfer(places, batch.surface)
        return {"accuracy": forth.mean(), "completeness": back.mean()}

    def _random(self, count: int, device: torch.device) -> Float[Tensor, "b p n d"]:
        """Points of the templates, uniform."""
        c = self.config
        shape = (count, c.patches, c.points // c.patches)
        if c.template == "square":
            return torch.rand(*shape, 2, device=device)
        return normalize(torch.randn(*shape, 3, device=device), dim=-1)

    @classmethod
    def batches(cls, config: AtlasNetConfig, data: Path, seed: int, size: int) -> SurfaceSource:
        """Observations and surface points of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or lacks what the network sees.
        """
        if config.frame != "box":
            raise InputError("data sets fit the cube: frame=ball is for official weights; leave it out")
        choices: dict[str, Any] = {"mirror": config.mirror, "noise": config.noise}
        if config.sees == "image":
            choices |= {"image_size": config.image_size}
        kinds: dict[str, type[OccupancySource]] = {"image": PhotoSource, "object": ObjectSource}
        kind = kinds.get(config.sees, OccupancySource)
        cloud_size = config.cloud_size if config.sees == "points" else 0
        source = kind.of(data, seed, size, cloud_size, config.held, config.only, **choices)
        return SurfaceSource.over(source, config.points)

    @property
    def judged_by(self) -> str:
        return "closeness"

    @torch.no_grad()
    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The mesh of a condition, in the unit box or where `unit` (unit from world) says."""
        template, faces = self.grid()
        flat = torch.as_tensor(template, dtype=torch.float32, device=condition.vector.device)
        places = self.field.bind(condition)(flat.expand(self.config.patches, -1, -1))
        first = np.arange(self.config.patches)[:, None, None] * len(template)
        vertices = places.flatten(0, 1).cpu().numpy().astype(np.float64) / self._extent
        mesh = Mesh(vertices, (faces + first).reshape(-1, 3))
        inverse = Similarity() if unit is None else unit.inverse()
        said = {"patches": self.config.patches, "template": self.config.template}
        return Scene(Box.cube(), inverse, mesh=mesh, notes=said)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and faces of one patch's template."""
        share = self.config.vertices // self.config.patches
        if self.config.template == "square":
            return square(int(share**0.5))
        halvings = max(range(7), key=lambda k: -abs(10 * 4**k + 2 - share))
        return icosphere(halvings)

    @property
    def _extent(self) -> float:
        """The network's input for one unit of the scene."""
        return 2.0 if self.config.frame == "ball" else 1.0

    def shown(self, observation: Any) -> tuple[Tensor, Similarity]:
        """What the encoder takes, and the map from the observation's frame to the unit box."""
        c = self.config
        if isinstance(observation, Photo):
            corner = np.full(2, (1 - c.window) / 2)
            return torch.as_tensor(window(observation.image, corner, c.window, c.image_size)), Similarity()
        unit = unit_ball(observation.points) if c.frame == "ball" else unit_from_world(observation.points)
        points = unit.apply(self.some(observation)) * self._extent
        return torch.as_tensor(points, dtype=torch.float32), unit


def unit_ball(points: Float[np.ndarray, "n 3"]) -> Similarity:
    """The map that centres the points' box at the origin, the farthest point at one half.

    Raises:
        ValueError: There are no points, or all of them coincide.
    """
    centred = unit_from_world(points)
    farthest = float(np.linalg.norm(centred.apply(points), axis=1).max())
    return Similarity(scale=0.5 / farthest) @ centred


def _encoder(config: AtlasNetConfig) -> nn.Module:
    """Observation -> Code, as the config says."""
    if config.sees == "points":
        return AtlasPointNet(config.code_size, config.encoder_width)
    if config.sees == "image":
        return ImageCode(config.code_size, config.encoder_width, scaled=False)
    return CodeTable(config.objects, config.code_size)
