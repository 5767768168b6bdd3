"""Where a cloud is: a grid of cells in which its density is worth asking, so that empty space costs nothing.

    for slab of places along the rays:  those in full cells, of rays that still carry light, are asked

A place is looked up in the grid before the network is asked, and a ray whose transmittance has fallen below
`DARK` is not followed any further. What is lost is bounded: by density below the threshold, and by `DARK`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool3d

from isofield.geometry.box import Box
from isofield.geometry.rays import Rays
from isofield.render.volume import Background, Radiance, Rendered

DARK = 1e-3
"""Share of the light that may be left when a ray ends: a quarter of a step of 8 bits."""
SLAB = 32
"""Places along each ray that are looked up before the light that is left is."""
PROBES = 1
"""Places along each edge of a cell where the density is asked; neighbours count, so one is enough."""


@dataclass(frozen=True)
class Occupancy:
    """Cells that are not empty."""

    full: Bool[Tensor, "x y z"]
    low: Float[Tensor, "3"]
    cell: Float[Tensor, "3"]
    box: Box

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        density: Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]],
        box: Box,
        cells: int = 64,
        threshold: float = 0.1,
    ) -> "Occupancy":
        """The cells that have a density above the threshold in them or in a neighbour.

        Args:
            density: Per unit of length.
            box: Divided into `cells` along each edge.
            cells: Along each edge.
            threshold: Density over the whole box's longest edge that counts as none.
        """
        low = torch.as_tensor(box.low, dtype=torch.float32)
        cell = torch.as_tensor(box.extent, dtype=torch.float32) / cells
        side = PROBES * cells
        axes = [low[k] + (torch.arange(side) + 0.5) * cell[k] / PROBES for k in range(3)]
        layers = []
        for x in axes[0]:
            y, z = torch.meshgrid(axes[1], axes[2], indexing="ij")
            points = torch.stack([x.expand_as(y), y, z], -1).view(-1, 3)
            layers.append(density(points).view(side, side) > threshold / float(box.extent.max()))
        found = torch.stack(layers).float()[None, None]
        full = max_pool3d(max_pool3d(found, PROBES), 3, stride=1, padding=1)[0, 0] > 0
        return cls(full, low, cell, box)

    def at(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
        """Whether each place is in a full cell; never outside the box."""
        place = torch.floor((points - self.low) / self.cell).long()
        sizes = torch.tensor(self.full.shape)
        within = ((place >= 0) & (place < sizes)).all(-1)
        place = place.clamp_(min=0).minimum(sizes - 1)
        flat = (place[:, 0] * sizes[1] + place[:, 1]) * sizes[2] + place[:, 2]
        return self.full.view(-1)[flat] & within

    @property
    def tight(self) -> Box:
        """Around the full cells; the whole box if none is."""
        found = self.full.nonzero()
        if not len(found):
            return self.box
        low, high = found.amin(0), found.amax(0) + 1
        ends = [(self.low + self.cell * end).double().numpy() for end in (low, high)]
        return Box(*ends)

    @property
    def share(self) -> float:
        """Of the cells that are full."""
        return float(self.full.float().mean())


@dataclass
class Counted:
    """How much work rays were."""

    rays: int = 0
    samples: int = 0

    @property
    def per_ray(self) -> float:
        return self.samples / max(self.rays, 1)


@torch.inference_mode()
def render_pruned(
    radiance: Radiance,
    rays: Rays,
    occupancy: Occupancy,
    step: float,
    background: Background = 0.0,
    counted: Counted | None = None,
) -> Rendered:
    """What rays see, from samples a `step` apart in the full cells only, without gradient.

    Each sample stands in the middle of its interval. Weights and samples are not kept.

    Args:
        radiance: Asked in full cells, by rays that still carry light.
        rays: Cut to the grid's box here.
        occupancy: Of the same frame.
        step: Length between samples.
        background: Seen where the light passes.
        counted: Told how many samples were asked.
    """
    rays = rays.within(occupancy.box)
    count = len(rays)
    light = torch.ones(count)
    colour, depth = torch.zeros(count, 3), torch.zeros(count)
    length = (rays.far - rays.near).clamp(min=0).nan_to_num(0.0)
    steps = int(torch.ceil(length.max() / step)) if count else 0
    for first in range(0, steps, SLAB):
        live = ((light > DARK) & (length > first * step)).nonzero()[:, 0]
        if not len(live):
            break
        here = rays[live]
        t = here.near[:, None] + (torch.arange(first, min(first + SLAB, steps)) + 0.5) * step
        density, colours = _asked(radiance, here, t, occupancy, counted)
        alpha = -torch.expm1(-density * step)
        passed = torch.exp(-step * (density.cumsum(1) - density)) * light[live, None]
        weight = passed * alpha
        colour[live] += torch.einsum("rs,rsc->rc", weight, colours)
        depth[live] += (weight * t).sum(1)
        light[live] *= torch.exp(-step * density.sum(1))
    if counted is not None:
        counted.rays += count
    nothing = light.new_zeros(count, 0)
    return Rendered(colour + light[:, None] * background, 1 - light, depth, nothing, nothing)


def _asked(
    radiance: Radiance, rays: Rays, t: Float[Tensor, "r s"], occupancy: Occupancy, counted: Counted | None
) -> tuple[Float[Tensor, "r s"], Float[Tensor, "r s 3"]]:
    """Density and colour, zero in empty cells and behind far."""
    points = rays.at(t).view(-1, 3)
    which = (occupancy.at(points) & (t < rays.far[:, None]).view(-1)).nonzero()[:, 0]
    density, colours = t.new_zeros(t.numel()), t.new_zeros(t.numel(), 3)
    if len(which):
        density[which], colours[which] = radiance(points[which], rays.directions[which // t.shape[1]])
    if counted is not None:
        counted.samples += len(which)
    return density.view_as(t), colours.view(*t.shape, 3)
