"""NeRF (Mildenhall et al., ECCV 2020, arXiv:2003.08934).

    pictures with cameras -> rays -> f(p, d) = (density, colour) -> what the rays see

Two networks learn one scene: the coarse one is asked at 64 equidistant places along each ray, the fine
one at those and at 128 more where the coarse one saw something. Both should see the picture's pixel.
The surface is where the fine density crosses a level.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from isofield.data.ray_source import Bounds, RayBatch, RaySource, bounded_rays
from isofield.errors import InputError
from isofield.fields.nerf import BoundNerf, NerfField
from isofield.geometry import Box, Similarity
from isofield.geometry.camera import Camera
from isofield.geometry.rays import Rays
from isofield.ops.transmittance import FOREVER
from isofield.render.volume import Radiance, Rendered, render_all, render_samples, render_twice
from isofield.scene import Scene
from isofield.system import System


@dataclass(frozen=True)
class NeRFConfig:
    """Radiance of one scene; defaults are the paper's for the synthetic scenes (section 5.3, appendix A)."""

    depth: int = 8
    """Layers of the trunk."""
    width: int = 256
    """Channels of the trunk."""
    skips: tuple[int, ...] = (4,)
    """Layers behind which the encoded place comes again."""
    octaves: int = 10
    """Of the encoding of places."""
    view_octaves: int | None = 4
    """Of the encoding of directions; none: colour doesn't depend on the direction."""
    flexible: bool = False
    """Feature with activation, first layer without: the second family of official weights."""
    coarse: int = 64
    """Samples of the first pass."""
    fine: int = 128
    """Samples that the second pass adds."""
    two: bool = True
    """Whether the second pass has a network of its own."""
    extent: float = 2.0
    """The network's input for one unit of the scene; powers of two round nothing, which the steepest waves
    would show."""
    box: float = 1.0
    """Edge of the scene's box, in which a surface is looked for."""
    near: float | None = None
    """Depth where rays begin, in units of the world (paper: 2); none: where they enter the cube."""
    far: float | None = None
    """Depth at which rays end (paper: 6)."""
    reach: float = 1.1
    """Edge of the cube in which rays are sampled, the scene's box being 1."""
    background: float = 1.0
    """Grey behind the scene: 1 white, 0 black."""
    noise: float = 0.0
    """Training: standard deviation of noise on density logits. Paper: 1 for real scenes."""
    rays: int = 64
    """Training: rays for each item of a batch; 16 items make the paper's 1,024 and more."""
    early: int = 500
    """Training: steps that see the middles of the pictures only."""
    longest: int | None = 400
    """Training: pixels along the longest edge of a picture."""
    up: Literal["x", "y", "z"] = "y"
    """Axis of the scene that points up."""
    level: float = 10.0
    """Density, per unit of the network's input, on the surface."""

    def __post_init__(self) -> None:
        if (self.near is None) != (self.far is None):
            raise InputError("near and far go together: set both or none")
        if self.near is not None and self.far is not None and not 0 <= self.near < self.far:
            raise InputError(f"near {self.near} is not below far {self.far}")


