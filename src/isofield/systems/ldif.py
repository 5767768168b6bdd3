"""Structured and Local Deep Implicit Functions: SIF (Genova et al., ICCV 2019, arXiv:1904.06447) and
LDIF (Genova et al., CVPR 2020, arXiv:1912.06126).

    points -> elements (height c_i, place and shape of a Gaussian G_i)
    points near each element -> code z_i
    F(x) = sum_i c_i G_i(x) (1 + f(z_i, y_i(x))),    inside where F < -0.07

Each element speaks for a part of the shape, and one small network f adds detail in the element's frame
(equations 1 and 2). Without codes the Gaussians stand alone: that is SIF. Half of the elements are heard
mirrored as well. P(outside) = sigmoid(100 (F + 0.07)) learns from points of known occupancy by squared
errors, and centres are held inside the shape. The object fills the cube of +-0.7 in the original's units,
in which elements are written; the scene has it in +-0.5.
"""

from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from isofield.batch import OccupancyBatch
from isofield.data.occupancy import NEAR, ObjectSource, OccupancySource
from isofield.encoders.elements import ElementEncoder, LocalCodes, first_activations
from isofield.errors import InputError
from isofield.fields.elements import ElementField
from isofield.geometry import Box, Similarity
from isofield.observation import PointCloud, unit_from_world
from isofield.ops.elements import Elements, rotations
from isofield.scene import Scene
from isofield.system import System

