"""Radiance grids: posed photos -> colour and density on a sparse grid, then a surface, in minutes on a CPU.

    stage 1   coarse density and colour      empty space is found and given up
    stage 2   finer density and features     novel views (deferred shading, as SNeRG, arXiv:2103.14645)
    stage 3   signed distance                the mesh (density of VolSDF, arXiv:2106.12052)

Dense grids instead of a network are the idea of DVGO (arXiv:2111.11215) and Plenoxels (arXiv:2112.05131).
The surface begins where no ray of any picture arrives with half of its light. What surrounds an object that
has no masks is contracted into the grid, as in mip-NeRF 360 (arXiv:2111.12077).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from isofield.data.pixel_rays import PixelRays
from isofield.data.view_frame import ViewFrame, frame_of
from isofield.fields.shading import Shading
from isofield.geometry import Box
from isofield.geometry.rays import Rays
from isofield.observation import Views
from isofield.ops.active_cells import ActiveCells
from isofield.render.voxels import VoxelField, march
from isofield.scene import Scene
from isofield.system import System
from isofield.systems import radiance_grids as grids
from isofield.systems.radiance_fit import Light, Measures, Stage, Trainer, bounded, pixels_that_meet

Watch = Callable[[float, str], None]
"""Hears which share of all work is done, and how it goes."""


@dataclass(frozen=True)
class RadianceConfig:
    """Radiance grids of one scene."""

    resolution: int = 128
    """Cells along the edge of the grid."""
    channels: int = 8
    """Features at each node: colour, and what the direction of sight does to it."""
    width: int = 64
    """Units of the shading's two hidden layers."""
    effort: float = 1.0
    """Multiplies the steps of all stages."""
    surface: bool = True
    """Whether a surface is found after the radiance."""
    exposure: bool = True
    """Whether each photo without mask has gains of its own."""
    masks: bool = True
    """Whether masks are used, where there are any."""
    random_background: bool = True
    """Whether masked pictures are compared over random greys."""
    seed: int = 0


@dataclass
class Found:
    """What a fit knows."""

    frame: ViewFrame
    light: Light
    volume: VoxelField | None = None
    surface: VoxelField | None = None
    measures: list[tuple[Stage, Measures]] = field(default_factory=list)


