"""One stage of `radiance.py`: some steps on one grid, in a plain loop.

What a step does depends on the seed, its number and the tables only, so a stage that was interrupted goes
on as if it had not been.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from isofield.data.pixel_rays import PixelRays
from isofield.fields.shading import Shading
from isofield.geometry.rays import Rays
from isofield.render.voxels import Gradients, VoxelField, march
from isofield.training.touched_adam import Rates, TouchedAdam

FAR = 100.0
"""Where unbounded rays end, in edges of the scene's cube."""
NEAR = 0.02
"""Where they begin, so that nothing is fitted in front of a lens."""


@dataclass(frozen=True)
class Stage:
    """Some steps on one grid."""

    name: str
    resolution: int
    steps: int
    rays: int = 2048
    """In a step."""
    raw: float = 0.08
    """Rate of the raw values; of distances, in cells."""
    features: float = 0.03
    """Rate of the features."""
    network: float = 2e-3
    """Rate of shading, background and exposure."""
    end: float = 0.5
    """Share of the rates that is left at the end."""
    smooth: float = 1e-8
    """Weight of the squared differences between the features of neighbours."""
    smooth_raw: float = 1e-8
    """The same for raw values."""
    eikonal: float = 0.0
    """Weight of unit slopes, for distances."""
    balloon: float = 0.0
    """Weight of growth, for distances."""
    silhouette: float = 0.0
    """Weight of the squared differences between how much light is stopped and the masks."""
    sharpness: tuple[float, float] | None = None
    """At the start and the end, per cell; for surfaces."""


@dataclass
class Light:
    """What is learnt beside the grid: shading, the background, and the exposure of each picture."""

    shading: Shading
    background: Float32[Tensor, "3"]
    exposure: Float32[Tensor, "v 3"]
    """Logarithms of the gains of the pictures' colours."""
    optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.background.requires_grad_()
        self.exposure.requires_grad_()
        self.optimiser = torch.optim.Adam(
            [
                {"params": list(self.shading.parameters()), "share": 1.0},
                {"params": [self.background], "share": 5.0},
                {"params": [self.exposure], "share": 1.0},
            ],
            lr=0.0,
            betas=(0.9, 0.99),
        )

    def step(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


@dataclass
class Measures:
    """What the last steps were like."""

    error: float = 0.0
    samples: float = 0.0
    seconds: float = 0.0
    rays: int = 0

    @property
    def psnr(self) -> float:
        """Of the last steps' pixels, in decibels."""
        return -10 * math.log10(max(self.error, 1e-9))


def bounded(rays: Rays, unbounded: bool) -> Rays:
    """The rays as the march takes them."""
    if not unbounded:
        return rays
    near = torch.full_like(rays.near, NEAR)
    return replace(rays, near=near, far=torch.full_like(rays.far, FAR))


def pixels_that_meet(voxels: VoxelField, pixels: PixelRays) -> Tensor:
    """Numbers of the pixels whose rays pass an active cell."""
    probe = replace(voxels, features=np.zeros((len(voxels.features), 1), np.float32), steps_per_cell=1.0)
    found = []
    for which in pixels.chunks():
        count = march(probe, bounded(pixels.rays(which), voxels.unbounded)).count
        found.append(which[count > 0])
    return torch.cat(found)


@dataclass
class Trainer:
    """One stage in progress."""

    stage: Stage
    voxels: VoxelField
    light: Light
    pixels: PixelRays
    which: Tensor
    seed: int
    behind: float | None
    """Grey behind masked objects; None draws one for each ray."""
    learn_exposure: bool
    adam: TouchedAdam = field(init=False)
    done: int = 0
    measures: Measures = field(default_factory=Measures)

    def __post_init__(self) -> None:
        self.adam = TouchedAdam(self.voxels, Gradients.of(self.voxels))

    def run(self, watch: Callable[[int], None], every: int = 50) -> None:
        """All steps that are still to do; `watch` hears how many are done."""
        started = time.perf_counter()
        while self.done < self.stage.steps:
            self.step()
            if self.done % every == 0 or self.done == self.stage.steps:
                self.measures.seconds += time.perf_counter() - started
                started = time.perf_counter()
                watch(self.done)

    def step(self) -> None:
        """Draw pixels, compare, and follow the gradient."""
        stage, share = self.stage, self.done / self.stage.steps
        draw = torch.Generator().manual_seed((self.seed * 1009 + stage.resolution) * 1_000_003 + self.done)
        which = self.which[torch.randint(len(self.which), (stage.rays,), generator=draw)]
        rays = bounded(self.pixels.rays(which), self.voxels.unbounded)
        if stage.sharpness is not None:
            start, end = stage.sharpness
            self.voxels.sharpness = self.voxels.cells.resolution * start * (end / start) ** share
        shift = torch.rand(stage.rays, generator=draw)
        error, outside = self._errors(which, rays, shift, draw)
        (error + stage.silhouette * outside).backward()
        falling = stage.end**share
        cell = 1 / stage.resolution if self.voxels.surface else 1.0
        rates = Rates(
            stage.raw * falling * cell,
            stage.features * falling,
            stage.smooth_raw,
            stage.smooth,
            stage.eikonal,
            stage.balloon,
        )
        self.adam.step(rates)
        self.light.step(stage.network * falling)
        self.done += 1
        self.measures.rays += stage.rays
        new = error.item() - self.measures.error
        self.measures.error += new * (0.02 if self.done > 50 else 1 / self.done)

    def _errors(
        self, which: Tensor, rays: Rays, shift: Tensor, draw: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mean squared differences between what the rays show and the pixels, and their masks."""
        if self.voxels.unbounded:
            behind = self.light.background.expand(len(which), 3)
        elif self.behind is None:
            behind = torch.rand(len(which), 1, generator=draw).expand(-1, 3)
        else:
            behind = torch.full((len(which), 3), self.behind)
        marched = march(self.voxels, rays, shift, self.adam.gradients)
        self.measures.samples += (float(marched.count.float().mean()) - self.measures.samples) * 0.05
        found = self.light.shading(marched.seen, marched.passed, rays.directions)
        found = found + marched.passed[:, None] * behind
        if self.learn_exposure:
            gains = self.light.exposure - self.light.exposure.mean(dim=0)
            found = found * torch.exp(gains[self.pixels.pictures(which)])
        error = ((found - self.pixels.over(which, behind.detach())) ** 2).mean()
        mask = self.pixels.mask
        if mask is None:
            return error, torch.zeros(())
        return error, ((1 - marched.passed - mask[which]) ** 2).mean()
