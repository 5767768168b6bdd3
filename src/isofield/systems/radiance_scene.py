"""What a fit of `radiance.py` found: as functions of space, and as tensors of a weights file."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from isofield.fields.shading import Shading
from isofield.geometry import Box, Similarity
from isofield.geometry.rays import Rays
from isofield.ops.active_cells import ActiveCells
from isofield.render.voxel_plain import active, corners, places, thickness
from isofield.render.voxels import VoxelField, march
from isofield.scene import Scene
from isofield.systems.radiance_stage import bounded

CHUNK = 65_536
"""Rays at a time."""
OUTWARDS = 0.75
"""Cells outside of zero where the mesh is taken: fitted distances lie about as much too deep."""


@dataclass(frozen=True)
class Fitted:
    """Grids of one scene."""

    volume: VoxelField
    shading: Shading
    """Of the volume."""
    surface: VoxelField | None
    surface_shading: Shading | None
    background: Float[Tensor, "3"]
    """Behind everything, for scenes without bounds."""
    world_from_scene: Similarity
    box: Box
    """Where there is a surface to look for."""
    shows_surface: bool
    """Whether views are rendered from the surface, not from the volume."""

    def scene(self) -> Scene:
        """The functions: a surface if one was fitted, otherwise where half the light stays in a cell."""
        shown, shading = self.volume, self.shading
        if self.surface is not None and self.surface_shading is not None:
            shown, shading = self.surface, self.surface_shading
        return Scene(
            box=self.box,
            world_from_scene=self.world_from_scene,
            inside=lambda points: inside(shown, points),
            colour=lambda points: colour(shown, shading, points),
            light=self.light,
            background=lambda directions: self.background.expand_as(directions),
            resolution=shown.cells.resolution // (2 if shown.unbounded else 1),
        )

    @property
    def seen(self) -> VoxelField:
        """The field that views are rendered from."""
        return self.surface if self.shows_surface and self.surface is not None else self.volume

    @torch.no_grad()
    def light(
        self, rays: Rays, behind: Float[Tensor, "r 3"], of: VoxelField | None = None
    ) -> tuple[Float[Tensor, "r 3"], Float[Tensor, " r"], Float[Tensor, " r"]]:
        """RGB, opacity and opacity times distance of whole rays."""
        voxels, parts = of or self.seen, []
        shading = self.surface_shading if voxels is self.surface else self.shading
        assert shading is not None
        for start in range(0, len(rays), CHUNK):
            some = bounded(rays[start : start + CHUNK], voxels.unbounded)
            marched = march(voxels, some)
            lit = shading(marched.seen, marched.passed, some.directions)
            back = self.background if voxels.unbounded else behind[start : start + CHUNK]
            rgb = (lit + marched.passed[:, None] * back).clamp(0, 1)
            parts.append((rgb, 1 - marched.passed, marched.depth))
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]


def inside(voxels: VoxelField, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    """Minus the distance to where light ends; of volumes, where half of it is lost in a cell."""
    place = places(voxels, points)
    node, share = corners(voxels, place)
    raw = (torch.from_numpy(voxels.raw)[node] * share).sum(dim=1)
    if voxels.surface:
        return OUTWARDS / voxels.cells.resolution - raw
    half = float(np.log(2)) * voxels.cells.resolution
    density = thickness(raw, surface=False, sharpness=voxels.sharpness)
    return torch.where(active(voxels, place), density / half - 1, -1.0)


@torch.no_grad()
def colour(voxels: VoxelField, shading: Shading, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """RGB of an opaque place, seen straight on."""
    node, share = corners(voxels, places(voxels, points))
    rows = torch.from_numpy(voxels.cells.rows)[node].long()
    features = (torch.from_numpy(voxels.features)[rows] * share[..., None]).sum(dim=1)
    passed = torch.zeros(len(points))
    return shading(features, passed, inwards(voxels, points)).clamp(0, 1)


def inwards(voxels: VoxelField, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Unit directions in which `inside` rises most, by differences over a cell."""
    reach = 0.5 / voxels.cells.resolution
    slopes = []
    for axis in range(3):
        step = torch.zeros(3)
        step[axis] = reach
        slopes.append(inside(voxels, points + step) - inside(voxels, points - step))
    return normalize(torch.stack(slopes, dim=1), dim=1)


def field_tensors(voxels: VoxelField) -> dict[str, Tensor]:
    """The tables of a field; raw values of nodes that no active cell has are dropped, unless distances."""
    kept = voxels.raw if voxels.surface else voxels.raw[voxels.cells.nodes]
    return {
        "cells": torch.from_numpy(np.packbits(voxels.cells.cells)),
        "raw": torch.from_numpy(kept),
        "features": torch.from_numpy(voxels.features),
        "scale": torch.tensor([voxels.sharpness, voxels.steps_per_cell], dtype=torch.float32),
        "kind": torch.tensor([voxels.cells.resolution, voxels.surface, voxels.unbounded]),
    }


def field_from(tensors: dict[str, Tensor]) -> VoxelField:
    """Inverse of `field_tensors`."""
    size, surface, unbounded = (int(value) for value in tensors["kind"])
    bits = np.unpackbits(tensors["cells"].numpy())[: size**3]
    cells = ActiveCells(bits.reshape((size,) * 3).astype(bool))
    raw = tensors["raw"].numpy()
    if not surface:
        whole = np.full(cells.side**3, -20, np.float32)
        whole[cells.nodes] = raw
        raw = whole
    sharpness, per_cell = (float(value) for value in tensors["scale"])
    return VoxelField(
        cells,
        raw.copy(),
        tensors["features"].numpy().copy(),
        bool(surface),
        sharpness,
        bool(unbounded),
        per_cell,
    )


def fitted_tensors(fitted: Fitted) -> dict[str, Tensor]:
    """Everything, by name."""
    back = fitted.world_from_scene
    found = {f"volume.{name}": value for name, value in field_tensors(fitted.volume).items()}
    if fitted.surface is not None:
        found |= {f"surface.{name}": value for name, value in field_tensors(fitted.surface).items()}
    for part, shading in (("shading", fitted.shading), ("surface_shading", fitted.surface_shading)):
        if shading is not None:
            found |= {f"{part}.{name}": value for name, value in shading.state_dict().items()}
    found["background"] = fitted.background.detach()
    found["shows_surface"] = torch.tensor(fitted.shows_surface)
    found["box"] = torch.from_numpy(np.stack([fitted.box.low, fitted.box.high]))
    placed = np.concatenate([[back.scale], back.rotation.ravel(), back.translation])
    return found | {"world_from_scene": torch.from_numpy(placed)}


def fitted_from(tensors: dict[str, Tensor], channels: int, width: int) -> Fitted:
    """Inverse of `fitted_tensors`."""

    def part(name: str) -> dict[str, Tensor]:
        start = name + "."
        return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}

    def shading(name: str) -> Shading:
        made = Shading(channels, width)
        made.load_state_dict(part(name))
        return made

    placed = tensors["world_from_scene"].double().numpy()
    low, high = tensors["box"].double().numpy()
    surface = part("surface")
    return Fitted(
        volume=field_from(part("volume")),
        surface=field_from(surface) if surface else None,
        shading=shading("shading"),
        surface_shading=shading("surface_shading") if surface else None,
        background=tensors["background"],
        world_from_scene=Similarity(float(placed[0]), placed[1:10].reshape(3, 3), placed[10:]),
        box=Box(low, high),
        shows_surface=bool(tensors["shows_surface"]),
    )
