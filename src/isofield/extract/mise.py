"""Multiresolution IsoSurface Extraction, as the original code of Occupancy Networks has it.

Section 3.3 of Mescheder et al. (CVPR 2019, arXiv:1812.03828): evaluate a coarse grid, split every
voxel that the surface crosses, evaluate the nodes this adds, and so on. `extract_mesh` reaches the
same surface with fewer evaluations; this is here to compare with and to reproduce published meshes.

The letter of the original, kept: a node marks every voxel whose closed cube holds it, so nodes on
the face of a coarser voxel split that voxel, too, in small rounds after the last regular one; a value
equal to the level counts as both sides; nodes that were never asked repeat their predecessor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from isofield.errors import InputError
from isofield.extract.bricks import Bricks
from isofield.extract.lattice import Lattice
from isofield.extract.marching import march
from isofield.extract.project import place_vertices
from isofield.extract.sampler import Sampler, no_surface
from isofield.extract.stages import Stages
from isofield.geometry import Box, Mesh
from isofield.scene import Inside

Values = Callable[[Int[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]
"""Nodes, 0 to the resolution along each axis -> values."""
BEYOND = -1e6
"""What the original puts around the grid, so that the mesh is closed."""
FINEST = 512
"""Most cells along an edge: the arrays that the original keeps are dense."""


@dataclass(frozen=True)
class MiseGrid:
    """Values at all nodes of a cube, few of them asked for."""

    values: Float[np.ndarray, "n n n"]
    """Float64; complete."""
    known: Bool[np.ndarray, "n n n"]
    """Where the field was asked; elsewhere the preceding node along x, else y, else z is repeated."""
    rounds: list[int]
    """Nodes asked in each round; the first is the coarse grid."""


class Octree:
    """Voxels of all levels: which exist, which are split, which saw values of either side.

    Arrays are dense, one per level. Level k has voxels of 2^(steps - k) finest cells; those of the
    last level are never split and not stored.
    """

    def __init__(self, resolution0: int, steps: int) -> None:
        shapes = [(resolution0 << level,) * 3 for level in range(steps)]
        self.steps = steps
        self.leaf = [np.full(shape, level == 0) for level, shape in enumerate(shapes)]
        self.above, self.below = ([np.zeros(shape, bool) for shape in shapes] for _ in range(2))

    def mark(self, nodes: Int[np.ndarray, "n 3"], at_least: Bool[np.ndarray, " n"], most: np.ndarray) -> None:
        """Tell the voxels around the nodes which values are at least, and at most, the level."""
        for level, (above, below) in enumerate(zip(self.above, self.below, strict=True)):
            shift, last = self.steps - level, len(above) - 1
            # Along each axis a node touches the voxel of the cell before it and of the cell after.
            ends = np.maximum(nodes - 1, 0) >> shift, np.minimum(nodes >> shift, last)
            for corner in np.ndindex(2, 2, 2):
                x, y, z = (ends[side][:, axis] for axis, side in enumerate(corner))
                above[x[at_least], y[at_least], z[at_least]] = True
                below[x[most], y[most], z[most]] = True

    def split(self) -> list[Int[np.ndarray, "_ 3"]]:
        """Split every leaf that saw both sides; the voxels split now, by level."""
        crossed = [
            leaf & above & below for leaf, above, below in zip(self.leaf, self.above, self.below, strict=True)
        ]
        voxels = [np.argwhere(mask) for mask in crossed]
        for level, mask in enumerate(crossed):
            self.leaf[level] &= ~mask
            if level + 1 < self.steps:
                for child in np.ndindex(2, 2, 2):
                    self.leaf[level + 1][tuple((2 * voxels[level] + child).T)] = True
        return voxels


def mise(values: Values, resolution0: int = 32, steps: int = 2, level: float = 0.0) -> MiseGrid:
    """All values of a grid of resolution0 * 2^steps cells along each edge, asked only near the surface.

    Args:
        values: The field at nodes; asked once per node, the nodes of a round in raster order.
        resolution0: Cells of the grid that is asked everywhere.
        steps: How often crossed voxels are split.
        level: Value of the surface.
    """
    side = (resolution0 << steps) + 1
    octree = Octree(resolution0, steps)
    known, dense = np.zeros((side,) * 3, bool), np.zeros((side,) * 3)
    rounds = []
    wanted = np.zeros_like(known)
    wanted[(slice(None, None, 1 << steps),) * 3] = True
    nodes = np.argwhere(wanted)
    while len(nodes):
        found = values(nodes)
        place = tuple(nodes.T)
        dense[place], known[place] = found, True
        rounds.append(len(nodes))
        octree.mark(nodes, found >= level, found <= level)
        nodes = _new_nodes(octree.split(), steps, known)
    return MiseGrid(_completed(dense, known), known, rounds)


def _new_nodes(
    voxels: list[Int[np.ndarray, "_ 3"]], steps: int, known: Bool[np.ndarray, "n n n"]
) -> Int[np.ndarray, "m 3"]:
    """The unknown ones among the 27 nodes of each split voxel, in raster order."""
    keys = []
    for level, corners in enumerate(voxels):
        half = 1 << (steps - level - 1)
        for offset in np.ndindex(3, 3, 3):
            x, y, z = (half * (2 * corners + offset)).T
            fresh = ~known[x, y, z]
            keys.append(np.ravel_multi_index((x[fresh], y[fresh], z[fresh]), known.shape))
    distinct = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    return np.stack(np.unravel_index(distinct, known.shape), axis=1)


def _completed(
    values: Float[np.ndarray, "n n n"], known: Bool[np.ndarray, "n n n"]
) -> Float[np.ndarray, "n n n"]:
    """Unknown nodes repeat the last known one before them along x; where there is none, y, then z."""
    for axis in range(3):
        count = values.shape[axis]
        index = np.arange(count).reshape([-1 if k == axis else 1 for k in range(3)])
        last = np.maximum.accumulate(np.where(known, index, -1), axis=axis)
        values = np.take_along_axis(values, np.maximum(last, 0), axis=axis)
        known = last >= 0
    return values


def extract_mise(
    inside: Inside, box: Box, resolution0: int = 32, steps: int = 2, level: float = 0.0
) -> tuple[Mesh, MiseGrid]:
    """Surface of `inside` at a level by the original algorithm, and the grid it was read from.

    The field is asked at float32 positions low + extent * node / resolution, compared with the level
    in float64, and padded by one layer far below it. Triangles are those of `march`; vertices lie
    linearly on their edges, at least a thousandth of an edge from its ends. Without steps the grid
    has `resolution0` nodes, not cells, along each edge, as in the original.

    Raises:
        InputError: The field never crosses the level, or is not finite.
        ValueError: A grid of less than two cells, or a negative number of steps.
    """
    if resolution0 < 2 or steps < 0:
        raise ValueError(f"a grid of at least 2 cells and no negative steps, not {resolution0} and {steps}")
    cells = resolution0 << steps if steps else resolution0 - 1
    grid = _asked(Sampler(inside, Lattice(box, np.full(3, cells)), closed=False), steps, level)
    return mesh_of(grid.values - level, box), grid


def mise_surface(
    inside: Inside, box: Box, resolution: int, coarse: int, stages: Stages
) -> tuple[Mesh, Sampler]:
    """The mesh of the original algorithm, and what evaluates its field.

    About `coarse` cells along each edge of the box are split until there are `resolution`, or
    the next larger number that splitting reaches.

    Raises:
        InputError: As `extract_mise`.
        ValueError: The resolution is too fine for dense bookkeeping.
    """
    if resolution > FINEST:
        raise ValueError(f"mise keeps dense arrays: at most {FINEST} cells along an edge, not {resolution}")
    steps = max(0, round(np.log2(resolution / coarse)))
    cells = -(-resolution >> steps) << steps
    sampler = Sampler(inside, Lattice(box, np.full(3, cells)), True, stages.report)
    stages.plan([float((cells >> steps) ** 3 + 11 * stages.crossed)])
    stages.enter("voxels")
    grid = _asked(sampler, steps, 0.0)
    stages.enter("surface")
    return mesh_of(grid.values, box), sampler


def _asked(sampler: Sampler, steps: int, level: float) -> MiseGrid:
    """All values of the sampler's cubic lattice, asked as the original asks."""
    box, cells = sampler.lattice.box, int(sampler.lattice.cells[0])

    def values(nodes: Int[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        found = sampler.values(box.low + box.extent * (nodes / cells)).astype(np.float64)
        sampler.low, sampler.high = min(sampler.low, found.min()), max(sampler.high, found.max())
        return found

    grid = mise(values, cells >> steps, steps, level)
    if not sampler.low < level <= sampler.high:
        raise InputError(no_surface(sampler))
    return grid


def mesh_of(values: Float[np.ndarray, "x y z"], box: Box) -> Mesh:
    """Zero surface of values on the nodes of a dense grid over a box, closed by a layer around it."""
    padded = np.pad(values, 1, constant_values=BEYOND).astype(np.float32)
    step = box.extent / (np.array(values.shape) - 1)
    lattice = Lattice(Box(box.low - step, box.high + step), np.array(padded.shape) - 1)
    surface = march(bricks_of(padded))
    # Without steps of projection the field itself is not asked again.
    vertices = place_vertices(surface, Sampler(lambda points: points[:, 0], lattice, closed=False), 0)
    return Mesh(vertices, surface.faces.astype(np.int64))


def bricks_of(values: Float32[np.ndarray, "x y z"]) -> Bricks:
    """The part of a dense grid around its zero surface: all corners of all crossed cells."""
    bricks = Bricks(np.array(values.shape) - 1)
    addresses = bricks.missing(np.argwhere(_crossed(values >= 0)))
    bricks.values[addresses] = values[tuple(bricks.nodes(addresses).T)]
    return bricks


def _crossed(sign: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x-1 y-1 z-1"]:
    """Cells whose corners differ in sign."""
    some, every = sign, sign
    for axis in range(3):
        before = (slice(None),) * axis + (slice(None, -1),)
        after = (slice(None),) * axis + (slice(1, None),)
        some, every = some[before] | some[after], every[before] & every[after]
    return some & ~every
