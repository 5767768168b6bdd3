"""Occupancy Networks (Mescheder et al., CVPR 2019, arXiv:1812.03828).

    points, picture or voxels -> code c -> f(p, c) -> inside

The shape is the set of points whose occupancy probability exceeds tau = 0.2; in logits,
f(p, c) > log(tau / (1 - tau)). Encoder and field learn from points of known occupancy. Without
an observation, a latent code z ~ N(0, 1) takes the place of c: the encoder q(z | p, o) sees the
points and their occupancies, and the evidence lower bound is maximised (section 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.batch import OccupancyBatch
from isofield.condition import Code
from isofield.data.occupancy import ObjectSource, OccupancySource, UnseenSource
from isofield.data.seen_source import PhotoSource, VoxelSource
from isofield.encoders.image import ImageCode
from isofield.encoders.latent import LatentEncoder
from isofield.encoders.pointnet import PointNet
from isofield.encoders.table import CodeTable
from isofield.encoders.voxel_code import VoxelCode
from isofield.errors import InputError
from isofield.fields.cbn import CbnChain, CbnField, ResidualField
from isofield.geometry import Box, Similarity
from isofield.observation import Photo, PointCloud, Voxels, unit_from_world
from isofield.scene import Scene
from isofield.system import System


@dataclass(frozen=True)
class ONetConfig:
    """Occupancy network; defaults are the paper's from 300 noisy points (section 4.3)."""

    sees: Literal["points", "image", "voxels", "object", "nothing"] = "points"
    """The observation: a cloud, a picture, voxels, the object's number in the training set (section 4.1),
    or nothing (the generative model, section 4.5)."""
    code_size: int = 512
    """Channels of the code c. Paper: 256 for pictures and voxels, 0 for the generative model."""
    latent_size: int = 0
    """Channels of the latent code z; 128 for the generative model, 0 for none."""
    posterior: bool = True
    """Whether a latent encoder q(z | p, o) learns along; without one, z is noise in training."""
    encoder: Literal["residual", "simple"] = "residual"
    """Kind of PointNet."""
    encoder_width: int = 512
    """Channels of the PointNet's blocks; channels of the picture encoder's first stage (64: ResNet-18)."""
    objects: int = 0
    """Objects of the training set, where each has a code of its own."""
    field: Literal["cbn", "cbn2", "cbn_chain", "batchnorm", "simple"] = "cbn"
    """How the code sets the field: conditional batch normalisation (cbn2: z is added to c), the same
    without residual connections, or added once with or without batch normalisation."""
    field_width: int = 256
    """Channels of the field. Paper: 128 for `simple`."""
    field_blocks: int = 5
    """Residual blocks of the field."""
    leaky: bool = False
    """LeakyReLU in the field's last activation."""
    latent_leaky: bool = False
    """LeakyReLU and mean pooling in the latent encoder."""
    cloud_size: int = 300
    """Points the network was trained with; clouds are drawn to this size."""
    noise: float = 0.005
    """Training: noise of the clouds, object's longest edge 1."""
    points: int = 2048
    """Training: labelled points per object. Paper: 1,024 for voxels."""
    image_size: int = 224
    """Pixels along the edges of the picture that the network sees."""
    crop: float = 1.0
    """Training: smallest share of a picture that is shown, enlarged. Paper: 0.75."""
    vary: float = 0.0
    """Training: how much of a picture's light, colours and frame is left to chance, from 0 to 1."""
    dropout: float = 0.0
    """Training: share of the picture's features that the code does without."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    mirror: bool = False
    """Training: show every other object mirrored from left to right."""
    padding: float = 0.1
    """Part by which the field's box exceeds the unit box."""
    threshold: float = 0.2
    """Occupancy probability on the surface."""

    def __post_init__(self) -> None:
        if self.sees == "nothing" and not self.latent_size:
            raise InputError("a network that sees nothing needs a latent code: set latent_size, paper 128")
        if self.sees == "nothing" and self.code_size:
            raise InputError("a network that sees nothing has no code c: set code_size 0")
        if self.sees == "object" and self.objects < 1:
            raise InputError("a code for each object needs their number: set objects")
        if self.sees == "object" and self.mirror:
            raise InputError(
                "mirrored objects would need codes of their own: set mirror or sees=object, not both"
            )
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold {self.threshold} is not a probability between 0 and 1")


