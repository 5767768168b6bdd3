"""Implicit Differentiable Renderer (Yariv et al., NeurIPS 2020, arXiv:2003.09852).

    ray (c, v) --trace f--> x = c + t v,  f(x) = 0  --> L(x, grad f(x), z(x), -v) --> colour

The surface is the zero set of a signed distance f; a second network L tells what light leaves it. The
point x is a differentiable function of the network and of the camera (equation 3), so pictures with
masks teach shape, light and, where `cameras` says so, the cameras themselves:

    loss = |colour - L|  +  0.1 (|grad f| - 1)^2  +  100 / alpha  cross entropy(mask, sigmoid(-alpha min f))
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from isofield.data.pixels import PixelBatch, Pixels, PixelSource
from isofield.data.view_frame import frame_of
from isofield.errors import InputError
from isofield.fields.idr import CHUNK, DistanceField, LightField, Mode
from isofield.geometry import Box, Similarity
from isofield.geometry.rays import Rays
from isofield.observation import Views
from isofield.render.sphere_tracing import SAMPLES, trace_training, within_ball
from isofield.render.surface import attached
from isofield.scene import Scene
from isofield.system import System
from isofield.systems.fitting import Fit, Told, fit
from isofield.systems.idr_cameras import REACH, WHOLE, CameraCorrection, aligning_turns, graze

ENLARGED = 1.2
"""Of the scene's unit cube, to nearly fill the ball of radius 1 that rays are traced in."""

ROUND = 75
"""Steps that the surface takes from a ball to something that cameras can be aligned with."""


@dataclass(frozen=True)
class IDRConfig:
    """Implicit differentiable renderer; sizes and weights are those of the original code."""

    width: int = 512
    """Channels of both networks."""
    layers: int = 8
    """Of the distance, besides the last."""
    light_layers: int = 4
    """Of the light, besides the last."""
    features: int = 256
    """Channels of z, what the distance tells the light."""
    octaves: int = 6
    """Of the position's encoding."""
    view_octaves: int = 4
    """Of the direction's encoding."""
    skip: int = 4
    """Layer of the distance that sees the position again."""
    mode: Mode = "idr"
    """What the light sees; `no_view_dir` is dull, `no_normal` leaves out the normal."""
    start_radius: float = 0.6
    """Of the sphere that the distance starts as."""
    ball: float = 1.0
    """Radius of the ball that holds the object."""
    eikonal: float = 0.1
    """Weight of the unit slope."""
    mask: float = 100.0
    """Weight of the masks."""
    alpha: float = 50.0
    """Sharpness of the masks at the start."""
    sharpen: tuple[float, ...] = (0.125, 0.25, 0.375, 0.5, 0.625)
    """Shares of the training after which alpha is doubled (epochs 250, 500, ... of 2,000)."""
    cameras: int = 0
    """Pictures whose cameras are learned along; 0 trusts the cameras that are given."""
    camera_rate: float = 1.0
    """Rate of the cameras' turns, in units of the networks'."""
    shift_rate: float = 1.0
    """Rate of the cameras' shifts. A turn and a shift move the picture alike, so both take up an error in
    either; where directions are known worse than places, 0.1 leaves it to the turns."""
    align_every: int = 0
    """Steps between alignments of the cameras' turns by the masks, each a Newton step; 0 for none, as
    published. Takes hundreds of steps where the learned rates take thousands."""
    align_pairs: int = 256
    """Pairs of pixels beside each picture's outline, in an alignment."""
    steps: int = 100_000
    """Of the training on one scene, from which the schedules are taken."""
    rays: int = 2048
    """Pixels of one step."""
    on_object: float = 0.0
    """Share of the pixels that are drawn from the masks alone."""
    samples: int = SAMPLES
    """Along rays that should hit nothing, where distances are compared."""
    rate: float = 1e-4
    """Adam's learning rate."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Shares of the training after which all rates are halved."""
    seed: int = 0
    """Of pixels and points."""