class Radiance(System):
    """Fits a scene to its photos; nothing is learnt beforehand."""

    def __init__(self, config: RadianceConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def wants(self) -> type:
        return Views

    def reconstruct(self, observation: Views, watch: Watch | None = None) -> Scene:
        """The scene of the views that are not held out."""
        return scene_of(self.fit(observation, watch))

    def fit(self, views: Views, watch: Watch | None = None) -> Found:
        """Grids that show what the views show."""
        kept = [i for i in range(len(views)) if views.held_out is None or not views.held_out[i]]
        return Fit(self.config, views[kept], watch or (lambda share, words: None)).run()


def plan(config: RadianceConfig, masked: bool) -> list[Stage]:
    """The stages of a fit."""
    size, times = config.resolution, config.effort

    def steps(count: int) -> int:
        return max(1, round(count * times))

    stages = [
        Stage("coarse", size // 2, steps(300), 1024, raw=0.08, features=0.03, end=0.7, clear=0),
        Stage("first", size, steps(250), raw=0.06, features=0.025, end=0.7, clear=0),
        Stage("fine", size, steps(1000), raw=0.04, features=0.02, end=0.1),
    ]
    if config.surface:
        plain = Stage("carved", size // 2, steps(300), raw=0.1, eikonal=1e-6, smooth_raw=0.0, clear=0)
        stages.append(replace(plain, sharpness=(0.7, 1.7)))
        stages.append(
            replace(plain, name="surface", resolution=size, steps=steps(500), sharpness=(1.25, 3.3), end=0.1)
        )
    return stages


@dataclass
class Fit:
    """A fit in progress."""

    config: RadianceConfig
    views: Views
    watch: Watch

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        self.masked = self.config.masks and self.views.masks is not None
        self.frame = frame_of(self.views)
        self.pixels = PixelRays.of(self.views, self.frame.scene_from_world)
        if not self.masked and self.pixels.mask is not None:
            white = self.pixels.over(torch.arange(len(self.pixels)), torch.ones(len(self.pixels), 3))
            self.pixels = replace(self.pixels, colours=white, mask=None)
        self.bounded = self.views.masks is not None
        cameras = [camera.moved(self.frame.scene_from_world) for camera in self.views.cameras]
        masks = list(self.views.masks or []) if self.masked else []
        self.outlines = grids.outlines_of(cameras, masks) if masks else []
        self.light = Light(
            Shading(self.config.channels, self.config.width),
            torch.full((3,), 0.5),
            torch.zeros(len(self.views), 3),
        )
        self.found = Found(self.frame, self.light)

    def run(self) -> Found:
        """All stages."""
        stages = plan(self.config, self.masked)
        whole, before = sum(stage.steps * stage.rays for stage in stages), 0
        for stage in stages:
            voxels = self._begin(stage)
            which = pixels_that_meet(voxels, self.pixels)
            trainer = Trainer(
                stage,
                voxels,
                self.light,
                self.pixels,
                which,
                self.config.seed,
                random_background=self.masked and self.config.random_background,
                learn_exposure=self.config.exposure and not self.bounded,
            )

            def watch(
                done: int, stage: Stage = stage, before: int = before, trainer: Trainer = trainer
            ) -> None:
                error = max(trainer.measures.error, 1e-9)
                self.watch((before + done * stage.rays) / whole, f"{-10 * np.log10(error):.1f} dB")

            trainer.run(watch)
            before += stage.steps * stage.rays
            self.found.measures.append((stage, trainer.measures))
            if voxels.surface:
                self.found.surface = voxels
            else:
                self.found.volume = voxels
        return self.found

    def _begin(self, stage: Stage) -> VoxelField:
        """The field of a stage, from that of the last one."""
        last, size = self.found.volume, stage.resolution
        within = grids.hull(self.outlines, size) if self.outlines else None
        if last is None:
            cells = ActiveCells(np.ones((size,) * 3, bool) if within is None else within)
            raw = np.full(cells.side**3, -4, np.float32)
            features = np.zeros((len(cells.nodes), self.config.channels), np.float32)
            features[:, :3] = 0.5
            sharpness = 120.0 if not self.bounded else 100.0
            return VoxelField(cells, raw, features, sharpness=sharpness, unbounded=not self.bounded)
        if stage.sharpness is None:
            return grids.on(last, grids.worth(last, size, within))
        if self.found.surface is not None:
            distance = self.found.surface.raw.reshape((self.found.surface.cells.side,) * 3)
            return grids.as_surface(self.found.surface, distance, size, band=6 / size)
        distance = grids.carved(grids.free_space(last, self.pixels))
        return replace(grids.as_surface(last, distance, size, band=6 / size), steps_per_cell=2.0)


def scene_of(found: Found) -> Scene:
    """What a fit found, as functions of space."""
    shown = found.surface or found.volume
    assert shown is not None
    return Scene(
        box=Box.cube(1.0),
        world_from_scene=found.frame.world_from_scene,
        inside=lambda points: inside(shown, points),
        colour=lambda points: colour(shown, points),
        resolution=shown.cells.resolution,
    )


def inside(voxels: VoxelField, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Minus the signed distance; of volumes, the density over that at which half the light stays in a cell."""
    from isofield.render.voxel_plain import corners, places, thickness

    node, share = corners(voxels, places(voxels, points))
    raw = (torch.from_numpy(voxels.raw)[node] * share).sum(dim=1)
    if voxels.surface:
        return -raw
    known = torch.from_numpy(voxels.cells.cells.reshape(-1))
    size = voxels.cells.resolution
    cell = ((places(voxels, points) + 0.5) * size).long().clamp(0, size - 1)
    active = known[(cell[:, 0] * size + cell[:, 1]) * size + cell[:, 2]]
    half = np.log(2) * size
    return torch.where(active, thickness(raw, False, voxels.sharpness) / half - 1, -1.0)


def colour(voxels: VoxelField, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """RGB without what depends on the direction."""
    from isofield.render.voxel_plain import corners, places

    node, share = corners(voxels, places(voxels, points))
    rows = torch.from_numpy(voxels.cells.rows).long()[node]
    table = torch.from_numpy(np.ascontiguousarray(voxels.features[:, :3]))
    return (table[rows] * share[..., None]).sum(dim=1).clamp(0, 1)


@torch.no_grad()
def rendered(
    found: Found, voxels: VoxelField, rays: Rays, behind: float = 1.0
) -> tuple[Float[Tensor, "r 3"], Float[Tensor, " r"], Float[Tensor, " r"]]:
    """Colour, transmittance and mean depth of rays in the scene, over an even grey."""
    parts = []
    for start in range(0, len(rays), 65_536):
        some = bounded(rays[start : start + 65_536], voxels.unbounded)
        marched = march(voxels, some)
        seen = found.light.shading(marched.seen, marched.passed, some.directions)
        back = found.light.background if voxels.unbounded else torch.full((3,), behind)
        rgb = (seen + marched.passed[:, None] * back).clamp(0, 1)
        parts.append((rgb, marched.passed, marched.depth / (1 - marched.passed).clamp(min=1e-6)))
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]