class ONet(System):
    """Occupancy from one code for the whole shape."""

    def __init__(self, config: ONetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        self.latent = (
            LatentEncoder(config.latent_size, config.code_size, leaky=config.latent_leaky)
            if config.latent_size and config.posterior
            else None
        )
        self.field, self.latent_to_code = _field(config)

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Equations 3 and 4: cross entropy summed over the points, plus KL(q(z | p, o) || N(0, 1))."""
        code = self._seen(batch)
        losses = {}
        z = None
        if self.latent is not None:
            posterior = self.latent(batch.points, batch.inside, code)
            z = posterior.rsample()
            losses["divergence"] = divergence(posterior).mean()
        elif self.config.latent_size:
            z = torch.randn(len(batch.points), self.config.latent_size, device=batch.points.device)
        logits = self.field(batch.points, self.condition(code, z))
        entropy = binary_cross_entropy_with_logits(logits, batch.inside, reduction="none")
        return {"occupancy": entropy.sum(-1).mean(), **losses}

    def condition(self, code: Float[Tensor, "b c"] | None, z: Float[Tensor, "b z"] | None = None) -> Code:
        """What the field is told: the code and, behind it, the latent code (its prior mean if None)."""
        if not self.config.latent_size:
            assert code is not None
            return Code(code)
        if z is None:
            assert code is not None
            z = code.new_zeros(len(code), self.config.latent_size)
        if self.latent_to_code is not None:
            return Code(code + self.latent_to_code(z))
        return Code(z if code is None else torch.cat([code, z], -1))

    def _seen(self, batch: OccupancyBatch) -> Float[Tensor, "b c"] | None:
        if self.encoder is None:
            return None
        names = {"points": "cloud", "image": "images", "voxels": "voxels", "object": "item"}
        return self.encoder(getattr(batch, names[self.config.sees])).vector

    @classmethod
    def batches(cls, config: ONetConfig, data: Path, seed: int, size: int) -> OccupancySource:
        """Observations and labelled points of a data set in the ONet layout.

        Raises:
            InputError: `data` is no such data set, or lacks what the network sees.
        """
        choices: dict[str, Any] = {"points": config.points, "noise": config.noise, "mirror": config.mirror}
        kinds = {"object": ObjectSource, "nothing": UnseenSource, "voxels": VoxelSource, "image": PhotoSource}
        kind = kinds.get(config.sees, OccupancySource)
        if config.sees == "image":
            choices |= {"image_size": config.image_size, "crop": config.crop, "vary": config.vary}
        cloud_size = config.cloud_size if config.sees == "points" else 0
        return kind.of(data, seed, size, cloud_size, config.held, config.only, **choices)

    @property
    def wants(self) -> type[PointCloud | Photo | Voxels] | None:
        """None for networks that see an object's number, or nothing."""
        return {"points": PointCloud, "image": Photo, "voxels": Voxels}.get(self.config.sees)

    @property
    def judged_by(self) -> str:
        """Without an observation, the evidence lower bound on shapes that are held out."""
        return "bound" if self.config.sees == "nothing" else "iou"

    def reconstruct(self, observation: PointCloud | Photo | Voxels | int) -> Scene:
        """The shape the network sees, or that has this number in its training set; deterministic.

        From a picture or a number the shape comes in the unit box, centred, upright as in training.

        Raises:
            ValueError: The observation isn't what the network was trained on, or has no extent.
        """
        if isinstance(observation, int) and isinstance(self.encoder, CodeTable):
            return self.scene(self.encoder.of(observation))
        code, unit = self.encode(observation)
        return self.scene(self.condition(code), unit)

    @torch.no_grad()
    def encode(
        self, observation: PointCloud | Photo | Voxels | int
    ) -> tuple[Float[Tensor, "1 c"], Similarity]:
        """The observation's code, and the map from its frame to the unit box.

        Raises:
            ValueError: As `reconstruct`.
        """
        wanted = self.wants
        if wanted is None or self.encoder is None:
            hint = "`isofield generate` draws from it" if self.latent else "it only knows its training set"
            raise InputError(f"this network sees no observations: {hint}")
        if not isinstance(observation, wanted):
            raise InputError(f"this network reads {wanted.__name__}, not {type(observation).__name__}")
        seen, unit = self._prepared(observation)
        training = self.training
        try:
            self.eval()
            tensor = torch.as_tensor(seen, dtype=torch.float32, device=self.field.out.weight.device)
            return self.encoder(tensor[None]).vector, unit
        finally:
            self.train(training)

    @torch.no_grad()
    def posterior_mean(
        self, points: Float[Tensor, "b n 3"], inside: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b z"]:
        """The latent code that labelled points of a shape in the unit box are most likely to have.

        Raises:
            InputError: The network has no latent code, or is conditional.
        """
        if self.latent is None or self.encoder is not None:
            raise InputError("only the generative network finds a latent code for a shape")
        return self.latent(points, inside, None).mean

    def draw(self, seed: Sequence[int]) -> Float[Tensor, "1 z"]:
        """A latent code from the prior N(0, 1), the same for the same numbers.

        Raises:
            InputError: The network has no latent code.
        """
        if not self.config.latent_size:
            raise InputError("this network has no latent code to draw; train one with `--sees nothing`")
        draw = np.random.default_rng([abs(number) for number in seed])
        return torch.from_numpy(draw.standard_normal((1, self.config.latent_size), dtype=np.float32))

    def shape(self, code: Float[Tensor, "1 c"]) -> Scene:
        """What a code stands for, of an observation or, for networks that see none, a latent one."""
        return self.scene(self.condition(None, code) if self.encoder is None else self.condition(code))

    def scene(self, condition: Code, unit: Similarity | None = None) -> Scene:
        """The shape of a condition, in the unit box or where `unit` (unit from world) says."""
        surface = log(self.config.threshold / (1 - self.config.threshold))
        inside = self.field.bind(condition).above(surface)
        inverse = Similarity() if unit is None else unit.inverse()
        return Scene(Box.cube(1 + self.config.padding), inverse, inside=inside)

    def _prepared(self, observation: PointCloud | Photo | Voxels) -> tuple[np.ndarray, Similarity]:
        """What the encoder takes, and the map from the observation's frame to the unit box."""
        if isinstance(observation, Photo):
            return resized(observation.image, self.config.image_size), Similarity()
        if isinstance(observation, Voxels):
            return _cube(observation), unit_from_world(np.stack([observation.box.low, observation.box.high]))
        unit = unit_from_world(observation.points)
        points = unit.apply(observation.points)
        order = np.random.default_rng(0).permutation(len(points))
        return points[np.resize(order, self.config.cloud_size)].astype(np.float32), unit


def divergence(posterior: Normal) -> Float[Tensor, " b"]:
    """KL(posterior || N(0, 1)), summed over the dimensions."""
    return kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1)


def resized(image: Float[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "s s 3"]:
    """The picture at another size: antialiased where it shrinks, bilinear where it grows."""
    if image.shape[:2] == (size, size):
        return image
    tensor = torch.as_tensor(image, dtype=torch.float32).permute(2, 0, 1)[None]
    scaled = nn.functional.interpolate(tensor, (size, size), mode="bilinear", antialias=True)
    return scaled[0].permute(1, 2, 0).clamp(0, 1).numpy()


def _cube(voxels: Voxels) -> np.ndarray:
    if voxels.occupied.shape != (32, 32, 32):
        raise InputError(
            f"this network reads 32 x 32 x 32 voxels, not {' x '.join(map(str, voxels.occupied.shape))}"
        )
    return voxels.occupied


def _encoder(config: ONetConfig) -> nn.Module | None:
    """Observation -> Code, as the config says."""
    c = config
    if c.sees == "points":
        simple = c.encoder == "simple"
        return PointNet(c.code_size, c.encoder_width, 4 if simple else 5, residual=not simple)
    if c.sees == "image":
        return ImageCode(c.code_size, c.encoder_width, c.dropout)
    if c.sees == "voxels":
        return VoxelCode(c.code_size)
    return CodeTable(c.objects, c.code_size) if c.sees == "object" else None


def _field(config: ONetConfig) -> tuple[CbnField | CbnChain | ResidualField, nn.Linear | None]:
    """The field, and the layer that adds the latent code to the code (cbn2)."""
    c = config
    sizes = {"features": c.code_size, "width": c.field_width, "blocks": c.field_blocks}
    if c.field == "cbn2":
        to_code = nn.Linear(c.latent_size, c.code_size) if c.latent_size else None
        return CbnField(**sizes, leaky=c.leaky), to_code
    if c.field == "cbn":
        return CbnField(**sizes, latent=c.latent_size, leaky=c.leaky), None
    if c.field == "cbn_chain":
        return CbnChain(**sizes, latent=c.latent_size, leaky=c.leaky), None
    norm = c.field == "batchnorm"
    return ResidualField(**sizes, latent=c.latent_size, leaky=c.leaky, norm=norm), None