class NeRF(System):
    """Radiance of one scene, from its pictures."""

    place: Tensor

    def __init__(self, config: NeRFConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        sizes = (c.depth, c.width, c.skips, c.octaves, c.view_octaves, c.flexible)
        self.coarse = NerfField(*sizes)
        self.fine = NerfField(*sizes) if c.two else None
        # where the scene is: known from the first batch on, kept with the weights
        self.register_buffer("place", torch.eye(4, dtype=torch.float64))

    def losses(self, batch: RayBatch) -> dict[str, Float[Tensor, ""]]:
        """Equation 6: squared errors of both passes, as means over the colours."""
        self.place.copy_(batch.world_from_scene)
        first, second = self.render(batch.rays, self._learning, jitter=torch.default_generator)
        return {
            "fine": mse_loss(second.colour, batch.colours),
            "coarse": mse_loss(first.colour, batch.colours),
        }

    def render(
        self,
        rays: Rays,
        radiance: Callable[[NerfField], Radiance],
        jitter: torch.Generator | None = None,
    ) -> tuple[Rendered, Rendered]:
        """What rays of the scene see in both passes; `radiance` makes a function of space of each network."""
        c = self.config
        both = radiance(self.coarse), radiance(self.fine or self.coarse)
        counts = (c.coarse, c.fine)
        return render_twice(*both, rays, counts, c.background, jitter, last=self.last)

    @property
    def last(self) -> float:
        """Length behind the last sample: endless where far was given, as published; none in the cube."""
        return FOREVER if self.config.far is not None else 0.0

    def _learning(self, field: NerfField) -> Radiance:
        """Radiance in the scene, with gradients and noise."""
        extent, noise = self.config.extent, self.config.noise if self.training else 0.0

        def radiance(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
            density, rgb = field(points * extent, directions)
            if noise:
                density = density + noise * torch.randn_like(density)
            return density.relu() * extent, rgb.sigmoid()

        return radiance

    def _bound(self, field: NerfField) -> Radiance:
        """Radiance in the scene, for speed."""
        return _in_scene(field.bind(), self.config.extent)

    @torch.inference_mode()
    def seen(self, rays: Rays) -> Float[Tensor, "r 3"]:
        """Colours of many rays of the scene."""
        return self.looked(rays).colour

    def looked(self, rays: Rays) -> Rendered:
        """Colour, opacity and depth of many rays of the scene, as the paper renders them."""
        bound = {field: self._bound(field) for field in (self.coarse, self.fine) if field is not None}
        return render_all(lambda some: self.render(some, bound.__getitem__)[1], rays)

    def picture(self, camera: Camera, height: int, width: int) -> Float[Tensor, "h w 3"]:
        """What a camera in the world sees."""
        rays = bounded_rays(camera, height, width, self.world_from_scene, self.bounds)
        return self.seen(rays).view(height, width, 3)

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.config.near, self.config.far, self.config.reach)

    @property
    def world_from_scene(self) -> Similarity:
        """Where the scene was found when the network learnt it."""
        matrix = self.place.cpu().numpy()
        scale = float((matrix[:3, 0] @ matrix[:3, 0]) ** 0.5)
        return Similarity(scale, matrix[:3, :3] / scale, matrix[:3, 3].copy())

    @classmethod
    def batches(cls, config: NeRFConfig, data: Path, seed: int, size: int) -> RaySource:
        """Rays through random pixels of a folder of photos with cameras.

        Raises:
            InputError: There are no cameras that we read, or too few pictures.
        """
        bounds = Bounds(config.near, config.far, config.reach)
        count = size * config.rays
        return RaySource.of(data, seed, count, config.longest, config.background, bounds, config.early)

    @property
    def wants(self) -> None:
        """Nothing: it knows the scene it has learnt."""
        return None

    @property
    def judged_by(self) -> str:
        return "psnr"

    def reconstruct(self, observation: Any = None) -> Scene:
        """The scene that was learnt; what is observed now adds nothing."""
        bound = (self.fine or self.coarse).bind()
        extent, level = self.config.extent, self.config.level
        radiance = _in_scene(bound, extent)

        def inside(points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
            return bound.logits(points * extent) / level - 1

        def background(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
            return torch.full_like(directions, self.config.background)

        return Scene(
            Box.cube(self.config.box),
            self.world_from_scene,
            inside=inside,
            colour=surface_colour(inside, radiance),
            radiance=radiance,
            background=background,
            notes={"level": level, "up": self.config.up},
        )


def _in_scene(bound: BoundNerf, extent: float) -> Radiance:
    """Lengths of the network's input to lengths of the scene."""

    def radiance(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        density, rgb = bound.radiance(points * extent, directions)
        return density.mul_(extent), rgb

    return radiance


def surface_colour(
    inside: Callable[[Tensor], Tensor], radiance: Radiance, skin: float = 0.015, samples: int = 12
) -> Callable[[Float[Tensor, "n 3"]], Float[Tensor, "n 3"]]:
    """Colour of places on the surface: what is seen of them along the normal, from just outside.

    A short ray through a skin of the cloud, not the colour of one place: density near its level is soft,
    and a place by itself has a colour that nobody sees.

    Args:
        inside: Rises along the direction of sight.
        radiance: Of the same scene.
        skin: How far before and behind the place the ray goes.
        samples: Along it.
    """

    def colour(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        inwards = _gradient(inside, points)
        zero = torch.zeros(len(points))
        rays = Rays(points - skin * inwards, inwards, zero, zero + 2 * skin)
        t = torch.linspace(0, 2 * skin, samples).expand(len(points), samples)
        seen = render_samples(radiance, rays, t, last=2 * skin / samples)
        return seen.colour / seen.opacity.clamp(min=1e-3)[:, None]

    return colour


def _gradient(inside: Callable[[Tensor], Tensor], points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Unit gradients, also where gradients are switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        moved = points.clone().requires_grad_()
        (slope,) = torch.autograd.grad(inside(moved).sum(), moved)
    return normalize(slope, dim=1)
