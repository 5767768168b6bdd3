"""Volume rendering of values on a sparse grid, with gradients for its tables.

    density d = softplus(raw) sharpness                          (volumes)
            d = sharpness Psi(-raw sharpness), raw = distance    (surfaces; VolSDF, arXiv:2106.12052)
    weight of a sample  w = T (1 - exp(-d step)),   T = product of exp(-d step) before it
    seen = sum of w * features,   passed = T behind the last sample,   depth = sum of w t

The march is made again for the gradient, so nothing of it is stored. Compiled loops are used where numba
is installed, operations of torch where not; both are asserted equal in the tests.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Shaped, UInt8
from torch import Tensor

from isofield.geometry.rays import Rays
from isofield.ops.active_cells import ActiveCells

LANES = 2
"""Rays are shared out to as many lanes, whatever the threads: sums do not depend on the machine."""
FLOOR = 1e-4
"""Samples of less weight have no features."""
END = 1e-3
"""Where less light than this is left, a ray ends."""
COMPILED = find_spec("numba") is not None
"""Whether the compiled loops are there."""

_POOL: list[ThreadPoolExecutor] = []


@dataclass
class VoxelField:
    """Values on a grid over [-0.5, 0.5]^3, or over all of space, contracted."""

    cells: ActiveCells
    raw: Float32[np.ndarray, " all"]
    """Of all nodes: density before its softplus, or signed distance."""
    features: Float32[np.ndarray, "n c"]
    """Of the nodes that have rows."""
    surface: bool = False
    """Whether `raw` is a signed distance, negative inside."""
    sharpness: float = 60.0
    """Scale of the density; of surfaces, one over the length on which it rises."""
    unbounded: bool = False
    """Whether the grid holds all of space: [-0.5, 0.5]^3 is half of it along each axis then."""
    steps_per_cell: float = 1.5

    @property
    def step(self) -> float:
        """Between samples, as a length in the grid."""
        return 1 / (self.cells.resolution * self.steps_per_cell)


@dataclass
class Gradients:
    """Sums of gradients of a field's tables, and who got any; one of each per lane."""

    raw: list[Float32[np.ndarray, " all"]]
    features: list[Float32[np.ndarray, "n c"]]
    raw_touched: list[UInt8[np.ndarray, " all"]]
    rows_touched: list[UInt8[np.ndarray, " n"]]

    @classmethod
    def of(cls, voxels: VoxelField) -> "Gradients":
        """Zero everywhere."""
        size, shape = len(voxels.raw), voxels.features.shape

        def lanes(shape: Any, kind: Any) -> list[Any]:
            return [np.zeros(shape, kind) for _ in range(LANES)]

        return cls(
            lanes(size, np.float32),
            lanes(shape, np.float32),
            lanes(size, np.uint8),
            lanes(shape[0], np.uint8),
        )


@dataclass(frozen=True)
class Marched:
    """What rays saw on their way."""

    seen: Float[Tensor, "r c"]
    """Features, weighted by how much each sample shows."""
    passed: Float[Tensor, " r"]
    """Share of the light from behind everything."""
    depth: Float[Tensor, " r"]
    """Weighted sum of distances; divided by 1 - passed, the mean distance of what is seen."""
    count: Int[Tensor, " r"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int32))
    """Samples in active cells."""


def march(
    voxels: VoxelField,
    rays: Rays,
    shift: Float[Tensor, " r"] | float = 0.5,
    gradients: Gradients | None = None,
    compiled: bool = COMPILED,
) -> Marched:
    """What each ray sees of the field.

    Args:
        voxels: The field.
        rays: In its frame; near and far bound the march, and so does the grid unless it is unbounded.
        shift: Where in its interval, from 0 to 1, each sample lies: random in training.
        gradients: Where the backward pass adds the gradients of the tables; None if there will be none.
        compiled: False takes the plain path.
    """
    if isinstance(shift, float):
        shift = torch.full((len(rays),), shift)
    anchor = torch.zeros((), requires_grad=gradients is not None and torch.is_grad_enabled())
    return Marched(*_March.apply(anchor, voxels, rays, shift, gradients, compiled))


