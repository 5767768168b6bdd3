"""Differentiable Volumetric Rendering (Niemeyer et al., CVPR 2020, arXiv:1912.07372).

    picture --ResNet-18--> code c;   ray --march f(., c), secant--> p^,  f(p^, c) = 0;   colour(p^, c)

Neither shapes nor depths need be known: a ray sees f's first crossing from free to occupied, which has an
implicit gradient (section 3.3), and pictures with masks teach through it. The losses (section 3.4):

    colour, depth    inside the mask, at the crossing
    free space       outside the mask, at the crossing or any place on the ray
    occupancy        inside the mask without a crossing, at any place on the ray or where the depth says
    smoothness       of the normal from the crossings to places nearby

Without pictures to tell objects apart, f has no code and learns one object from many views.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from isofield.data.occupancy import OccupancySource
from isofield.data.pixels import PixelBatch, Pixels, PixelSource
from isofield.data.posed import PosedSource
from isofield.data.seen_source import window
from isofield.data.view_frame import frame_of
from isofield.encoders.image import ImageCode
from isofield.errors import InputError
from isofield.fields.dvr import CodedMlp
from isofield.geometry import Box, Similarity
from isofield.geometry.rays import Rays
from isofield.observation import Photo, Views
from isofield.render.surface import Hits, intersect
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.fitting import Fit, Told, fit

Values = dict[str, Float[Tensor, ""]]
Field = Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n 4"]]
"""Points to the occupancy's logit and the colour's."""
NEARBY = 0.5e-3
"""Half the side of the cube of neighbours whose normals are compared."""
STEP = 1e-3
"""Of the differences that give normals."""


@dataclass(frozen=True)
class DVRConfig:
    """Differentiable volumetric rendering; defaults are those of the network that sees one picture."""

    sees: Literal["image", "views"] = "image"
    """One picture of any object like those of the training, or many views of the one object to learn."""
    code_size: int = 256
    """Channels of the code c; 0 for one object."""
    width: int = 512
    """Channels of the field. Paper: 128 where only colours are known."""
    blocks: int = 5
    """Residual blocks of the field."""
    encoder_width: int = 64
    """Channels of the picture encoder's first stage (64: ResNet-18)."""
    image_size: int = 224
    """Pixels along the edges of the picture that the network sees."""
    padding: float = 0.1
    """Part by which the box that rays are marched through exceeds the unit box."""
    march: tuple[int, ...] = (16, 32, 64, 128)
    """Training: samples per ray, first, and from each step of `march_at` on."""
    march_at: tuple[int, ...] = (50_000, 100_000, 250_000)
    """Training: steps from which the march is finer."""
    rays: int = 1024
    """Training: pixels per object. Paper: 2,048 for one object."""
    on_object: float = 0.0
    """Training: share of the pixels that are drawn from the mask alone."""
    colour: float = 1.0
    """Weight of colours, absolute differences."""
    gradient: float = 0.0
    """Weight of the differences of neighbouring pixels, drawn in squares of four. Paper: 1 for one object."""
    depth: float = 1.0
    """Weight of depths, where they are known. Paper: 10 for the network that sees a picture."""
    free: float = 1.0
    """Weight of free space outside the mask."""
    occupied: float = 1.0
    """Weight of occupancy inside the mask."""
    smooth: float = 0.05
    """Weight of the normals' smoothness. Paper: 0.1 for one object."""
    steps: int = 100_000
    """One object: steps of Adam."""
    rate: float = 1e-4
    """One object: learning rate, halved at half and three quarters of the steps."""
    held: int = 20
    """Training: models of the validation part to measure on."""
    only: tuple[str, ...] = ()
    """Training: objects with one of these words in their name; all if empty."""
    seed: int = 0
    """One object: of pixels."""

    def __post_init__(self) -> None:
        if (self.sees == "image") != (self.code_size > 0):
            raise InputError(
                "a network that sees an image has a code_size above 0, one of many views has none"
            )
        if len(self.march) != len(self.march_at) + 1:
            raise InputError(
                "march has one number more than march_at: the samples before the first of its steps"
            )


