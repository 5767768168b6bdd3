"""All stages of `radiance.py` on one set of photos."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isofield.data.pixel_rays import PixelRays
from isofield.data.view_frame import frame_of
from isofield.errors import InputError
from isofield.fields.shading import Shading
from isofield.observation import Views
from isofield.ops.active_cells import ActiveCells, corners_of
from isofield.render.voxels import VoxelField
from isofield.systems import radiance_grids as grids
from isofield.systems.radiance_scene import Fitted
from isofield.systems.radiance_stage import Light, Measures, Stage, Trainer, pixels_that_meet
from isofield.systems.radiance_state import field_of, restored, save

KEEP_EVERY = 200
"""Steps between states that are written, beside that at the end of each stage."""
START = -4.0
"""Raw density at the beginning: a thin fog."""
FOG = 100.0
"""Scale of the density: the fog lets a sixth of the light through the whole grid."""
GENEROUS = 1.5
"""Cells by which a surface begins outside of where the light ends: it finds its way inwards, not outwards."""
MARGIN = 0.02
"""Around the box of an object's hull, where its surface is looked for."""
BAND = 6.0
"""Cells on both sides of a surface in which its distance is fitted."""
COMPARED = 30_000
"""Pixels by which it is decided what shows the scene better."""
ATTEMPTS = 3
"""First weights and draws that are tried before a fit goes on as it is."""
TIME_TO_LEARN = 200
"""Steps after which a stage should know more than one colour."""
SEEDS_APART = 1_000_003
"""Between the seeds of attempts."""

Watch = Callable[[float, str], None]
"""Hears which share of all work is done, and how it goes."""


@dataclass(frozen=True)
class Orders:
    """What a fit is to do."""

    stages: tuple[Stage, ...]
    channels: int
    width: int
    masks: bool
    random_background: bool
    exposure: bool
    seed: int


