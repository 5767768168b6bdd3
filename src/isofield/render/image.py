"""A picture of anything from anywhere: of a scene by its functions, of a mesh by its faces.

radiance           the light along every ray, asked where there is something        (volume)
inside (+ colour)  the first crossing of every ray                                  (surface)
mesh               the first face that every ray meets
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from isofield.errors import InputError
from isofield.geometry import Box, Mesh, Similarity
from isofield.geometry.camera import Camera, pixel_centres
from isofield.geometry.rays import Rays
from isofield.render.mesh import MeshTracer
from isofield.render.occupancy import Counted, Occupancy, render_pruned
from isofield.render.surface import intersect
from isofield.render.volume import BATCH, Rendered
from isofield.scene import Scene

Kind = Literal["colour", "shaded", "normals", "depth"]
CLAY = (0.83, 0.79, 0.73)
"""Of a surface without colours."""
LAMP = (-0.45, -0.65, -0.61)
"""Direction to the lamp in the camera's frame: over its left shoulder."""
STEPS = 192
"""Of the march to the first crossing."""
SAMPLES = 256
"""Of a cloud, along the longest edge of its box."""


@dataclass(frozen=True)
class Met:
    """What rays meet, in their frame."""

    t: Float[Tensor, " r"]
    """Infinite where there is nothing."""
    normals: Float[Tensor, "r 3"]
    """Outwards; zero where there is nothing."""
    colours: Float[Tensor, "r 3"] | None