class DVR(System):
    """Occupancy and colour, learned from pictures through the surface that rays meet."""

    def __init__(self, config: DVRConfig) -> None:
        super().__init__()
        self.config = config
        seen = config.sees == "image"
        self.encoder = ImageCode(config.code_size, config.encoder_width) if seen else None
        self.field = CodedMlp(config.code_size, config.width, config.blocks)

    @property
    def box(self) -> Box:
        """That rays are marched through."""
        return Box.cube(1 + self.config.padding)

    def losses(self, batch: PixelBatch) -> Values:
        """Sums over pixels, means over objects, weighted."""
        codes = None if self.encoder is None else self.encoder(batch.images).vector
        steps = self.config.march[sum(batch.step >= at for at in self.config.march_at)]
        draw = torch.Generator().manual_seed(batch.step)
        terms = [
            self._of_object(batch, k, None if codes is None else codes[k], steps, draw)
            for k in range(len(batch))
        ]
        return {name: torch.stack([term[name] for term in terms]).mean() for name in terms[0]}

    def _of_object(
        self, batch: PixelBatch, k: int, code: Float[Tensor, " c"] | None, steps: int, draw: torch.Generator
    ) -> Values:
        c, both = self.config, self.field.rows(code)
        rays = rays_within(batch.origins[k], batch.directions[k], self.box)
        mask = batch.mask[k] > 0.5
        hits = intersect(lambda p: both(p)[:, 0], rays, steps)
        crossing = hits.found & ~hits.starts_inside
        seen = crossing & mask
        points = rays[seen].at(hits.t[seen])
        shown = both(points)[:, 1:].sigmoid()
        anywhere = torch.rand(len(rays), generator=draw).to(rays.near)
        depths = None if batch.depths is None else batch.depths[k]
        known = torch.zeros_like(mask) if depths is None else (depths > 0) & mask
        terms = {
            "colour": c.colour * (shown - batch.colours[k][seen]).abs().sum(),
            **self._occupancy(both, rays, hits, mask, anywhere, depths),
            "smooth": c.smooth * self._roughness(both, points.detach(), draw),
        }
        if depths is not None:
            both_known = known & crossing
            terms["depth"] = c.depth * (hits.t[both_known] - depths[both_known]).abs().sum()
        if c.gradient:
            terms["gradient"] = c.gradient * differences(shown, batch.colours[k], seen)
        return terms

    def _occupancy(
        self,
        both: Field,
        rays: Rays,
        hits: Hits,
        mask: Bool[Tensor, " r"],
        anywhere: Float[Tensor, " r"],
        depths: Float[Tensor, " r"] | None,
    ) -> Values:
        """Free space outside the mask, and occupancy inside it where nothing was hit."""
        meets = rays.near < rays.far
        t = (rays.near + anywhere * (rays.far - rays.near)).detach()
        free = ~mask & meets
        occupied = mask & ~hits.found & meets
        place = torch.where(hits.found, hits.t.detach(), t)
        if depths is not None:
            place = torch.where(occupied & (depths > 0), depths, place)
        chosen = free | occupied
        logits = both(rays[chosen].at(place[chosen]))[:, 0]
        wanted = occupied[chosen].to(logits)
        entropy = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        c = self.config
        return {
            "free": c.free * (entropy * (1 - wanted)).sum(),
            "occupied": c.occupied * (entropy * wanted).sum(),
        }

    def _roughness(
        self, both: Field, points: Float[Tensor, "n 3"], draw: torch.Generator
    ) -> Float[Tensor, ""]:
        """Sum of the distances between normals at the points and nearby."""
        nearby = (2 * torch.rand(points.shape, generator=draw).to(points) - 1) * NEARBY
        places = torch.cat([points, points + nearby])
        moves = torch.cat([torch.eye(3), -torch.eye(3)]).to(points) * STEP
        values = both((places[:, None] + moves).flatten(0, 1))[:, 0].view(-1, 2, 3)
        normals = normalize((values[:, 0] - values[:, 1]) / (2 * STEP), dim=-1, eps=1e-5)
        here, there = normals.chunk(2)
        # a square root without slope at zero would give none at all
        return ((here - there).square().sum(-1) + 1e-12).sqrt().sum()

    @classmethod
    def batches(cls, config: DVRConfig, data: Path, seed: int, size: int) -> OccupancySource | PixelSource:
        """Pictures and pixels of a data set, or of a folder of photos of one object.

        Raises:
            InputError: `data` is no such data set or folder, or lacks pictures, cameras or masks.
        """
        if config.sees == "image":
            choices = {"image_size": config.image_size, "rays": config.rays, "on_object": config.on_object}
            return PosedSource.of(data, seed, size, 0, config.held, config.only, **choices)
        from isofield.data.photos import read_views

        views, _ = read_views(data)
        return cls._source(config, views, _frame(views), seed)

    @staticmethod
    def _source(config: DVRConfig, views: Views, unit: Similarity, seed: int) -> PixelSource:
        pixels = Pixels.of(views, unit)
        return PixelSource(pixels, config.rays, seed, bool(config.gradient), config.on_object)

    @property
    def wants(self) -> type[Photo | Views]:
        """A picture, or many views of one object."""
        return Photo if self.config.sees == "image" else Views

    def reconstruct(self, observation: Any) -> Scene:
        """The object in the picture, in the unit box; or what the views show, learned from the start.

        Raises:
            ValueError: The observation is of the wrong kind, or views have no masks.
        """
        if not isinstance(observation, self.wants):
            raise InputError(f"this network reads {self.wants.__name__}, not {type(observation).__name__}")
        if isinstance(observation, Views):
            unit = self.frame(observation)
            self.fit(observation, unit)
            return self.scene(unit)
        size = self.config.image_size
        image = torch.from_numpy(window(observation.image, np.zeros(2), 1.0, size)).to(self.field.out.weight)
        training, encoder = self.training, self.encoder
        assert encoder is not None
        try:
            self.eval()
            with torch.no_grad():
                return self.scene(code=encoder(image[None]).vector[0])
        finally:
            self.train(training)

    def frame(self, views: Views) -> Similarity:
        """The map that takes the object of the pictures into the unit box.

        Raises:
            InputError: The pictures have no masks.
        """
        return _frame(views)

    def fit(self, views: Views, unit: Similarity, told: Told | None = None) -> None:
        """Learn one object; `unit` takes the world into the unit box."""
        c = self.config
        fit(self, self._source(c, views, unit, c.seed), Fit(c.steps, c.rate), told=told)

    def scene(self, unit: Similarity | None = None, code: Float[Tensor, " c"] | None = None) -> Scene:
        """The one object, or that of a code, in the unit box or where `unit` (unit from world) says."""
        inverse = Similarity() if unit is None else unit.inverse()
        return Scene(self.box, inverse, inside=self.field.bind(code), colour=self.field.bind_colour(code))


def rays_within(origins: Float[Tensor, "r 3"], directions: Float[Tensor, "r 3"], box: Box) -> Rays:
    """The rays between entering and leaving the box, in front of the camera."""
    zero = torch.zeros_like(origins[:, 0])
    return Rays(origins, directions, zero, torch.full_like(zero, torch.inf)).within(box)


def differences(
    shown: Float[Tensor, "m 3"], colours: Float[Tensor, "r 3"], seen: Bool[Tensor, " r"]
) -> Float[Tensor, ""]:
    """Sum of how far the steps to the right and down differ, in squares of four; unseen pixels are black."""
    ours = torch.zeros_like(colours).index_put((seen.nonzero()[:, 0],), shown)
    theirs = colours * seen[:, None]
    off = (ours - theirs).view(-1, 2, 2, 3)
    return (off[:, 0, 1] - off[:, 0, 0]).abs().sum() + (off[:, 1, 0] - off[:, 0, 0]).abs().sum()


def _frame(views: Views) -> Similarity:
    if views.masks is None:
        raise InputError("DVR learns from masks; these pictures have none")
    return frame_of(views).scene_from_world