EXTENT = 1.4
"""Units of the original for one of the scene: its cube reaches from -0.7 to 0.7."""
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class LDIFConfig:
    """Shape elements with local networks; defaults are the published LDIF's (32 elements, 16 mirrored)."""

    sees: Literal["points", "object"] = "points"
    """The observation: a cloud, or the object's number in the training set: elements are fitted directly."""
    elements: int = 32
    """Elements of a shape. SIF: 100 in the paper, later 32."""
    symmetric: int = 16
    """Elements that are heard a second time, mirrored. SIF: 0."""
    mirror: Literal["x", "y", "z"] = "z"
    """Axis along which they are mirrored; z in official files."""
    code_size: int = 32
    """Channels of an element's code; 0 for SIF: Gaussians alone."""
    rotated: bool = True
    """Whether elements are turned. SIF in the paper: along the axes."""
    width: int = 32
    """Channels of the local network."""
    blocks: int = 1
    """Residual blocks of the local network."""
    radius: float = 0.15
    """Largest deviation of a Gaussian, in units of the cube of +-0.7."""
    turn: float = pi / 4
    """Largest angle of an element's turns."""
    level: float = -0.07
    """F on the surface."""
    hardness: float = 100.0
    """Steepness of the occupancy around the surface."""
    objects: int = 0
    """Objects of the training set, where each has elements of its own."""
    official_frame: bool = False
    """Results come in the frame of official files (+-0.7), as of converted ones, not in the unit box."""
    encoder_width: int = 128
    """Channels of the PointNets that see the whole cloud, and what is around an element's start."""
    local_points: int = 1024
    """Points that the code of an element is told from, at most."""
    local_reach: float = 4.0
    """How near these are, in the element's deviations."""
    cloud_size: int = 3000
    """Points of the observed clouds."""
    noise: float = 0.0
    """Training: noise of the clouds, object's longest edge 1."""
    points: int = 1024
    """Training: labelled points of the whole box, per object."""
    near: int = 1024
    """Training: labelled points near the surface; 0 for data sets without."""
    near_weight: float = 0.1
    """Training: weight of the points near the surface."""
    inside_weight: float = 1.0
    """Training: weight of points inside among those of the whole box. SIF: 10."""
    box_weight: float = 10.0
    """Training: of centres outside of the cube."""
    centre_weight: float = 1.0
    """Training: of centres outside of the shape."""
    slack: float = 0.044
    """Training: how far outside centres may be, in units of the cube of +-0.7."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""

    def __post_init__(self) -> None:
        if self.elements < 1:
            raise InputError(f"a shape of {self.elements} elements is none; set elements to 1 or more")
        if not 0 <= self.symmetric <= self.elements:
            raise InputError(f"of {self.elements} elements {self.symmetric} can't be mirrored; set symmetric")
        if self.sees == "object" and self.objects < 1:
            raise InputError("elements for each object need the number of objects: set objects")

    @property
    def size(self) -> int:
        """Numbers of an element besides its code: height, centre, radii, angles."""
        return 10 if self.rotated else 7


class LDIF(System):
    """A shape as a sum of local elements."""

    def __init__(self, config: LDIFConfig) -> None:
        super().__init__()
        c = self.config = config
        self.field = ElementField(c.code_size, c.width, c.blocks)
        self.table = self.encoder = self.local = None
        if c.sees == "object":
            self.table = nn.Embedding(c.objects, c.elements * (c.size + c.code_size))
            first = first_activations(c.objects, c.elements, c.size + c.code_size, 0)
            self.table.weight.data.copy_(first.flatten(1))
            return
        self.encoder = ElementEncoder(
            c.elements, c.size, c.encoder_width, symmetric=c.symmetric, axis=AXES.index(c.mirror)
        )
        self.local = LocalCodes(c.code_size, c.local_points, c.local_reach) if c.code_size else None

    def losses(self, batch: OccupancyBatch) -> dict[str, Float[Tensor, ""]]:
        """Squared errors of P(outside) everywhere and near the surface, and of centres that are outside."""
        c = self.config
        elements = self.elements(batch.cloud if c.sees == "points" else batch.item)
        places, inside, count = batch.points, batch.inside, batch.points.shape[1]
        if batch.near is not None and batch.near_inside is not None:
            places, inside = torch.cat([places, batch.near], 1), torch.cat([inside, batch.near_inside], 1)
        errors = (self.outside(self.field(EXTENT * places, elements)) - (1 - inside)).square()
        weight = 1 + (c.inside_weight - 1) * batch.inside
        losses = {"uniform": (weight * errors[:, :count]).mean()}
        if places.shape[1] > count:
            losses["near"] = c.near_weight * errors[:, count:].mean()
        beyond = (elements.centres.abs() - EXTENT / 2).relu()
        losses["box"] = c.box_weight * beyond.square().mean()
        away = outside_by(elements.centres, EXTENT * places, inside > 0.5, c.slack)
        losses["centres"] = c.centre_weight * away.square().mean()
        return losses

    def outside(self, values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Probability of being outside, of values of F."""
        return torch.sigmoid(self.config.hardness * (values - self.config.level))

    def elements(self, seen: Tensor | None) -> Elements:
        """Elements and codes of what is seen: clouds (b n 3) in the unit box, or numbers of objects."""
        c = self.config
        assert seen is not None
        if self.table is not None:
            return self.activated(self.table(seen).unflatten(-1, (c.elements, -1)))
        assert self.encoder is not None
        cloud = EXTENT * seen
        raw = self.encoder(cloud)
        if self.local is None:
            return self.activated(raw)
        return self.activated(torch.cat([raw, self.local(cloud, self.activated(raw))], -1))

    def activated(self, raw: Float[Tensor, "b e p"]) -> Elements:
        """Elements from unbounded numbers: height, centre 3, radii 3, angles 3 if turned, code."""
        c = self.config
        height, centre, radii, angles, code = raw.split([1, 3, 3, c.size - 7, raw.shape[-1] - c.size], -1)
        return Elements(
            constants=-height[..., 0].abs(),
            centres=centre / 2,
            variances=(c.radius * radii.sigmoid()).square(),
            angles=angles.clamp(-c.turn, c.turn) if c.rotated else torch.zeros_like(centre),
            codes=code,
            symmetric=c.symmetric,
            axis=AXES.index(c.mirror),
        )

    @classmethod
    def batches(cls, config: LDIFConfig, data: Path, seed: int, size: int) -> OccupancySource:
        """Clouds and labelled points of a data set in the ONet layout, those near the surface included.

        Raises:
            InputError: `data` is no such data set, or has no points near the surface.
        """
        kind, cloud_size = (
            (OccupancySource, config.cloud_size) if config.sees == "points" else (ObjectSource, 0)
        )
        choices: dict[str, Any] = {"noise": config.noise, "points": config.points, "near": config.near}
        source = kind.of(data, seed, size, cloud_size, config.held, config.only, **choices)
        if config.sees == "object" and len(source.models) > config.objects:
            count = len(source.models)
            raise InputError(f"{data} has {count} objects to learn: set objects={count}, or choose with only")
        if config.near and not (close := source.models[0].folder / NEAR).is_file():
            raise InputError(f"{close} is missing: set near=0, or write it with isofield prepare --near")
        return source

    @property
    def wants(self) -> type[PointCloud] | None:
        """None where it knows its objects by number."""
        return PointCloud if self.config.sees == "points" else None

    @torch.no_grad()
    def reconstruct(self, observation: PointCloud | int | None = None) -> Scene:
        """The shape of the cloud, or of the object with this number; None is the only object there is.

        Raises:
            InputError: The observation isn't what was learned from, or there is no such object.
        """
        training = self.training
        try:
            self.eval()
            if self.table is not None:
                return self.scene(self.elements(self._number(observation)))
            if not isinstance(observation, PointCloud):
                raise InputError(f"this network reads PointCloud, not {type(observation).__name__}")
            unit = unit_from_world(observation.points)
            points = unit.apply(observation.points)
            order = np.random.default_rng(0).permutation(len(points))
            seen = torch.as_tensor(points[np.resize(order, self.config.cloud_size)], dtype=torch.float32)
            return self.scene(self.elements(seen[None].to(self._weight)), unit)
        finally:
            self.train(training)

    def scene(self, elements: Elements, unit: Similarity | None = None) -> Scene:
        """The shape of elements, in the unit box or where `unit` (unit from world) says."""
        bound, level = self.field.bind(elements), self.config.level
        back = Similarity(EXTENT) if self.config.official_frame else Similarity()

        def inside(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            return level - bound(EXTENT * points)

        return Scene(
            Box.cube(1.1),
            back if unit is None else unit.inverse(),
            inside=inside,
            notes={"elements": notes(elements)},
        )

    def _number(self, observation: Any) -> Tensor:
        count = self.config.objects
        if observation is None and count > 1:
            raise InputError(f"this network knows {count} objects by number; reconstruct(number) takes one")
        if observation is not None and not (isinstance(observation, int) and 0 <= observation < count):
            raise InputError(
                f"this network sees no observations: it only knows its {count} objects by number"
            )
        return torch.tensor([observation or 0], device=self._weight.device)

    @property
    def _weight(self) -> Tensor:
        return next(self.parameters())


def outside_by(
    centres: Float[Tensor, "b e 3"],
    places: Float[Tensor, "b n 3"],
    inside: Bool[Tensor, "b n"],
    slack: float,
) -> Float[Tensor, "b e"]:
    """How much more than `slack` each centre is away from the shape, as far as labelled places tell.

    Zero where the nearest place is inside, else the distance to the nearest place inside. The original looks
    the distance up in a coarse grid of 32^3.
    """
    distance = torch.cdist(centres, places, compute_mode="donot_use_mm_for_euclid_dist")
    full = distance.masked_fill(~inside[:, None], torch.inf).amin(-1)
    free = distance.detach().masked_fill(inside[:, None], torch.inf).amin(-1)
    known = full.isfinite() & (free < full)  # a shape that no place is inside of says nothing
    return torch.where(known, full - slack, torch.zeros_like(full)).relu()


def notes(elements: Elements) -> dict[str, Any]:
    """The elements of one shape in the frame of its scene, as plain JSON: radii are deviations."""
    return {
        "centres": (elements.centres[0] / EXTENT).tolist(),
        "radii": (elements.variances[0].sqrt() / EXTENT).tolist(),
        "rotations": rotations(elements.angles[0]).tolist(),
        "symmetric": elements.symmetric,
        "axis": AXES[elements.axis],
    }