@dataclass
class Fit:
    """A fit in progress.

    Args:
        orders: What to do.
        views: The photos.
        watch: Hears how it goes.
        state: File that is written every so often, and found again; None to keep nothing.
    """

    orders: Orders
    views: Views
    watch: Watch
    state: Path | None = None
    volume: VoxelField | None = None
    surface: VoxelField | None = None
    volume_shading: Shading | None = None
    measures: list[tuple[Stage, Measures]] = field(default_factory=list)
    attempt: int = 1
    """Counts how often the first stage was begun."""
    hulls: dict[int, np.ndarray] = field(default_factory=dict)
    """Cells of the masks' hull, by resolution."""

    def __post_init__(self) -> None:
        self.frame = frame_of(self.views)
        self.pixels = PixelRays.of(self.views, self.frame.scene_from_world)
        self.bounded = self.views.masks is not None
        self.masked = self.bounded and self.orders.masks
        if self.bounded and not self.masked:
            white = torch.ones(len(self.pixels), 3)
            colours = self.pixels.over(torch.arange(len(self.pixels)), white)
            self.pixels = replace(self.pixels, colours=colours, mask=None)
        self.outlines = self._outlines()
        self.light = self._light()

    def _outlines(self) -> list[Any]:
        if not self.masked:
            return []
        cameras = [camera.moved(self.frame.scene_from_world) for camera in self.views.cameras]
        return grids.outlines_of(cameras, list(self.views.masks or []))

    def run(self) -> Fitted:
        """All stages that are still to do."""
        stages = self.orders.stages
        first, kept = restored(self)
        for number in range(first, len(stages)):
            trainer = self._run(number, kept if number == first else None)
            while number == 0 and self.attempt < ATTEMPTS and self._collapsed(trainer):
                self.attempt += 1
                self.watch(0.0, f"learnt nothing, beginning again (attempt {self.attempt} of {ATTEMPTS})")
                self.light = self._light()
                trainer = self._run(number, None)
            self._done(trainer)
        assert self.volume is not None
        assert self.volume_shading is not None
        if not self.bounded:  # only where light ends is known: no surface was fitted
            light = grids.carved(grids.free_space(self.volume, self.pixels))
            size = self.volume.cells.resolution
            self.surface = grids.as_surface(self.volume, light, size, BAND / size)
        found = Fitted(
            volume=self.volume,
            shading=self.volume_shading,
            surface=self.surface,
            surface_shading=None if self.surface is None else self.light.shading,
            background=self.light.background.detach(),
            world_from_scene=self.frame.world_from_scene,
            box=self.frame.content.padded(MARGIN) if self.masked else self.frame.box,
            shows_surface=False,
        )
        return replace(found, shows_surface=self._surface_is_better(found))

    def _run(self, number: int, kept: dict[str, np.ndarray] | None) -> Trainer:
        """One stage, from its beginning or from what was kept of it."""
        trainer = self._trainer(self.orders.stages[number], kept)
        work = [stage.steps * stage.rays for stage in self.orders.stages]
        before, whole = sum(work[:number]), sum(work)

        def watch(done: int) -> None:
            share = (before + done * trainer.stage.rays) / whole
            self.watch(share, f"{trainer.stage.name} {trainer.measures.psnr:.1f} dB")
            if done % KEEP_EVERY == 0 or done == trainer.stage.steps:
                save(self, number, trainer)

        trainer.run(watch)
        return trainer

    def _collapsed(self, trainer: Trainer) -> bool:
        """Whether a stage that had time to learn shows the pixels no better than one colour would."""
        behind = torch.full((len(self.pixels), 3), self._behind() or 0.0)
        colours = self.pixels.over(torch.arange(len(self.pixels)), behind)
        constant = float(((colours - colours.mean(dim=0)) ** 2).mean())
        return trainer.done >= TIME_TO_LEARN and trainer.measures.error >= constant

    def _surface_is_better(self, found: Fitted) -> bool:
        """Whether pictures of the surface are nearer to the photos than pictures of the volume."""
        if not self.bounded or found.surface is None:
            return False
        draw = torch.Generator().manual_seed(self.orders.seed)
        which = torch.randint(len(self.pixels), (COMPARED,), generator=draw)
        white = torch.ones(len(which), 3)
        rays, truth = self.pixels.rays(which), self.pixels.over(which, white)
        errors = [
            ((found.light(rays, white, of)[0] - truth) ** 2).mean() for of in (found.volume, found.surface)
        ]
        return bool(errors[1] < errors[0])

    def _done(self, trainer: Trainer) -> None:
        self.measures.append((trainer.stage, trainer.measures))
        if trainer.voxels.surface:
            self.surface = trainer.voxels
        else:
            self.volume, self.volume_shading = trainer.voxels, self.light.shading

    def _trainer(self, stage: Stage, kept: dict[str, np.ndarray] | None) -> Trainer:
        voxels = self._begin(stage) if kept is None else field_of(kept)
        which = pixels_that_meet(voxels, self.pixels)
        if not len(which):
            raise InputError(
                "nothing was found that the photos agree on; look at the cameras with `isofield check PHOTOS`"
            )
        trainer = Trainer(
            stage,
            voxels,
            self.light,
            self.pixels,
            which,
            self.orders.seed + SEEDS_APART * (self.attempt - 1),
            behind=self._behind(),
            learn_exposure=self.orders.exposure and not self.bounded,
        )
        if kept is not None:
            trainer.done, trainer.adam.steps = int(kept["done"]), int(kept["done"])
            trainer.adam.moments = [kept[f"moment{i}"] for i in range(4)]
            trainer.measures.error = float(kept["error"])
        return trainer

    def _hull(self, size: int) -> np.ndarray | None:
        """Cells that some of the masks' hull may be in; found once for each size, None without masks."""
        if self.outlines and size not in self.hulls:
            self.hulls[size] = grids.hull(self.outlines, size)
        return self.hulls.get(size)

    def _begin(self, stage: Stage) -> VoxelField:
        """The field of a stage, from that of the one before."""
        last, size = self.volume, stage.resolution
        within = self._hull(size)
        if last is None:
            cells = ActiveCells(np.ones((size,) * 3, bool) if within is None else within)
            raw = np.full(cells.side**3, START, np.float32)
            return VoxelField(cells, raw, self._grey(cells), sharpness=FOG, unbounded=not self.bounded)
        if stage.sharpness is None:
            return grids.on(last, grids.worth(last, size, within))
        if self.surface is not None:
            distance = self.surface.raw.reshape((self.surface.cells.side,) * 3)
            return grids.as_surface(self.surface, distance, size, BAND / size)
        distance = grids.finer(grids.carved(grids.free_space(last, self.pixels)), size) - GENEROUS / size
        if within is not None:
            distance = np.maximum(distance, grids.distance_to(corners_of(within)))
        # the fog's colours lie behind the surface, which would sink to them: it learns its own
        begun = grids.as_surface(last, distance, size, BAND / size)
        self.light = self._light()
        return replace(begun, features=self._grey(begun.cells), steps_per_cell=2.0)

    def _behind(self) -> float | None:
        """Grey behind masked objects, far from theirs: against one like it an object may be taken for air."""
        if not self.masked:
            return 1.0
        if self.orders.random_background:
            return None
        assert self.pixels.mask is not None
        return 1.0 if self.pixels.colours.sum() < 1.5 * self.pixels.mask.sum() else 0.0

    def _grey(self, cells: ActiveCells) -> np.ndarray:
        """Features to begin with."""
        features = np.zeros((len(cells.nodes), self.orders.channels), np.float32)
        features[:, :3] = 0.5
        return features

    def _light(self) -> Light:
        """Shading that does nothing yet; its random part is the same every time."""
        torch.manual_seed(self.orders.seed + SEEDS_APART * (self.attempt - 1))
        shading = Shading(self.orders.channels, self.orders.width)
        return Light(shading, torch.full((3,), 0.5), torch.zeros(len(self.views), 3))