class IDR(System):
    """Signed distance and light of one scene, from its pictures with masks."""

    def __init__(self, config: IDRConfig) -> None:
        super().__init__()
        c = self.config = config
        skip = c.skip if c.skip < c.layers else 0
        self.distance = DistanceField(c.features, c.width, c.layers, c.octaves, skip, c.start_radius)
        self.light = LightField(c.features, c.width, c.light_layers, c.view_octaves, c.mode)
        self.poses = CameraCorrection(c.cameras) if c.cameras else None

    def losses(self, batch: PixelBatch) -> dict[str, Float[Tensor, ""]]:
        """Colours of rays that hit what they should, unit slopes, and the masks of all other rays."""
        c, rays = self.config, self.rays(batch)
        draw = torch.Generator().manual_seed(c.seed * 1_000_003 + batch.step)
        shares, cube = torch.rand(c.samples, generator=draw), torch.rand(len(rays) // 2, 3, generator=draw)
        cube = (2 * cube - 1) * c.ball
        alpha = c.alpha * 2 ** sum(batch.step >= share * c.steps for share in c.sharpen)
        return self.terms(
            rays, batch.mask.flatten() > 0.5, 2 * batch.colours.flatten(0, 1) - 1,
            shares.to(rays.near), cube.to(rays.near), alpha,
        )  # fmt: skip

    def terms(
        self,
        rays: Rays,
        mask: Bool[Tensor, " r"],
        colours: Float[Tensor, "r 3"],
        shares: Float[Tensor, " s"],
        cube: Float[Tensor, "e 3"],
        alpha: float,
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses under given draws: where distances are compared, and points anywhere."""
        count = len(rays)
        traced = trace_training(self.distance.bind(), rays, mask, shares)
        seen = traced.hit & mask
        shown = self.shade(rays[seen], traced.t[seen])
        beside = ~seen
        distance = self.distance(rays[beside].at(traced.t[beside]))[:, 0]
        outline = binary_cross_entropy_with_logits(
            -alpha * distance, mask[beside].to(distance), reduction="sum"
        )
        places = torch.cat([cube, rays.at(traced.t).detach()])
        slope = self.distance.gradient(places)[1].norm(dim=-1)
        return {
            "colour": (shown - colours[seen]).abs().sum() / count,
            "eikonal": self.config.eikonal * (slope - 1).square().mean(),
            "mask": self.config.mask / alpha * outline / count,
        }

    def shade(self, rays: Rays, t: Float[Tensor, " r"]) -> Float[Tensor, "r 3"]:
        """Colours in [-1, 1] of the surface at t, differentiable in the place, the networks and the rays."""
        if torch.is_grad_enabled():
            t = attached(lambda points: self.distance(points)[:, 0], rays, t, least=0.0)
        points = rays.at(t)
        values, normals = self.distance.gradient(points)
        return self.light(points, normals, -rays.directions, values[:, 1:])

    def rays(self, batch: PixelBatch) -> Rays:
        """The batch's rays within the ball, through cameras as they are known by now."""
        origins, directions = batch.origins.flatten(0, 1), batch.directions.flatten(0, 1)
        if self.poses is not None and batch.view is not None:
            origins, directions = self.poses(origins, directions, batch.view.flatten())
        zero = torch.zeros_like(origins[:, 0])
        return within_ball(Rays(origins, directions, zero, zero), self.config.ball)

    @property
    def wants(self) -> type[Views]:
        """Pictures of one scene, with masks."""
        return Views

    def reconstruct(self, observation: Any) -> Scene:
        """The scene that the pictures show, learned from the start.

        Raises:
            ValueError: It is no such observation, or the pictures have no masks.
        """
        if not isinstance(observation, Views):
            raise InputError(f"this network reads Views, not {type(observation).__name__}")
        unit = self.frame(observation)
        self.fit(observation, unit)
        return self.scene(unit)

    def frame(self, views: Views) -> Similarity:
        """The map that takes the object of the pictures into the ball.

        Raises:
            InputError: The pictures have no masks.
        """
        if views.masks is None:
            raise InputError("IDR learns from masks; these pictures have none")
        found = frame_of(views).scene_from_world
        return Similarity(ENLARGED * found.scale, found.rotation, ENLARGED * found.translation)

    def fit(self, views: Views, unit: Similarity, told: Told | None = None) -> None:
        """Learn the scene; `unit` takes the world into the ball."""
        c = self.config
        source = PixelSource(Pixels.of(views, unit), c.rays, c.seed, on_object=c.on_object)
        if self.poses is not None and len(source.pixels.origins) != c.cameras:
            raise InputError(f"cameras is {c.cameras}, but there are {len(source.pixels.origins)} pictures")
        apart = {}
        if self.poses is not None:
            self.poses.axes.copy_(source.pixels.axes)
            apart = {self.poses.turn: c.camera_rate, self.poses.shift: c.shift_rate}
        edges = source.pixels.edges() if self.poses is not None and c.align_every else None

        def heard(step: int, losses: dict[str, float]) -> None:
            if edges is not None and step >= ROUND and step % c.align_every == 0:
                self.align(source.pixels, edges, (step - ROUND) // c.align_every)
            if told is not None:
                told(step, losses)

        fit(self, source, Fit(c.steps, c.rate, c.milestones), apart, heard)

    def align(self, pixels: Pixels, edges: Int[Tensor, " e"], number: int) -> None:
        """Turn the cameras so that their masks suit the surface as it is by now."""
        assert self.poses is not None
        c, draw = self.config, np.random.default_rng([self.config.seed, 2, number])
        which = pixels.beside(edges, draw, c.align_pairs, REACH)
        batch = pixels[which]
        with torch.no_grad():
            rays = self.rays(batch)
        meets = rays.near < rays.far
        rays, mask, view = rays[meets], pixels.mask[which[meets]] > 0.5, pixels.view[which[meets]]
        turns = aligning_turns(graze(self.distance.bind(), rays), rays, mask, view, c.cameras)
        self.poses.turn_by(min(1.0, WHOLE / (number + 1)) * turns)

    def scene(self, unit: Similarity) -> Scene:
        """What has been learned, in a box around the ball."""
        distance = self.distance.bind()
        box = Box.cube(2 * self.config.ball)
        return Scene(box, unit.inverse(), inside=lambda p: -distance(p), colour=self._colour)

    def _colour(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """RGB in [0, 1] as seen from straight above the surface."""
        with torch.inference_mode(False):
            parts = []
            for part in points.clone().split(CHUNK):
                values, normals = self.distance.gradient(part)
                with torch.no_grad():
                    eye = torch.nn.functional.normalize(normals, dim=-1)
                    parts.append((self.light(part, normals, eye, values[:, 1:]) + 1) / 2)
            return torch.cat(parts).detach()