class Painter:
    """Takes pictures of one scene or mesh; what can be prepared once is.

    Args:
        subject: What is seen.
        background: RGB where nothing is; of a scene with radiance its own, if None.
        counted: Told the samples of volume rendering.
    """

    def __init__(
        self,
        subject: Scene | Mesh,
        background: tuple[float, float, float] | None = (1.0, 1.0, 1.0),
        counted: Counted | None = None,
    ) -> None:
        self.subject, self.background, self.counted = subject, background, counted or Counted()
        self.world_from_scene = Similarity() if isinstance(subject, Mesh) else subject.world_from_scene
        self.tracer = MeshTracer(subject) if isinstance(subject, Mesh) else None
        self._occupancy: Occupancy | None = None

    def kinds(self) -> list[Kind]:
        """Which pictures can be taken, the most telling first."""
        scene = self.subject
        if isinstance(scene, Mesh):
            coloured, solid = scene.colours is not None, True
        else:
            solid = scene.inside is not None
            coloured = _is_lit(scene) or (solid and scene.colour is not None)
        some = ["colour"] * coloured + ["shaded", "normals"] * solid + ["depth"] * (solid or coloured)
        return cast("list[Kind]", some)

    @property
    def box(self) -> Box:
        """Around what there is to see, in the frame of the mesh or scene."""
        if isinstance(self.subject, Mesh):
            return Box.around(self.subject.vertices)
        return self.subject.box if self.subject.radiance is None else self.occupancy.tight

    @torch.no_grad()
    def picture(
        self, camera: Camera, height: int, width: int, kind: Kind | None = None, finer: int = 1
    ) -> Float[np.ndarray, "h w c"]:
        """The picture, RGB in [0, 1]; of depth one channel, in units of the world, zero where nothing is.

        Args:
            camera: In the world.
            height: Of the picture.
            width: Of the picture.
            kind: What it shows; the most telling if None.
            finer: Rays per pixel, along an edge; their mean is shown (the middle's for depth).

        Raises:
            InputError: The subject can't be shown so.
        """
        kinds = self.kinds()
        kind = kind or (kinds[0] if kinds else "shaded")
        if kind not in kinds:
            raise InputError(f"there is nothing to show as {kind}; there is {', '.join(kinds) or 'nothing'}")
        finer = 1 if kind == "depth" else finer
        close = camera.resized(finer).moved(self.world_from_scene.inverse())
        pixels = pixel_centres(height * finer, width * finer)
        paint = self._lit if self._is_volume(kind) else self._painted
        rays = Rays.of(close, pixels)
        parts = [paint(rays[k : k + 8 * BATCH], close, kind) for k in range(0, len(rays), 8 * BATCH)]
        image = torch.cat(parts).view(height, finer, width, finer, -1).mean((1, 3))
        return image.numpy().clip(0, None if kind == "depth" else 1)

    def _is_volume(self, kind: Kind) -> bool:
        scene = self.subject
        if isinstance(scene, Mesh) or not _is_lit(scene):
            return False
        return kind == "colour" or scene.inside is None

    def _lit(self, rays: Rays, camera: Camera, kind: Kind) -> Float[Tensor, "r c"]:
        """Colour or depth of a cloud."""
        colour, opacity, length = self._light(rays)
        if kind == "colour":
            return colour
        depth = torch.where(opacity > 0.5, length / opacity.clamp(min=0.5), 0.0)
        return (depth * self._along(rays, camera))[:, None]

    def _light(self, rays: Rays) -> tuple[Tensor, Tensor, Tensor]:
        """RGB, opacity, and opacity times distance."""
        scene = cast(Scene, self.subject)
        if scene.light is not None:
            return scene.light(rays, self._behind(rays.directions))
        assert scene.radiance is not None
        step = float(scene.box.extent.max()) / SAMPLES
        parts: list[Rendered] = []
        for start in range(0, len(rays), BATCH):
            some = rays[start : start + BATCH]
            behind = self._behind(some.directions)
            parts.append(render_pruned(scene.radiance, some, self.occupancy, step, behind, self.counted))
        colour, opacity = torch.cat([p.colour for p in parts]), torch.cat([p.opacity for p in parts])
        return colour, opacity, torch.cat([p.depth for p in parts])

    def _behind(self, directions: Float[Tensor, "r 3"]) -> Float[Tensor, "r 3"]:
        scene = self.subject
        if self.background is None and isinstance(scene, Scene) and scene.background is not None:
            return scene.background(directions)
        return torch.tensor(self.background or (1.0, 1.0, 1.0)).expand_as(directions)

    @property
    def occupancy(self) -> Occupancy:
        """Where the scene's density is; found at the first need."""
        if self._occupancy is None:
            scene = cast(Scene, self.subject)
            radiance = scene.radiance
            assert radiance is not None
            self._occupancy = Occupancy.of(
                lambda p: radiance(p, p.new_tensor([0, 0, 1.0]).expand_as(p))[0], scene.box
            )
        return self._occupancy

    def _painted(self, rays: Rays, camera: Camera, kind: Kind) -> Float[Tensor, "r c"]:
        """A surface."""
        met = (
            self.tracer.met(rays)
            if self.tracer
            else scene_met(cast(Scene, self.subject), rays, kind == "colour")
        )
        hit = met.t.isfinite()[:, None]
        if kind == "depth":
            return torch.where(hit[:, 0], met.t * self._along(rays, camera), 0.0)[:, None]
        turned = met.normals @ torch.as_tensor(_rotation(camera), dtype=torch.float32).T
        if kind == "normals":
            shown = 0.5 + 0.5 * turned * torch.tensor([1.0, -1.0, -1.0])  # right, up, towards the camera
        elif kind == "colour" and met.colours is not None:
            shown = met.colours
        else:
            light = (turned @ normalize(torch.tensor(LAMP), dim=0)).clamp(min=0)
            shown = (0.25 + 0.75 * light)[:, None] * torch.tensor(CLAY)
        return torch.where(hit, shown, self._behind(rays.directions))

    def _along(self, rays: Rays, camera: Camera) -> Float[Tensor, " r"]:
        """Depth in the world for each unit along a ray."""
        forward = torch.as_tensor(camera.forward, dtype=torch.float32)
        return rays.directions @ forward * self.world_from_scene.scale


def _is_lit(scene: Scene) -> bool:
    return scene.radiance is not None or scene.light is not None


def scene_met(scene: Scene, rays: Rays, coloured: bool = True, steps: int = STEPS) -> Met:
    """First crossings with the surface of a scene, in its frame."""
    assert scene.inside is not None
    hits = intersect(scene.inside, rays.within(scene.box), steps)
    which = hits.found.nonzero()[:, 0]
    points = rays[which].at(hits.t[which])
    normals, colours = torch.zeros_like(rays.origins), None
    normals[which] = _outwards(scene.inside, points)
    if coloured and scene.colour is not None:
        colours = torch.zeros_like(rays.origins)
        colours[which] = scene.colour(points).float().clamp(0, 1)
    return Met(hits.t, normals, colours)


def _outwards(
    inside: Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]], points: Float[Tensor, "n 3"]
) -> Float[Tensor, "n 3"]:
    with torch.enable_grad():
        moved = points.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(inside(moved).sum(), moved)
    return -normalize(slope, dim=1)


def _rotation(camera: Camera) -> Float[np.ndarray, "3 3"]:
    turn = camera.camera_from_world[:, :3]
    return turn / np.cbrt(np.linalg.det(turn))