class _March(torch.autograd.Function):
    """The tables are no tensors of the graph: their gradients are added where only some rows change."""

    @staticmethod
    def forward(
        context: Any,
        anchor: Tensor,
        voxels: VoxelField,
        rays: Rays,
        shift: Tensor,
        gradients: Gradients | None,
        compiled: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        context.given = (voxels, rays, shift, gradients, compiled)
        found = _compiled(voxels, rays, shift) if compiled else _plain(voxels, rays, shift)
        context.found = found[:3]
        context.mark_non_differentiable(found[3])
        return found

    @staticmethod
    def backward(context: Any, seen: Tensor, passed: Tensor, depth: Tensor, _: Tensor) -> tuple[None, ...]:
        voxels, rays, shift, gradients, compiled = context.given
        slopes = (seen.contiguous(), passed.contiguous(), depth.contiguous())
        if compiled:
            _compiled_backward(voxels, rays, shift, context.found, slopes, gradients)
        else:
            _plain_backward(voxels, rays, shift, slopes, gradients)
        return (None,) * 6


def _compiled(voxels: VoxelField, rays: Rays, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from isofield.render.voxel_kernels import forward

    count = len(rays)
    seen = np.empty((count, voxels.features.shape[1]), np.float32)
    passed, depth = np.empty(count, np.float32), np.empty(count, np.float32)
    samples = np.empty(count, np.int32)
    given = (*_given(voxels, rays, shift), FLOOR_END[0], FLOOR_END[1])
    in_lanes(forward, count, *given, seen, passed, depth, samples)
    return tuple(map(torch.from_numpy, (seen, passed, depth, samples)))  # type: ignore[return-value]


def _compiled_backward(
    voxels: VoxelField,
    rays: Rays,
    shift: Tensor,
    found: tuple[Tensor, ...],
    slopes: tuple[Tensor, ...],
    gradients: Gradients,
) -> None:
    from isofield.render.voxel_kernels import backward

    given = (*_given(voxels, rays, shift), FLOOR_END[0], FLOOR_END[1])
    known = [part.detach().numpy() for part in (*found, *slopes)]
    tables = (gradients.raw, gradients.features, gradients.raw_touched, gradients.rows_touched)
    in_lanes(backward, len(rays), *given, *known, *tables)


FLOOR_END = (np.float32(FLOOR), np.float32(END))


def _given(voxels: VoxelField, rays: Rays, shift: Tensor) -> tuple[Any, ...]:
    """Arguments of the loops up to the steepness of the density."""
    cells = voxels.cells
    return (
        *ray_arrays(rays),
        shift.numpy(),
        cells.resolution,
        voxels.unbounded,
        cells.flat,
        cells.blocks,
        cells.rows,
        voxels.raw,
        voxels.features,
        np.float32(voxels.step),
        voxels.surface,
        np.float32(voxels.sharpness),
    )


def ray_arrays(rays: Rays) -> tuple[np.ndarray, ...]:
    """Origins, directions, near and far as the loops take them: finite, as fast arithmetic asks for."""
    parts = (rays.origins, rays.directions, rays.near.clamp(max=1e9), rays.far.clamp(max=1e9))
    return tuple(part.float().contiguous().numpy() for part in parts)


def in_lanes(loop: Callable[..., Any], count: int, *arguments: Any) -> None:
    """Runs the loop over each lane's share of [0, count); lists hold one argument per lane."""
    if not _POOL:
        _POOL.append(ThreadPoolExecutor(LANES, thread_name_prefix="lanes"))
    ends = [count * lane // LANES for lane in range(LANES + 1)]
    jobs = []
    for lane in range(LANES):
        own = [part[lane] if isinstance(part, list) else part for part in arguments]
        jobs.append(_POOL[0].submit(loop, ends[lane], ends[lane + 1], *own))
    for job in jobs:
        job.result()


def _plain(voxels: VoxelField, rays: Rays, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from isofield.render.voxel_plain import marched

    with torch.no_grad():
        return marched(voxels, torch.from_numpy(voxels.raw), torch.from_numpy(voxels.features), rays, shift)


def _plain_backward(
    voxels: VoxelField, rays: Rays, shift: Tensor, slopes: tuple[Tensor, ...], gradients: Gradients
) -> None:
    from isofield.render.voxel_plain import marched

    with torch.enable_grad():
        raw_table = torch.from_numpy(voxels.raw).requires_grad_()
        rows = torch.from_numpy(voxels.features).requires_grad_()
        found = marched(voxels, raw_table, rows, rays, shift)[:3]
        raw, features = torch.autograd.grad(found, (raw_table, rows), slopes, allow_unused=True)
    for sums, touched, found_gradient in (
        (gradients.raw[0], gradients.raw_touched[0], raw),
        (gradients.features[0], gradients.rows_touched[0], features),
    ):
        if found_gradient is not None:
            values = found_gradient.numpy()
            sums += values
            touched |= _any(values).astype(np.uint8)


def _any(values: Shaped[np.ndarray, "n *c"]) -> Shaped[np.ndarray, " n"]:
    """Rows that are not zero."""
    return values != 0 if values.ndim == 1 else (values != 0).any(axis=1)


def largest_transmittance(
    voxels: VoxelField, rays: Rays, most: Float32[np.ndarray, " all"], compiled: bool = COMPILED
) -> None:
    """Raises `most`, of each node, to the largest share of light that a ray still has beside it.

    Samples lie in the middle of their intervals; each counts at the node nearest to it.
    """
    if not compiled:
        from isofield.render.voxel_plain import reached

        reached(voxels, rays, torch.from_numpy(most))
        return
    from isofield.render.voxel_kernels import reach

    cells = voxels.cells
    given = (
        *ray_arrays(rays),
        np.full(len(rays), 0.5, np.float32),
        cells.resolution,
        voxels.unbounded,
        cells.flat,
        cells.blocks,
        voxels.raw,
        np.float32(voxels.step),
        voxels.surface,
        np.float32(voxels.sharpness),
        FLOOR_END[1],
    )
    lanes = [most] + [np.zeros_like(most) for _ in range(LANES - 1)]
    in_lanes(reach, len(rays), *given, lanes)
    for lane in lanes[1:]:
        np.maximum(most, lane, out=most)
