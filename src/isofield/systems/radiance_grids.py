"""From one grid to the next: which cells are worth having, and what the finer grid begins with."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch.nn.functional import interpolate

from isofield.data.pixel_rays import PixelRays
from isofield.data.visual_hull import Outline, misses
from isofield.geometry.camera import Camera
from isofield.ops.active_cells import ActiveCells, any_corner, corners_of, grown
from isofield.render.voxel_plain import thickness
from isofield.render.voxels import VoxelField, largest_transmittance
from isofield.systems.radiance_stage import bounded

EMPTY = 0.05
"""Cells whose opacity over one of their edges stays below this are given up."""
TRACE = 0.02
"""Of the object in a pixel, which then belongs to its outline."""
SPARSE = 3
"""One of so many rays is enough to find free space."""
LIT = 0.5
"""Where a ray arrives with more of its light than this, space is free."""


def hull(outlines: list[Outline], resolution: int) -> Bool[np.ndarray, "r r r"]:
    """Cells of [-0.5, 0.5]^3 that some of the visual hull may be in; coarse ones are asked first."""
    size = resolution
    while size > 32 and size % 2 == 0:
        size //= 2
    kept = np.ones((size,) * 3, bool)
    while True:
        places = (np.argwhere(kept) + 0.5) / size - 0.5
        missed = misses(outlines, places, 0.87 / size, 0)
        kept[kept] = missed == 0
        if size == resolution:
            return kept
        size *= 2
        for axis in range(3):
            kept = kept.repeat(2, axis=axis)


def opacity(voxels: VoxelField) -> Float[np.ndarray, "m m m"]:
    """Share of light that is lost over the edge of a cell, at the nodes; 0 at those of no active cell."""
    side = voxels.cells.side
    density = thickness(torch.from_numpy(voxels.raw), voxels.surface, voxels.sharpness)
    lost = -torch.expm1(-density / voxels.cells.resolution).numpy().reshape(side, side, side)
    return np.where(corners_of(voxels.cells.cells), lost, 0)


def worth(
    voxels: VoxelField, resolution: int, within: Bool[np.ndarray, "r r r"] | None
) -> Bool[np.ndarray, "r r r"]:
    """Cells of a grid, perhaps finer, that are not empty in this one, and those next to them."""
    lost = finer(opacity(voxels), resolution)
    kept = grown(any_corner(lost > EMPTY), 1)
    return kept if within is None else kept & within


def finer(values: Float[np.ndarray, "m m m"], resolution: int) -> Float32[np.ndarray, "o o o"]:
    """Values of the nodes of a grid of another resolution."""
    given = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    if len(values) == resolution + 1:
        return given[0, 0].numpy()
    size = (resolution + 1,) * 3
    return interpolate(given, size=size, mode="trilinear", align_corners=True)[0, 0].numpy()


def finer_rows(voxels: VoxelField, cells: ActiveCells) -> Float32[np.ndarray, "n c"]:
    """Features for the nodes of other cells; the nearest known ones where a node had none."""
    side, channels = voxels.cells.side, voxels.features.shape[1]
    place = (cells.places + 0.5) * voxels.cells.resolution
    low = np.minimum(place.astype(np.int64), voxels.cells.resolution - 1)
    part = (place - low).astype(np.float32)
    known = corners_of(voxels.cells.cells).reshape(-1)
    total, weight = np.zeros((len(place), channels), np.float32), np.zeros(len(place), np.float32)
    for corner in np.ndindex(2, 2, 2):
        node = np.ravel_multi_index(tuple((low + corner).T), (side,) * 3)
        share = np.prod(np.where(np.array(corner) == 1, part, 1 - part), axis=1) * known[node]
        total += share[:, None] * voxels.features[voxels.cells.rows[node]]
        weight += share
    mean = voxels.features.mean(axis=0)
    found = total / np.maximum(weight, 1e-6)[:, None]
    return np.where(weight[:, None] > 1e-3, found, mean).astype(np.float32)


def on(voxels: VoxelField, cells: Bool[np.ndarray, "r r r"]) -> VoxelField:
    """The same field on other cells, perhaps finer."""
    active = ActiveCells(cells)
    raw = voxels.raw.reshape((voxels.cells.side,) * 3)
    return replace(
        voxels,
        cells=active,
        raw=finer(raw, active.resolution).reshape(-1).copy(),
        features=finer_rows(voxels, active),
    )


def free_space(voxels: VoxelField, pixels: PixelRays) -> Float32[np.ndarray, "m m m"]:
    """Largest share of light with which a ray arrives at each node; 1 where there is nothing to stop it."""
    most = np.zeros(len(voxels.raw), np.float32)
    for which in pixels.chunks():
        rays = pixels.rays(which[::SPARSE].contiguous())
        largest_transmittance(voxels, bounded(rays, voxels.unbounded), most)
    side = voxels.cells.side
    inner = corners_of(voxels.cells.cells)
    return np.where(inner, most.reshape(side, side, side), 1)


def carved(light: Float32[np.ndarray, "m m m"]) -> Float32[np.ndarray, "m m m"]:
    """Signed distance, in edges of the cube, to where the light ends: negative where none arrives."""
    return distance_to(light < LIT)


def distance_to(nodes: Bool[np.ndarray, "m m m"]) -> Float32[np.ndarray, "m m m"]:
    """Signed distance, in edges of the cube, to the surface between marked nodes, where it is negative, and
    others.
    """
    from scipy.ndimage import distance_transform_edt

    signed = distance_transform_edt(~nodes) - distance_transform_edt(nodes)
    return ((signed - np.sign(signed) * 0.5) / (len(nodes) - 1)).astype(np.float32)


def as_surface(
    voxels: VoxelField, distance: Float32[np.ndarray, "m m m"], resolution: int, band: float
) -> VoxelField:
    """A field of signed distances on cells within `band` of the surface, with the colours of another."""
    distance = finer(distance, resolution)
    cells = ActiveCells(any_corner(np.abs(distance) < band))
    return replace(
        voxels,
        cells=cells,
        raw=distance.reshape(-1).copy(),
        features=finer_rows(voxels, cells),
        surface=True,
    )


def outlines_of(cameras: list[Camera], masks: list[Float[np.ndarray, "_h _w"]]) -> list[Outline]:
    """Outlines of an object, to find its hull from; every pixel with a trace of it, and those around."""
    from scipy.ndimage import maximum_filter

    wide = [maximum_filter((mask > TRACE).astype(np.float32), size=3) for mask in masks]
    return [Outline.of(camera, mask) for camera, mask in zip(cameras, wide, strict=True)]
