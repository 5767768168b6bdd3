"""All stages of `radiance.py` on one set of photos, and the state that lets them go on after a kill."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from isofield.data.atomic import atomic_write
from isofield.data.pixel_rays import PixelRays
from isofield.data.view_frame import frame_of
from isofield.fields.shading import Shading
from isofield.observation import Views
from isofield.ops.active_cells import ActiveCells, corners_of
from isofield.render.voxels import VoxelField
from isofield.systems import radiance_grids as grids
from isofield.systems.radiance_scene import Fitted, field_from, field_tensors
from isofield.systems.radiance_stage import Light, Measures, Stage, Trainer, pixels_that_meet

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
        first, kept = self._restored()
        whole = sum(stage.steps * stage.rays for stage in stages)
        for number in range(first, len(stages)):
            trainer = self._trainer(stages[number], kept if number == first else None)
            before = sum(stage.steps * stage.rays for stage in stages[:number])

            def watch(
                done: int, trainer: Trainer = trainer, number: int = number, before: int = before
            ) -> None:
                share = (before + done * trainer.stage.rays) / whole
                self.watch(share, f"{trainer.stage.name} {trainer.measures.psnr:.1f} dB")
                if done % KEEP_EVERY == 0 or done == trainer.stage.steps:
                    self._save(number, trainer)

            trainer.run(watch)
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
        trainer = Trainer(
            stage,
            voxels,
            self.light,
            self.pixels,
            pixels_that_meet(voxels, self.pixels),
            self.orders.seed,
            behind=self._behind(),
            learn_exposure=self.orders.exposure and not self.bounded,
        )
        if kept is not None:
            trainer.done, trainer.adam.steps = int(kept["done"]), int(kept["done"])
            trainer.adam.moments = [kept[f"moment{i}"] for i in range(4)]
            trainer.measures.error = float(kept["error"])
        return trainer

    def _begin(self, stage: Stage) -> VoxelField:
        """The field of a stage, from that of the one before."""
        last, size = self.volume, stage.resolution
        within = grids.hull(self.outlines, size) if self.outlines else None
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
        torch.manual_seed(self.orders.seed)
        shading = Shading(self.orders.channels, self.orders.width)
        return Light(shading, torch.full((3,), 0.5), torch.zeros(len(self.views), 3))

    def _fingerprint(self) -> str:
        """Of the orders and the pictures."""
        said = json.dumps([asdict(stage) for stage in self.orders.stages]) + repr(self.orders)
        whole = hashlib.sha256(said.encode())
        for part in (self.pixels.colours[:: 1 + len(self.pixels) // 100_000], self.pixels.turns):
            whole.update(part.contiguous().numpy().tobytes())
        return whole.hexdigest()

    def _save(self, number: int, trainer: Trainer) -> None:
        if self.state is None:
            return
        light = io.BytesIO()
        shading, optimiser = self.light.shading.state_dict(), self.light.optimiser.state_dict()
        first = None if self.volume_shading is None else self.volume_shading.state_dict()
        torch.save([shading, self.light.background.data, self.light.exposure.data, optimiser, first], light)
        parts: dict[str, Any] = {
            "fingerprint": self._fingerprint(),
            "stage": number,
            "done": trainer.done,
            "error": trainer.measures.error,
            "light": np.frombuffer(light.getvalue(), np.uint8),
            **{f"moment{i}": moment for i, moment in enumerate(trainer.adam.moments)},
            **_arrays("now", trainer.voxels, whole=True),
        }
        for name, known in (("volume", self.volume), ("surface", self.surface)):
            if known is not None:
                parts |= _arrays(name, known)
        with atomic_write(self.state) as temporary, temporary.open("wb") as file:
            np.savez(file, **parts)

    def _restored(self) -> tuple[int, dict[str, np.ndarray] | None]:
        """The stage to go on with, and its state; from the beginning if there is none that fits."""
        if self.state is None or not self.state.exists():
            return 0, None
        try:
            with np.load(self.state) as file:
                kept = {name: file[name] for name in file.files}
        except (OSError, ValueError, BadZipFile):
            return 0, None
        if str(kept.get("fingerprint")) != self._fingerprint():
            return 0, None
        for name in ("volume", "surface"):
            if f"{name}.kind" in kept:
                setattr(self, name, field_of(kept, name))
        light = torch.load(io.BytesIO(kept["light"].tobytes()), weights_only=True)
        self.light.shading.load_state_dict(light[0])
        self.light.background.data, self.light.exposure.data = light[1], light[2]
        self.light.optimiser.load_state_dict(light[3])
        if light[4] is not None:
            self.volume_shading = Shading(self.orders.channels, self.orders.width)
            self.volume_shading.load_state_dict(light[4])
        return int(kept["stage"]), kept


def _arrays(name: str, voxels: VoxelField, whole: bool = False) -> dict[str, np.ndarray]:
    found = {f"{name}.{key}": value.numpy() for key, value in field_tensors(voxels).items()}
    return found | ({f"{name}.all": voxels.raw} if whole else {})


def field_of(kept: dict[str, np.ndarray], name: str = "now") -> VoxelField:
    """A field in a state that was written."""
    keys = ("cells", "raw", "features", "scale", "kind")
    voxels = field_from({key: torch.from_numpy(kept[f"{name}.{key}"]) for key in keys})
    return replace(voxels, raw=kept[f"{name}.all"]) if f"{name}.all" in kept else voxels
