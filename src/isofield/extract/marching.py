"""Marching cubes on the complete cells of a sparse grid: closed and 2-manifold by construction.

An edge belongs to the brick of its upper end and a cell to that of its upper corner, so layers of bricks
can be marched one after the other, each knowing only the last plane of nodes before it. Vertices are
numbered layer by layer, too: several layers at once give what they give in turn.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from isofield.extract.bricks import INSIDE, OUTSIDE, SIDE, Bricks, codes_of, corner_or
from isofield.extract.cases import CORNERS, EDGES, FACES, MIDDLE, cases

_UPPER = np.array([edge[1] for edge in EDGES])
_AXIS = np.array([edge[2] for edge in EDGES])
_OWN = SIDE**3
_PER_BRICK = 3 * _OWN


@dataclass(frozen=True)
class Seam:
    """Crossed edges of the last plane before a grid's own layers, whose vertices are made already."""

    upper: Int[np.ndarray, "s 3"]
    """Node at the upper end."""
    axis: Int[np.ndarray, " s"]

    @classmethod
    def none(cls) -> "Seam":
        return cls(np.zeros((0, 3), np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Surface:
    """Triangles over crossed edges of the grid, before vertices get their places.

    Own vertices sit on an edge or in the middle of a loop; those of the seam follow them.
    """

    inner: Int[np.ndarray, "e 3"]
    """Node at the inside end of each crossed edge."""
    outer: Int[np.ndarray, "e 3"]
    inner_value: Float[np.ndarray, " e"]
    outer_value: Float[np.ndarray, " e"]
    """Below zero; -inf where the surface is capped at the box."""
    number: Int[np.ndarray, " e_plus_m"]
    """Vertex on each edge, then vertex in the middle of each loop."""
    loops: Int[np.ndarray, "m 12"]
    """Vertices around each middle vertex, filled up with -1."""
    faces: Int[np.ndarray, "f 3"]

    def seam(self, plane: int) -> tuple[Seam, Int[np.ndarray, " s"]]:
        """Edges within a plane of nodes across the x axis, and their vertices."""
        upper = np.maximum(self.inner, self.outer)
        axis = (self.inner != self.outer).argmax(axis=1)
        there = np.flatnonzero((upper[:, 0] == plane) & (axis > 0))
        return Seam(upper[there], axis[there]), self.number[there]


def march(grid: Bricks, seam: Seam | None = None) -> Surface:
    """The surface between inside (zero included) and outside nodes, counter-clockwise from outside.

    Args:
        grid: Its own layers are marched.
        seam: Edges of the plane before them, if they are not the first.
    """
    seam = seam or Seam.none()
    slots = grid.slots
    found: list[_Crossed] = [
        _crossed(grid, part, block) for part, block in grid.padded(slots, before=1, after=0)
    ]
    edges, low, high, cells, signs, corners = (
        np.concatenate([getattr(part, name) for part in found]) if found else empty
        for name, empty in _NOTHING.items()
    )
    entry = cases().index[signs, _joined(grid, corners, cases().ambiguous[signs])]
    owner, row = _ragged(cases().first_loop, entry)
    number = _numbered(grid, edges, cells[owner])
    count = len(number)

    vertex = np.empty(3 * len(grid.values), dtype=np.int32)
    vertex[edges] = number[: len(edges)]
    vertex[3 * grid.addresses(seam.upper) + seam.axis] = count + np.arange(len(seam.axis))
    loops = cases().loops[row]
    around = np.where(loops < 0, -1, vertex[3 * corners[owner[:, None], _UPPER[loops]] + _AXIS[loops]])
    first = len(edges) + np.searchsorted(owner, np.arange(len(cells)))
    faces = _faces(corners, entry, vertex, number, first)
    return Surface(*_ends(grid, edges, low, high), number, around.astype(np.int64), faces)


@dataclass(frozen=True)
class _Crossed:
    """What the surface crosses in a batch of bricks."""

    edges: Int[np.ndarray, " e"]
    """Address of the upper node * 3 + axis."""
    low: Float[np.ndarray, " e"]
    """Value at the lower node."""
    high: Float[np.ndarray, " e"]
    cells: Int[np.ndarray, " c"]
    """Address of the upper corner."""
    signs: Int[np.ndarray, " c"]
    """Which corners are inside, one bit per corner."""
    corners: Int[np.ndarray, "c 8"]
    """Addresses of all corners."""


_NOTHING = {
    "edges": np.zeros(0, np.int64),
    "low": np.zeros(0, np.float32),
    "high": np.zeros(0, np.float32),
    "cells": np.zeros(0, np.int64),
    "signs": np.zeros(0, np.int64),
    "corners": np.zeros((0, 8), np.int64),
}


def _crossed(grid: Bricks, slots: Int[np.ndarray, " t"], block: Float[np.ndarray, "t 9 9 9"]) -> _Crossed:
    """Edges whose ends differ and complete cells on the surface, in raster order within each brick."""
    codes = codes_of(block)
    here = codes[:, 1:, 1:, 1:]
    behind = (codes[:, :-1, 1:, 1:], codes[:, 1:, :-1, 1:], codes[:, 1:, 1:, :-1])
    crossed = np.empty((*here.shape, 3), dtype=bool)
    for axis, other in enumerate(behind):
        np.equal(here | other, INSIDE | OUTSIDE, out=crossed[..., axis])
    place = np.flatnonzero(crossed)
    brick, within = np.divmod(place, _PER_BRICK)
    node, axis = np.divmod(within, 3)
    side = SIDE + 1
    at = _in_block(brick, node)
    flat = block.reshape(-1)
    edges = slots[brick] * _PER_BRICK + within
    behind_by = np.array([side * side, side, 1])
    low, high = flat[at - behind_by[axis]], flat[at]

    place = np.flatnonzero(corner_or(codes) == INSIDE | OUTSIDE)
    brick, node = np.divmod(place, _OWN)
    at, flat_codes = _in_block(brick, node), codes.reshape(-1)
    signs = np.zeros(len(place), dtype=np.uint8)
    for bit, (i, j, k) in enumerate(CORNERS):
        step = (1 - i) * side * side + (1 - j) * side + (1 - k)
        signs |= (flat_codes[at - step] & INSIDE) << np.uint8(bit)
    return _Crossed(
        edges, low, high, slots[brick] * _OWN + node, signs.astype(np.int64), _corners(grid, slots, brick, node)
    )


def _in_block(brick: Int[np.ndarray, " n"], node: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Place in a batch of blocks of 9^3 nodes of nodes of their bricks."""
    side = SIDE + 1
    x, y, z = node >> 6, (node >> 3) & 7, node & 7
    return ((brick * side + x + 1) * side + y + 1) * side + z + 1


def _corners(
    grid: Bricks, slots: Int[np.ndarray, " t"], brick: Int[np.ndarray, " c"], node: Int[np.ndarray, " c"]
) -> Int[np.ndarray, "c 8"]:
    """Addresses of the corners of cells with these upper corners."""
    before = np.array(list(np.ndindex(2, 2, 2))) - 1
    around = grid.slots_of((grid.corners[slots] // SIDE)[:, None].repeat(8, 1).reshape(-1, 3) + np.tile(before, (len(slots), 1)))
    corners = np.empty((len(node), 8), dtype=np.int64)
    places = [node >> 6, (node >> 3) & 7, node & 7]
    lower = [(place - 1) & 7 for place in places]
    stays = [(place > 0).astype(np.int64) for place in places]
    for k, offset in enumerate(CORNERS):
        which, local = 8 * brick, np.zeros(len(node), np.int64)
        for axis, far in enumerate(offset):
            weight = 4 >> axis
            which = which + (weight if far else weight * stays[axis])
            local = (local << 3) | (places[axis] if far else lower[axis])
        corners[:, k] = (around[which].astype(np.int64) << 9) | local
    return corners


def _numbered(grid: Bricks, edges: Int[np.ndarray, " e"], owners: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"]:
    """Vertices of edges and of middles of cells: layer by layer, edges before middles."""
    first, layers = grid.layers.start, len(grid.layers)
    on_edges = np.bincount(grid.corners[edges // _PER_BRICK, 0] // SIDE - first, minlength=layers)
    in_middles = np.bincount(grid.corners[owners // _OWN, 0] // SIDE - first, minlength=layers)
    edges_so_far, middles_so_far = np.cumsum(on_edges), np.cumsum(in_middles)
    edge = np.arange(len(edges)) + np.repeat(middles_so_far - in_middles, on_edges)
    return np.concatenate([edge, np.arange(len(owners)) + np.repeat(edges_so_far, in_middles)])


def _faces(
    corners: Int[np.ndarray, "c 8"],
    entry: Int[np.ndarray, " c"],
    vertex: Int[np.ndarray, " k"],
    number: Int[np.ndarray, " n"],
    first: Int[np.ndarray, " c"],
) -> Int[np.ndarray, "f 3"]:
    """Triangles of the cells; `first` is the place in `number` of a cell's first middle."""
    owner, row = _ragged(cases().first_triangle, entry)
    local = cases().triangles[row]
    edge = np.minimum(local, MIDDLE - 1)
    upper = corners.reshape(-1)[8 * owner[:, None] + _UPPER[edge]]
    faces = vertex[3 * upper + _AXIS[edge]].astype(np.int64)
    at, column = np.nonzero(local >= MIDDLE)
    faces[at, column] = number[first[owner[at]] + local[at, column] - MIDDLE]
    return faces


def _ends(
    grid: Bricks, edges: Int[np.ndarray, " e"], low: Float[np.ndarray, " e"], high: Float[np.ndarray, " e"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inner and outer nodes and their values."""
    upper = grid.nodes(edges // 3)
    lower = upper - np.eye(3, dtype=np.int64)[edges % 3]
    low, high = low.astype(np.float64), high.astype(np.float64)
    swap = low < 0
    inner, outer = np.where(swap[:, None], upper, lower), np.where(swap[:, None], lower, upper)
    return inner, outer, np.where(swap, high, low), np.where(swap, low, high)


def _joined(
    grid: Bricks, corner: Int[np.ndarray, "c 8"], ambiguous: Int[np.ndarray, " c"]
) -> Int[np.ndarray, " c"]:
    """Bits of the ambiguous faces whose inside corners are connected within the face.

    The bilinear interpolant on the face joins its inside corners if their product exceeds the
    product of the outside ones (asymptotic decider, Nielson and Hamann 1991). Products of float32
    values are exact in float64, so both cells at a face decide alike.
    """
    joined = np.zeros(len(corner), dtype=np.int64)
    for f, ring in enumerate(FACES):
        rows = np.flatnonzero(ambiguous & (1 << f))
        a, b, c, d = (grid.values[corner[rows, k]].astype(np.float64) for k in ring)
        one, other = a * c, b * d
        joined[rows] |= np.where(a >= 0, one > other, other > one).astype(np.int64) << f
    return joined


def _ragged(first: Int[np.ndarray, " n"], entry: Int[np.ndarray, " c"]) -> tuple[np.ndarray, np.ndarray]:
    """Owner and table row of each item, when cell i takes rows first[entry i] ... first[entry i + 1]."""
    counts = first[entry + 1] - first[entry]
    owner = np.repeat(np.arange(len(entry)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return owner, first[entry][owner] + within
