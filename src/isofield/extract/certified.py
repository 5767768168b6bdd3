"""Surfaces of networks without sampling their emptiness: what is skipped has been proven empty.

Cells whose bounds (`ops.bounds`) leave out zero are dropped, the others split, down to blocks of 4^3 finest
cells. There the two planes of a block decide the sign of most nodes; the rest is evaluated, and so are
the ends of edges that the surface crosses. The grid has the sign of the field at every node, as if
all had been evaluated: no part that holds a node is missed, however small, thin or far from others.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from isofield.errors import InputError
from isofield.extract.bricks import Bricks
from isofield.extract.lattice import Lattice
from isofield.extract.refine import unknown_ends
from isofield.extract.sampler import Sampler
from isofield.extract.stages import Stages
from isofield.geometry import Box
from isofield.ops.bounds import ROUNDING, Planes, bound
from isofield.ops.steps import Layered
from isofield.scene import Inside

START = 16
"""Most cells along an edge of the grid that is bounded everywhere."""
BLOCK = 2
"""Level of the finest cells that are bounded: below, evaluating their nodes costs less."""
PROVEN = np.float32(3e38)
"""Size of the value of nodes whose sign is proven and whose value nobody needs."""
PART = 4096
"""Blocks at a time; bounds the temporaries."""


@dataclass(frozen=True)
class Blocks:
    """Cells of a level that may hold surface, with the planes that enclose the field there."""

    cells: Int[np.ndarray, "n 3"]
    planes: Planes
    bounded: int
    """How many cells were bounded on all levels."""


def certified_cells(field: Layered, lattice: Lattice, level: int, closed: bool = True) -> Blocks:
    """All cells of a level of the lattice but those proven to hold no surface.

    Of a closed surface, cells at the border that are proven inside stay: they are capped there.

    Raises:
        InputError: None is left.
    """
    top = level
    while lattice.cells_at(top).max() > START:
        top += 1
    cells = _everywhere(lattice, top)
    bounded = 0
    for now in range(top, level - 1, -1):
        centre, half = _boxes(lattice, cells, now)
        planes = bound(field.layers, torch.from_numpy(centre), torch.from_numpy(half))
        bounded += len(cells)
        low, high = (side.numpy() for side in planes.range())
        left = (low <= 0) & (high >= 0)
        if closed:
            left |= (high >= 0) & ((cells == 0) | (cells == lattice.cells_at(now) - 1)).any(axis=1)
        if not left.any():
            raise InputError(_proven_empty(lattice, low, high))
        cells, planes = cells[left], _some(planes, torch.from_numpy(left))
        if now > level:
            cells = _children(cells, planes, lattice, now, closed)
    return Blocks(cells, planes, bounded)


def _everywhere(lattice: Lattice, level: int) -> Int[np.ndarray, "n 3"]:
    """All cells of a level in Morton's order, in which consecutive ones lie together."""
    top = level
    while lattice.cells_at(top).max() > 1:
        top += 1
    cells = np.zeros((1, 3), dtype=np.int64)
    for now in reversed(range(level, top)):
        cells = _halves(cells, lattice, now)
    return cells


def _halves(cells: Int[np.ndarray, "n 3"], lattice: Lattice, level: int) -> Int[np.ndarray, "m 3"]:
    """The up to eight cells of `level` within each cell of the level above."""
    halves = (2 * cells[:, None] + np.array(list(np.ndindex(2, 2, 2)))).reshape(-1, 3)
    return halves[(halves < lattice.cells_at(level)).all(axis=1)]


def _children(
    cells: Int[np.ndarray, "n 3"], planes: Planes, lattice: Lattice, level: int, closed: bool
) -> Int[np.ndarray, "m 3"]:
    """The cells of the next finer level that the planes of their parents leave undecided."""
    halves = (2 * cells[:, None] + np.array(list(np.ndindex(2, 2, 2)))).reshape(-1, 3)
    parent = np.repeat(np.arange(len(cells)), 8)
    there = (halves < lattice.cells_at(level - 1)).all(axis=1)
    halves, parent = halves[there], parent[there]
    centre, half = _boxes(lattice, cells, level)
    low, high = lattice.positions(halves, level - 1), lattice.positions(halves + 1, level - 1)
    place = (((low + high) / 2 - centre[parent]) / half[parent]).astype(np.float32)
    reach = ((high - low) / (2 * half[parent]) + 8 * ROUNDING).astype(np.float32)
    slope = planes.slope.numpy()[parent]
    middle, swing = (slope * place).sum(axis=1), (np.abs(slope) * reach).sum(axis=1)
    swing += 8 * ROUNDING * np.abs(slope).sum(axis=1)
    above = planes.high.numpy()[parent] + middle + swing >= 0
    left = above & (planes.low.numpy()[parent] + middle - swing <= 0)
    if closed:
        left |= above & ((halves == 0) | (halves == lattice.cells_at(level - 1) - 1)).any(axis=1)
    return halves[left]


def _boxes(
    lattice: Lattice, cells: Int[np.ndarray, "n 3"], level: int
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Centres and half edges, float32, of boxes that hold the cells and their rounded nodes."""
    low, high = lattice.positions(cells, level), lattice.positions(cells + 1, level)
    centre = ((low + high) / 2).astype(np.float32)
    half = np.maximum(high - centre, centre - low)
    return centre, (half + 4 * ROUNDING * (np.abs(centre) + half)).astype(np.float32)


def _some(planes: Planes, which: torch.Tensor | slice) -> Planes:
    return Planes(planes.low[which], planes.high[which], planes.slope[which])


def _proven_empty(lattice: Lattice, low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]) -> str:
    """Why there is no mesh, in one sentence."""
    corner, other = np.round(lattice.box.low, 4).tolist(), np.round(lattice.box.high, 4).tolist()
    return (
        f"the field never crosses zero: bounds of its network prove that the whole box from {corner} to "
        f"{other} is {'inside' if low.min() > 0 else 'outside'}; likely causes are a box that misses the "
        f"shape, or an exchanged sign"
    )


def certified_grid(sampler: Sampler, blocks: Blocks, level: int = BLOCK) -> Bricks:
    """The finest grid with the sign of every node of the blocks, and values where the surface crosses.

    Raises:
        InputError: No edge of the grid crosses the surface.
    """
    lattice = sampler.lattice
    grid = Bricks(lattice.cells)
    side = 1 << level
    grid.allocate(side * blocks.cells, side)
    steps = np.stack(np.meshgrid(*[np.arange(side + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    asked = np.zeros(len(grid.values), dtype=bool)
    for start in range(0, len(blocks.cells), PART):
        part = slice(start, start + PART)
        cells = blocks.cells[part]
        nodes = np.minimum(side * cells[:, None] + steps, lattice.cells)  # (n s 3)
        sign = _signs(lattice, cells, _some(blocks.planes, part), level)
        if sampler.closed:
            border = ((nodes == 0) | (nodes == lattice.cells)).any(axis=2)
        addresses = grid.addresses(nodes)
        asked[addresses] = True
        grid.values[addresses[sign > 0]] = PROVEN
        grid.values[addresses[sign < 0]] = -PROVEN
        if sampler.closed:
            grid.values[addresses[border & (sign > 0)]] = -np.inf
    sampler.fill(grid, np.flatnonzero(asked & np.isnan(grid.values)), 0)
    sampler.fill(grid, unknown_ends(grid), 0)
    return grid


def _signs(
    lattice: Lattice, cells: Int[np.ndarray, "n 3"], planes: Planes, level: int
) -> Int[np.ndarray, "n s"]:
    """1 or -1 where the planes prove the sign of a node of a cell, else 0."""
    centre, half = _boxes(lattice, cells, level)
    slope = planes.slope.numpy()
    along = np.arange((1 << level) + 1)[:, None]
    nodes = np.minimum((cells[:, None] << level) + along, lattice.cells)  # (n k 3)
    moved = (lattice.positions(nodes.reshape(-1, 3)).reshape(nodes.shape) - centre[:, None]) * (slope / half)[
        :, None
    ]
    x, y, z = moved.astype(np.float32).transpose(2, 0, 1)
    change = x[:, :, None, None] + y[:, None, :, None] + z[:, None, None, :]
    change = change.reshape(len(cells), -1)
    spare = 8 * ROUNDING * np.abs(slope).sum(axis=1)
    above = change > (spare - planes.low.numpy())[:, None]
    below = change < (-spare - planes.high.numpy())[:, None]
    return above.astype(np.int8) - below


def certified_search(
    field: Inside, box: Box, resolution: int, closed: bool, stages: Stages
) -> tuple[Bricks, Sampler]:
    """The grid with the sign of the field at every node near the surface, and what evaluates the field.

    Raises:
        InputError: The field never crosses zero, or shows no layers.
    """
    if not isinstance(field, Layered):
        raise InputError(
            "only networks whose layers are known can be certified: field files, occupancy networks, and "
            "functions with `layers`"
        )
    sampler = Sampler(field, Lattice.over(box, resolution, BLOCK), closed, stages.report)
    stages.plan([60 * stages.crossed, 10 * stages.crossed])
    stages.enter("bounds")
    blocks = certified_cells(field, sampler.lattice, BLOCK, closed)
    stages.enter("evaluation")
    return certified_grid(sampler, blocks), sampler
